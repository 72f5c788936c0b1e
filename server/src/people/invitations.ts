import type { Invitation, InvitationCreate, InvitationCreated } from '@pennon/schema';

import { auditDraft } from '../audit/record.ts';
import { hashSecret } from '../auth/authenticate.ts';
import type { Caller } from '../auth/caller.ts';
import { hasExpired, tokenOf } from '../auth/sessions.ts';
import { formatInstant } from '../clock.ts';
import { invalid, PennonError } from '../errors.ts';
import { cursorsFor, pageOf, type Page, type PageQuery } from '../page.ts';
import { cursorSecret } from '../replication/cursor-secret.ts';
import type { InvitationDocument } from '../store/store.ts';
import { findPerson } from './people.ts';
import {
  changeOf,
  requireEnvironmentsOf,
  requireManagesPeople,
  type ControlRecords,
  type PeopleServices,
} from './records.ts';

const ID_LENGTH = 12;
/** More than 256 bits. */
const SECRET_LENGTH = 50;
const LIFETIME_MS = 7 * 86_400_000;

/** Returns a page of the invitations that can still be used, newest last. */
export const listInvitations = (
  { control, clock }: PeopleServices,
  caller: Caller,
  query: PageQuery,
): Page<Invitation> => {
  requireManagesPeople(caller);
  const all = [...control.current().records.invitations.values()]
    .map(({ document }) => document)
    .filter(each => !hasExpired(each, clock))
    .map(toInvitation);
  const cursors = cursorsFor(cursorSecret(control), ['invitations']);
  return pageOf(all, ({ createdAt, id }) => createdAt + id, cursors, query);
};

/** Invites a new person, or lets a known one set a password again. The admin passes the link on. */
export const createInvitation = (
  { control, clock, random, basePath }: PeopleServices,
  caller: Caller,
  input: InvitationCreate,
): Promise<InvitationCreated> => {
  requireManagesPeople(caller);
  const [id, secret] = [random(ID_LENGTH), random(SECRET_LENGTH)];
  return control.write(({ records }) => {
    const now = clock.now();
    const invitation: InvitationDocument = {
      id,
      ...subjectOf(records, input),
      by: caller.actor.name,
      createdAt: formatInstant(now),
      expiresAt: formatInstant(now + LIFETIME_MS),
      hash: hashSecret(secret),
    };
    const expired = [...records.invitations.values()]
      .filter(({ document }) => hasExpired(document, clock))
      .map(({ document }) => [document.id, null] as const);
    return {
      writes: { invitations: new Map([...expired, [id, invitation]]) },
      audit: [
        auditDraft(caller, now, changeOf('invitation.create', id, null, toInvitation(invitation))),
      ],
      result: () => ({
        ...toInvitation(invitation),
        path: `${basePath}/join#${tokenOf(id, secret)}`,
      }),
    };
  });
};

/** Returns the person that an invitation is for, with the roles of a new one. */
const subjectOf = (
  records: ControlRecords,
  { email, grants, person: id }: InvitationCreate,
): Pick<Invitation, 'email' | 'grants' | 'person'> => {
  if (id !== undefined) {
    if (email !== undefined || grants !== undefined)
      throw invalid([{ path: 'person', message: 'cannot be combined with "email" or "grants"' }]);
    const { email: known } = findPerson(records, id);
    if (known === '')
      throw invalid([
        { path: 'person', message: 'has no e-mail address, and signs in with the provider only' },
      ]);
    return { email: known, grants: [], person: id };
  }
  if (email === undefined)
    throw invalid([
      { path: 'email', message: 'is missing: invite a new person by an address, or set "person"' },
    ]);
  requireUnknown(records, email);
  requireEnvironmentsOf(records, grants ?? []);
  if (grants === undefined || grants.length === 0)
    throw invalid([{ path: 'grants', message: 'must have at least one role' }]);
  return { email, grants };
};

/** Throws CONFLICT if a person has the e-mail address. */
export const requireUnknown = ({ people }: ControlRecords, email: string): void => {
  for (const { document } of people.values())
    if (document.email === email)
      throw new PennonError(
        'CONFLICT',
        `"${email}" belongs to person "${document.id}" already: change their grants, or reset their password with "person"`,
      );
};

export const deleteInvitation = (
  { control, clock }: PeopleServices,
  caller: Caller,
  id: string,
): Promise<void> => {
  requireManagesPeople(caller);
  return control.write(({ records }) => {
    const invitation = records.invitations.get(id)?.document;
    if (invitation === undefined)
      throw new PennonError(
        'NOT_FOUND',
        `invitation "${id}" does not exist, or was used: see GET /api/v1/invitations`,
      );
    const change = changeOf('invitation.delete', id, toInvitation(invitation), null);
    return {
      writes: { invitations: new Map([[id, null]]) },
      audit: [auditDraft(caller, clock.now(), change)],
      result: () => undefined,
    };
  });
};

/** Returns a stored invitation as the API does, without its hash. */
export const toInvitation = ({ hash: _hash, ...invitation }: InvitationDocument): Invitation =>
  invitation;
