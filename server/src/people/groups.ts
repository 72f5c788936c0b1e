import type { Group, GroupCreate, GroupPatch } from '@pennon/schema';

import { auditDraft } from '../audit/record.ts';
import { requireAdminAfter } from '../auth/admins.ts';
import type { Caller } from '../auth/caller.ts';
import { formatInstant } from '../clock.ts';
import { invalid, PennonError } from '../errors.ts';
import { cursorsFor, pageOf, type Page, type PageQuery } from '../page.ts';
import { cursorSecret } from '../replication/cursor-secret.ts';
import {
  changeOf,
  requireEnvironmentsOf,
  requireManagesPeople,
  type ControlRecords,
  type PeopleServices,
} from './records.ts';

/** Returns a page of all groups, in the order of their keys. */
export const listGroups = (
  { control }: PeopleServices,
  caller: Caller,
  query: PageQuery,
): Page<Group> => {
  requireManagesPeople(caller);
  const all = [...control.current().records.groups.values()].map(({ document }) => document);
  return pageOf(all, ({ key }) => key, cursorsFor(cursorSecret(control), ['groups']), query);
};

export const createGroup = (
  { control, clock }: PeopleServices,
  caller: Caller,
  input: GroupCreate,
): Promise<Group> => {
  requireManagesPeople(caller);
  return control.write(({ records }) => {
    if (records.groups.has(input.key)) throw groupExists(input.key);
    requireValid(records, input);
    const now = clock.now();
    const group: Group = { ...input, createdAt: formatInstant(now) };
    return {
      writes: { groups: new Map([[group.key, group]]) },
      audit: [auditDraft(caller, now, changeOf('group.create', group.key, null, group))],
      result: () => group,
    };
  });
};

/** Changes a group. Its members have the new roles at once. */
export const updateGroup = (
  { control, clock, signIn }: PeopleServices,
  caller: Caller,
  { key, ...patch }: GroupPatch & { readonly key: string },
): Promise<Group> => {
  requireManagesPeople(caller);
  return control.write(({ records }) => {
    const before = findGroup(records, key);
    const after: Group = {
      ...before,
      name: patch.name ?? before.name,
      claims: patch.claims ?? before.claims,
      grants: patch.grants ?? before.grants,
      members: patch.members ?? before.members,
    };
    requireValid(records, patch);
    const groups = new Map([[key, after]]);
    requireAdminAfter(records, { groups }, signIn);
    return {
      writes: { groups },
      audit: [auditDraft(caller, clock.now(), changeOf('group.update', key, before, after))],
      result: () => after,
    };
  });
};

export const deleteGroup = (
  { control, clock, signIn }: PeopleServices,
  caller: Caller,
  key: string,
): Promise<void> => {
  requireManagesPeople(caller);
  return control.write(({ records }) => {
    const group = findGroup(records, key);
    const groups = new Map([[key, null]]);
    requireAdminAfter(records, { groups }, signIn);
    return {
      writes: { groups },
      audit: [auditDraft(caller, clock.now(), changeOf('group.delete', key, group, null))],
      result: () => undefined,
    };
  });
};

const findGroup = ({ groups }: ControlRecords, key: string): Group => {
  const group = groups.get(key)?.document;
  if (group !== undefined) return group;
  throw new PennonError(
    'NOT_FOUND',
    `group "${key}" does not exist: use the key of a group, from GET /api/v1/groups`,
  );
};

const groupExists = (key: string): PennonError =>
  new PennonError('CONFLICT', `group "${key}" already exists: choose another key`);

const requireValid = (records: ControlRecords, { grants = [], members = [] }: GroupPatch): void => {
  requireEnvironmentsOf(records, grants);
  const details = members.flatMap((id, at) =>
    records.people.has(id)
      ? []
      : [{ path: `members.${at}`, message: `must be the id of a person, and "${id}" is not` }],
  );
  if (details.length > 0) throw invalid(details);
};
