import { auditDraft } from '../audit/record.ts';
import type { Caller } from '../auth/caller.ts';
import { invalid, PennonError } from '../errors.ts';
import type { PersonDocument } from '../store/store.ts';
import { requireGoodPassword, requirePasswords, type JoinServices } from './join.ts';
import { findPerson, sessionsOf } from './people.ts';
import { changeOf, toPerson } from './records.ts';

export type PasswordChange = { readonly current: string; readonly password: string };

/** Changes the password of the person who has signed in, and ends their other sessions. */
export const changePassword = async (
  { control, clock, passwords, signIn }: JoinServices,
  caller: Caller,
  { current, password }: PasswordChange,
): Promise<void> => {
  requirePasswords(signIn);
  const id = requirePerson(caller);
  const person = findPerson(control.current().records, id);
  requireGoodPassword(password, person);
  if (!(await passwords.verify(current, person.password, `${id} ${caller.visitor}`)))
    throw invalid([{ path: 'current', message: 'is not your current password' }]);
  const hash = await passwords.hash(password);
  await control.write(({ records }) => {
    const before = findPerson(records, id);
    if (before.password !== person.password)
      throw new PennonError('CONFLICT', 'your password was changed by another request');
    const after: PersonDocument = { ...before, password: hash };
    const others = sessionsOf(records, id).filter(each => each !== caller.credential.id);
    const change = changeOf('person.update', id, toPerson(before), toPerson(after));
    return {
      writes: {
        people: new Map([[id, after]]),
        sessions: new Map(others.map(each => [each, null])),
      },
      audit: [auditDraft(caller, clock.now(), change)],
      result: () => undefined,
    };
  });
};

/** Returns the id of the person who has signed in. Throws FORBIDDEN for keys. */
export const requirePerson = ({ actor, credential }: Caller): string => {
  if (actor.kind === 'person' && credential.kind === 'session') return actor.id;
  throw new PennonError('FORBIDDEN', 'only a person who has signed in may do this, not a key');
};
