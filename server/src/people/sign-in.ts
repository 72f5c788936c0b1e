import { PennonError } from '../errors.ts';
import { startSession, type SignedIn } from '../sessions/sessions.ts';
import type { PersonDocument } from '../store/store.ts';
import { requirePasswords, type JoinServices } from './join.ts';
import type { ControlRecords } from './records.ts';
import { grantsOf } from '../auth/grants.ts';

/**
 * Starts a session of a person. Unknown people, wrong passwords and disabled people have the same error, and take as
 * long.
 */
export const signInWithPassword = async (
  services: JoinServices,
  { email, password }: { readonly email: string; readonly password: string },
  visitor: string,
): Promise<SignedIn> => {
  const { control, passwords, signIn } = services;
  requirePasswords(signIn);
  const found = findByEmail(control.current().records, email);
  const isRight = await passwords.verify(password, found?.password, `${email} ${visitor}`);
  if (found === undefined || !isRight || found.state !== 'active') throw wrong();
  const actor = { kind: 'person', id: found.id, name: found.name } as const;
  return startSession(services, { actor }, records => {
    const person = records.people.get(found.id)?.document;
    if (person?.password !== found.password || person?.state !== 'active') throw wrong();
    requireRole(records, person);
    return { person: person.id, via: 'password' };
  });
};

const findByEmail = ({ people }: ControlRecords, email: string): PersonDocument | undefined =>
  [...people.values()].find(({ document }) => document.email === email)?.document;

const wrong = (): PennonError =>
  new PennonError('UNAUTHORIZED', 'the e-mail address or the password is wrong');

const requireRole = (records: ControlRecords, person: PersonDocument): void => {
  if (grantsOf(records, person).size === 0)
    throw new PennonError('FORBIDDEN', 'you have no role yet: an admin can give you one');
};
