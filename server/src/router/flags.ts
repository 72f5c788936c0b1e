import {
  Flag,
  FlagCreate,
  FlagPatch,
  FlagReplace,
  FlagType,
  Key,
  strictObject,
} from '@pennon/schema';
import { z } from 'zod';

import {
  copyResource,
  createResource,
  deleteResource,
  getResource,
  listResources,
  patchResource,
  replaceResource,
} from '../resources/resource-service.ts';
import { flagResource } from '../flags/flag.ts';
import { wantedFlag } from '../flags/filter.ts';
import { watchFlags } from '../flags/watch.ts';
import { procedure, router } from './procedure.ts';
import {
  answered,
  copyInput,
  CopyPlan,
  environment,
  ifMatch,
  Nothing,
  page,
  paging,
} from './schemas.ts';

const tags = ['Flags'];
const FlagAnswer = answered(Flag).meta({ id: 'FlagAnswer' });

export const flags = router({
  create: procedure({
    permission: 'flags.write',
    status: 201,
    located: 'key',
    openapi: {
      method: 'POST',
      path: '/flags',
      tags,
      summary: 'Create a flag',
      errorResponses: [400, 401, 403, 404, 409, 413, 415, 429, 503],
    },
  })
    .input(strictObject({ ...environment, ...FlagCreate.shape }))
    .output(FlagAnswer)
    .mutation(({ ctx, input }) => createResource(flagResource, ctx.parts, ctx.caller, input)),

  list: procedure({
    permission: 'flags.read',
    openapi: {
      method: 'GET',
      path: '/flags',
      tags,
      summary: 'List flags in the order of their keys',
    },
  })
    .input(
      strictObject({
        ...environment,
        ...paging,
        search: z.string().max(200).optional().describe('Text in the key, name or description.'),
        tag: z.string().max(200).optional(),
        enabled: z.boolean().optional(),
        type: FlagType.optional(),
      }),
    )
    .output(page(Flag))
    .query(({ ctx, input }) =>
      listResources(flagResource, ctx.parts, ctx.caller, input, wantedFlag(input)),
    ),

  get: procedure({
    permission: 'flags.read',
    openapi: { method: 'GET', path: '/flags/{key}', tags, summary: 'Read a flag' },
  })
    .input(strictObject({ ...environment, key: Key }))
    .output(FlagAnswer)
    .query(({ ctx, input }) => getResource(flagResource, ctx.parts, ctx.caller, input)),

  replace: procedure({
    permission: 'flags.write',
    openapi: { method: 'PUT', path: '/flags/{key}', tags, summary: 'Replace a flag' },
  })
    .input(strictObject({ ...environment, ...ifMatch, ...FlagReplace.shape }))
    .output(FlagAnswer)
    .mutation(({ ctx, input }) => replaceResource(flagResource, ctx.parts, ctx.caller, input)),

  update: procedure({
    permission: 'flags.write',
    openapi: { method: 'PATCH', path: '/flags/{key}', tags, summary: 'Change part of a flag' },
  })
    .input(strictObject({ ...environment, ...ifMatch, ...FlagPatch.shape }))
    .output(FlagAnswer)
    .mutation(({ ctx, input }) => patchResource(flagResource, ctx.parts, ctx.caller, input)),

  delete: procedure({
    permission: 'flags.write',
    status: 204,
    openapi: {
      method: 'DELETE',
      path: '/flags/{key}',
      tags,
      summary: 'Delete a flag that no other depends on',
    },
  })
    .input(strictObject({ ...environment, ...ifMatch, key: Key }))
    .output(Nothing)
    .mutation(({ ctx, input }) => deleteResource(flagResource, ctx.parts, ctx.caller, input)),

  copy: procedure({
    permission: 'flags.write',
    openapi: {
      method: 'POST',
      path: '/flags/{key}/copy',
      tags,
      summary: 'Copy a flag into another environment',
    },
  })
    .input(strictObject(copyInput))
    .output(z.union([FlagAnswer, CopyPlan]))
    .mutation(({ ctx, input }) => copyResource(flagResource, ctx.parts, ctx.caller, input)),

  watch: procedure({ permission: 'flags.read' })
    .input(strictObject({ ...environment, lastEventId: z.string().max(200).nullish() }))
    .subscription(({ ctx, input, signal }) => watchFlags(ctx.parts, ctx.caller, input, signal)),
});
