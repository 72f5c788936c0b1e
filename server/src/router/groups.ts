import { Group, GroupCreate, GroupPatch, Key, strictObject } from '@pennon/schema';

import { createGroup, deleteGroup, listGroups, updateGroup } from '../people/groups.ts';
import { procedure, router } from './procedure.ts';
import { Nothing, page, paging } from './schemas.ts';

const tag = 'People';

export const groups = router({
  create: procedure({
    permission: 'people.manage',
    rest: {
      method: 'POST',
      status: 201,
      path: '/groups',
      tag,
      summary: 'Create a group of people with the same roles',
      example: {
        key: 'checkout-team',
        name: 'Checkout team',
        grants: [{ environment: 'production', role: 'editor' }],
      },
    },
  })
    .input(GroupCreate)
    .output(Group)
    .mutation(({ ctx, input }) => createGroup(ctx.services, ctx.caller, input)),

  list: procedure({
    permission: 'people.manage',
    rest: { method: 'GET', path: '/groups', tag, summary: 'List all groups' },
  })
    .input(strictObject(paging))
    .output(page(Group))
    .query(({ ctx, input }) => listGroups(ctx.services, ctx.caller, input)),

  update: procedure({
    permission: 'people.manage',
    rest: {
      method: 'PATCH',
      path: '/groups/{key}',
      tag,
      summary: 'Change the name, members, roles or claims of a group',
      example: { name: 'Checkout' },
    },
  })
    .input(strictObject({ key: Key, ...GroupPatch.shape }))
    .output(Group)
    .mutation(({ ctx, input }) => updateGroup(ctx.services, ctx.caller, input)),

  delete: procedure({
    permission: 'people.manage',
    rest: { method: 'DELETE', path: '/groups/{key}', tag, summary: 'Delete a group' },
  })
    .input(strictObject({ key: Key }))
    .output(Nothing)
    .mutation(({ ctx, input }) => deleteGroup(ctx.services, ctx.caller, input.key)),
});
