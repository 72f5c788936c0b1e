import { Key, NamedContext, NamedContextInput, strictObject } from '@pennon/schema';

import { deleteContext, listContexts, saveContext } from '../contexts/contexts.ts';
import { inSlices } from './output.ts';
import { procedure, router } from './procedure.ts';
import { environment, Nothing, page, paging } from './schemas.ts';

const tag = 'Contexts';

/** Named contexts, with which people try the flags of an environment. */
export const contexts = router({
  list: procedure({
    permission: 'flags.read',
    rest: {
      method: 'GET',
      path: '/contexts',
      tag,
      summary: 'List the named contexts of an environment',
    },
  })
    .input(strictObject({ ...environment, ...paging }))
    .output(inSlices(page(NamedContext)))
    .query(({ ctx, input }) => listContexts(ctx.services, ctx.caller, input)),

  save: procedure({
    permission: 'flags.write',
    rest: {
      method: 'PUT',
      path: '/contexts/{key}',
      tag,
      summary: 'Save a named context, or replace it',
      example: { name: 'Ada, pro', context: { targetingKey: 'ada', plan: 'pro' } },
    },
  })
    .input(strictObject({ ...environment, ...NamedContextInput.shape }))
    .output(NamedContext)
    .mutation(({ ctx, input }) => saveContext(ctx.services, ctx.caller, input)),

  delete: procedure({
    permission: 'flags.write',
    rest: {
      method: 'DELETE',
      path: '/contexts/{key}',
      tag,
      summary: 'Delete a named context',
    },
  })
    .input(strictObject({ ...environment, key: Key }))
    .output(Nothing)
    .mutation(({ ctx, input }) => deleteContext(ctx.services, ctx.caller, input)),
});
