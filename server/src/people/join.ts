import { LIMITS } from '@pennon/schema';

import { auditDraft } from '../audit/record.ts';
import { findByToken, hasExpired, tokenOf } from '../auth/sessions.ts';
import { formatInstant } from '../clock.ts';
import { invalid, PennonError } from '../errors.ts';
import {
  newSession,
  outdatedSessions,
  sessionCreated,
  type SignedIn,
} from '../sessions/sessions.ts';
import type { InvitationDocument, PersonDocument } from '../store/store.ts';
import { requireUnknown } from './invitations.ts';
import type { Passwords } from './passwords.ts';
import { findPerson, sessionsOf } from './people.ts';
import { changeOf, toPerson, type ControlRecords, type PeopleServices } from './records.ts';

export type JoinServices = PeopleServices & { readonly passwords: Passwords };

export type JoinInput = {
  /** From the fragment of the link. */
  readonly token: string;
  /** Only for a new person. */
  readonly name?: string | undefined;
  readonly password: string;
};

const ID_LENGTH = 12;

/**
 * Uses an invitation: makes the person, or resets the password of one and ends their other sessions. Starts a session
 * either way. An invitation can be used once.
 */
export const join = async (services: JoinServices, input: JoinInput): Promise<SignedIn> => {
  const { control, clock, passwords, random, signIn } = services;
  requirePasswords(signIn);
  const invitation = findInvitation(services, control.current().records, input.token);
  const name = nameFor(control.current().records, invitation, input.name);
  requireGoodPassword(input.password, { email: invitation.email, name });
  const password = await passwords.hash(input.password);
  const id = invitation.person ?? random(ID_LENGTH);
  const { session, secret } = newSession(services, { person: id, via: 'invitation' });
  return control.write(({ records }) => {
    findInvitation(services, records, input.token);
    const before = invitation.person === undefined ? null : findPerson(records, id);
    if (before === null) requireUnknown(records, invitation.email);
    const now = clock.now();
    const after: PersonDocument = {
      ...(before ?? {
        id,
        email: invitation.email,
        name,
        state: 'active',
        grants: invitation.grants,
        createdAt: formatInstant(now),
      }),
      password,
    };
    requireActive(after);
    const actor = { kind: 'person', id, name: after.name } as const;
    const change = changeOf(
      before === null ? 'person.create' : 'person.update',
      id,
      before && toPerson(before),
      toPerson(after),
    );
    return {
      writes: {
        people: new Map([[id, after]]),
        invitations: new Map([[invitation.id, null]]),
        sessions: new Map([
          ...outdatedSessions(services, records, session),
          ...sessionsOf(records, id).map(each => [each, null] as const),
          [session.id, session],
        ]),
      },
      audit: [change, sessionCreated(session)].map(each => auditDraft({ actor }, now, each)),
      result: () => ({
        token: tokenOf(session.id, secret),
        expiresAt: Date.parse(session.expiresAt),
      }),
    };
  });
};

/** Returns who an invitation is for: an e-mail address, and the name of a person who resets their password. */
export const readInvitation = (
  { control, clock }: Pick<JoinServices, 'control' | 'clock'>,
  token: string,
): { readonly email: string; readonly name: string | null } => {
  const { records } = control.current();
  const { email, person } = findInvitation({ clock }, records, token);
  return { email, name: person === undefined ? null : findPerson(records, person).name };
};

const findInvitation = (
  { clock }: Pick<JoinServices, 'clock'>,
  { invitations }: ControlRecords,
  token: string,
): InvitationDocument => {
  const invitation = findByToken(invitations, token);
  if (invitation !== undefined && !hasExpired(invitation, clock)) return invitation;
  throw new PennonError(
    'NOT_FOUND',
    'the invitation was used, withdrawn or is older than seven days: an admin can make another one',
  );
};

const nameFor = (
  records: ControlRecords,
  { person }: InvitationDocument,
  requested: string | undefined,
): string => {
  if (person !== undefined) return findPerson(records, person).name;
  if (requested !== undefined) return requested;
  throw invalid([{ path: 'name', message: 'is missing: how others see you' }]);
};

/** Throws FORBIDDEN if people cannot sign in with passwords here. */
export const requirePasswords = ({ passwords }: { readonly passwords: boolean }): void => {
  if (!passwords)
    throw new PennonError('FORBIDDEN', 'passwords are turned off here (PENNON_PASSWORDS=off)');
};

const requireActive = ({ state }: PersonDocument): void => {
  if (state !== 'active')
    throw new PennonError('FORBIDDEN', 'this person is disabled: an admin can change that');
};

/** Throws BAD_REQUEST if a password can be guessed from the person, or is a repeated character. */
export const requireGoodPassword = (
  password: string,
  { email, name }: Pick<PersonDocument, 'email' | 'name'>,
): void => {
  const same = (text: string) => text.trim().toLowerCase() === password.trim().toLowerCase();
  if (same(email) || same(name))
    throw invalid([{ path: 'password', message: 'must not be your e-mail address or name' }]);
  if (new Set(password).size < MIN_DIFFERENT)
    throw invalid([
      {
        path: 'password',
        message: `must have ${LIMITS.passwordMin} to ${LIMITS.passwordMax} characters, of which ${MIN_DIFFERENT} differ`,
      },
    ]);
};

const MIN_DIFFERENT = 4;
