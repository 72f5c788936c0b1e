import type { Person, PersonPatch } from '@pennon/schema';

import { auditDraft } from '../audit/record.ts';
import { requireAdminAfter } from '../auth/admins.ts';
import type { Caller } from '../auth/caller.ts';
import { PennonError } from '../errors.ts';
import { cursorsFor, pageOf, type Page, type PageQuery } from '../page.ts';
import { cursorSecret } from '../replication/cursor-secret.ts';
import type { PersonDocument } from '../store/store.ts';
import {
  changeOf,
  requireEnvironmentsOf,
  requireManagesPeople,
  toPerson,
  type ControlRecords,
  type PeopleServices,
} from './records.ts';

/** Returns a page of all people, in the order of their e-mail addresses. */
export const listPeople = (
  { control }: PeopleServices,
  caller: Caller,
  query: PageQuery,
): Page<Person> => {
  requireManagesPeople(caller);
  const all = [...control.current().records.people.values()].map(({ document }) =>
    toPerson(document),
  );
  return pageOf(
    all,
    // Several people may have no address.
    ({ email, id }) => `${email} ${id}`,
    cursorsFor(cursorSecret(control), ['people']),
    query,
  );
};

export const getPerson = ({ control }: PeopleServices, caller: Caller, id: string): Person => {
  requireManagesPeople(caller);
  return toPerson(findPerson(control.current().records, id));
};

export const findPerson = ({ people }: ControlRecords, id: string): PersonDocument => {
  const person = people.get(id)?.document;
  if (person !== undefined) return person;
  throw new PennonError(
    'NOT_FOUND',
    `person "${id}" does not exist: use the id of a person, from GET /api/v1/people`,
  );
};

/** Changes a person. Disabling one ends their sessions at once, and their personal tokens stop working. */
export const updatePerson = (
  { control, clock, signIn }: PeopleServices,
  caller: Caller,
  { id, ...patch }: PersonPatch & { readonly id: string },
): Promise<Person> => {
  requireManagesPeople(caller);
  return control.write(({ records }) => {
    const before = findPerson(records, id);
    requireEnvironmentsOf(records, patch.grants ?? []);
    const after: PersonDocument = {
      ...before,
      name: patch.name ?? before.name,
      state: patch.state ?? before.state,
      grants: patch.grants ?? before.grants,
    };
    const people = new Map([[id, after]]);
    requireAdminAfter(records, { people }, signIn);
    const ended = after.state === 'disabled' ? sessionsOf(records, id) : [];
    return {
      writes: { people, sessions: new Map(ended.map(each => [each, null])) },
      audit: [
        auditDraft(
          caller,
          clock.now(),
          changeOf('person.update', id, toPerson(before), toPerson(after)),
        ),
      ],
      result: () => toPerson(after),
    };
  });
};

/** Deletes a person with their sessions, personal tokens and memberships. */
export const deletePerson = (
  { control, clock, signIn }: PeopleServices,
  caller: Caller,
  id: string,
): Promise<void> => {
  requireManagesPeople(caller);
  return control.write(({ records }) => {
    const person = findPerson(records, id);
    const people = new Map([[id, null]]);
    const groups = groupsWithout(records, id);
    requireAdminAfter(records, { people, groups }, signIn);
    return {
      writes: {
        people,
        groups,
        sessions: new Map(sessionsOf(records, id).map(each => [each, null])),
        tokens: new Map(tokensOf(records, id).map(each => [each, null])),
        invitations: new Map(invitationsOf(records, id).map(each => [each, null])),
      },
      audit: [
        auditDraft(caller, clock.now(), changeOf('person.delete', id, toPerson(person), null)),
      ],
      result: () => undefined,
    };
  });
};

/** Returns the ids of the sessions of a person. */
export const sessionsOf = ({ sessions }: ControlRecords, person: string): string[] =>
  [...sessions.values()].flatMap(({ document }) =>
    document.person === person ? [document.id] : [],
  );

const tokensOf = ({ tokens }: ControlRecords, person: string): string[] =>
  [...tokens.values()].flatMap(({ document }) => (document.person === person ? [document.id] : []));

const invitationsOf = ({ invitations }: ControlRecords, person: string): string[] =>
  [...invitations.values()].flatMap(({ document }) =>
    document.person === person ? [document.id] : [],
  );

const groupsWithout = ({ groups }: ControlRecords, person: string) =>
  new Map(
    [...groups.values()]
      .filter(({ document }) => document.members.includes(person))
      .map(({ document }) => [
        document.key,
        { ...document, members: document.members.filter(each => each !== person) },
      ]),
  );
