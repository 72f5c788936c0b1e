import { isDeepStrictEqual } from 'node:util';

import { auditDraft, type AuditedChange } from '../audit/record.ts';
import { grantsOf } from '../auth/grants.ts';
import { hasExpired, tokenOf } from '../auth/sessions.ts';
import { formatInstant, type Clock } from '../clock.ts';
import type { Identity } from '../oidc/identity.ts';
import type { WritePlan } from '../replication/writer.ts';
import {
  newSession,
  outdatedSessions,
  sessionCreated,
  type SignedIn,
} from '../sessions/sessions.ts';
import type { InvitationDocument, PersonDocument } from '../store/store.ts';
import { changeOf, toPerson, type ControlRecords, type PeopleServices } from './records.ts';

/** Why an identity cannot sign in. */
export type Refusal = 'noRole' | 'disabled' | 'emailTaken';

type Outcome = SignedIn | Refusal;

const ID_LENGTH = 12;

/**
 * Starts a session of the person with an identity, and replaces the groups that their provider has put them in. An
 * unknown identity becomes the person, or uses the invitation, with its verified e-mail address, and otherwise a new
 * person if one of its groups has a role.
 */
export const signInWithProvider = (
  services: PeopleServices,
  identity: Identity,
): Promise<Outcome> => {
  const id = services.random(ID_LENGTH);
  return services.control.write(({ records }): Plan => {
    const match = findMatch(services, records, identity);
    if (match === 'emailTaken') return refuse(match);
    const after = personAfter(records, match, identity, {
      id,
      createdAt: formatInstant(services.clock.now()),
    });
    if (after.state === 'disabled') return refuse('disabled');
    const hasRole = grantsOf(records, after).size > 0;
    if (!hasRole && match.person === undefined) return refuse('noRole');
    return hasRole
      ? admit(services, records, match, after)
      : { ...update(services, match, after), result: () => 'noRole' };
  });
};

type Plan = WritePlan<'control', Outcome>;

const refuse = (refusal: Refusal): Plan => ({ writes: {}, audit: [], result: () => refusal });

/** A person who exists, or an invitation of a new one, or neither. */
type Match = {
  readonly person?: PersonDocument | undefined;
  readonly invitation?: InvitationDocument | undefined;
};

/**
 * A provider can give the e-mail address of a former user to another one. So an address whose person has signed in with
 * the same provider belongs to that identity only.
 */
const findMatch = (
  { clock }: Pick<PeopleServices, 'clock'>,
  records: ControlRecords,
  { subject, email }: Identity,
): Match | 'emailTaken' => {
  const people = [...records.people.values()].map(({ document }) => document);
  const known = people.find(person => isDeepStrictEqual(person.subject, subject));
  if (known !== undefined) return { person: known };
  if (email === undefined) return {};
  const owner = people.find(person => person.email === email);
  if (owner === undefined) return { invitation: findInvitation(records, email, clock) };
  return owner.subject?.issuer === subject.issuer ? 'emailTaken' : { person: owner };
};

/** Returns the newest invitation of a new person with an e-mail address. */
const findInvitation = (
  { invitations }: ControlRecords,
  email: string,
  clock: Clock,
): InvitationDocument | undefined =>
  [...invitations.values()]
    .map(({ document }) => document)
    .filter(each => each.email === email && each.person === undefined && !hasExpired(each, clock))
    .toSorted((a, b) => Date.parse(b.createdAt) - Date.parse(a.createdAt))[0];

const personAfter = (
  records: ControlRecords,
  { person, invitation }: Match,
  { subject, email = '', name, groups }: Identity,
  created: Pick<PersonDocument, 'id' | 'createdAt'>,
): PersonDocument => {
  const before: PersonDocument = person ?? {
    ...created,
    email,
    name,
    state: 'active',
    grants: invitation?.grants ?? [],
  };
  const isFree = ![...records.people.values()].some(({ document }) => document.email === email);
  return {
    ...before,
    email: before.email === '' && isFree ? email : before.email,
    subject,
    claims: claimsOf(records, groups),
  };
};

/** Returns the groups at the provider that a group here names. Others are not stored. */
const claimsOf = ({ groups }: ControlRecords, held: readonly string[]): string[] => {
  const named = new Set([...groups.values()].flatMap(({ document }) => document.claims));
  return [...named].filter(claim => held.includes(claim)).toSorted();
};

const admit = (
  services: PeopleServices,
  records: ControlRecords,
  match: Match,
  after: PersonDocument,
): Plan => {
  const { session, secret } = newSession(services, { person: after.id, via: 'oidc' });
  const updated = update(services, match, after);
  return {
    writes: {
      ...updated.writes,
      sessions: new Map([...outdatedSessions(services, records, session), [session.id, session]]),
    },
    audit: [...updated.audit, draft(services, after, sessionCreated(session))],
    result: () => ({
      token: tokenOf(session.id, secret),
      expiresAt: Date.parse(session.expiresAt),
    }),
  };
};

/** Returns the writes that make a person what they are after a sign-in. None if they are the same. */
const update = (
  services: PeopleServices,
  { person, invitation }: Match,
  after: PersonDocument,
): Pick<Plan, 'writes' | 'audit'> => {
  if (isDeepStrictEqual(person, after)) return { writes: {}, audit: [] };
  const action = person === undefined ? 'person.create' : 'person.update';
  const before = person === undefined ? null : toPerson(person);
  return {
    writes: {
      people: new Map([[after.id, after]]),
      ...(invitation && { invitations: new Map([[invitation.id, null]]) }),
    },
    audit: [draft(services, after, changeOf(action, after.id, before, toPerson(after)))],
  };
};

const draft = (
  { clock }: Pick<PeopleServices, 'clock'>,
  { id, name }: PersonDocument,
  change: AuditedChange,
) => auditDraft({ actor: { kind: 'person', id, name } }, clock.now(), change);
