import {
  Environment,
  EnvironmentCreate,
  EnvironmentPatch,
  Instant,
  Key,
  strictObject,
} from '@pennon/schema';
import { z } from 'zod';

import { deleteEnvironment, restoreEnvironment } from '../environments/deleted-environments.ts';
import { createEnvironment, updateEnvironment } from '../environments/environments.ts';
import { listEnvironments } from '../environments/list.ts';
import { mergeRouters, procedure, router } from './procedure.ts';
import { promotionRouter } from './promotion-router.ts';
import { Nothing, page, paging, restParams } from './schemas.ts';

const ListedEnvironment = strictObject({
  ...Environment.shape,
  deletedAt: Instant.optional().describe('Present if the environment is deleted.'),
  purgeAt: Instant.optional().describe('Until then a deleted environment can be restored.'),
}).meta({ id: 'ListedEnvironment' });

const tag = 'Environments';

const environmentRouter = router({
  create: procedure({
    permission: 'environments.manage',
    rest: {
      method: 'POST',
      status: 201,
      path: '/environments',
      tag,
      summary: 'Create an environment',
      example: { key: 'staging', description: 'The last stop before production' },
    },
  })
    .input(EnvironmentCreate)
    .output(Environment)
    .mutation(({ ctx, input }) => createEnvironment(ctx.services, ctx.caller, input)),

  list: procedure({
    permission: 'environments.read',
    rest: {
      method: 'GET',
      path: '/environments',
      tag,
      summary: 'List the environments that the key can access',
    },
  })
    .input(
      strictObject({
        ...paging,
        deleted: z
          .boolean()
          .optional()
          .describe('List the deleted environments that can be restored instead.'),
      }),
    )
    .output(page(ListedEnvironment))
    .query(({ ctx, input }) => listEnvironments(ctx.services.control, ctx.caller, input)),

  update: procedure({
    permission: 'environments.manage',
    rest: {
      method: 'PATCH',
      path: '/environments/{key}',
      environmentIn: 'key',
      tag,
      summary: 'Change the name, the color and other fields of an environment',
      example: { name: 'Production', color: 'red', order: 3, confirm: true },
    },
  })
    .input(EnvironmentPatch)
    .output(Environment)
    .mutation(({ ctx, input }) => updateEnvironment(ctx.services, ctx.caller, input)),

  delete: procedure({
    permission: 'environments.manage',
    rest: {
      method: 'DELETE',
      path: '/environments/{key}',
      tag,
      summary:
        'Delete an environment with its flags, segments and keys; it can be restored for 30 days',
    },
  })
    .input(
      strictObject({
        key: Key,
        confirm: z.string().max(200).optional().describe('The key again. Required.'),
      }),
    )
    .output(Nothing)
    .mutation(({ ctx, input }) => deleteEnvironment(ctx.services, ctx.caller, input)),

  restore: procedure({
    permission: 'environments.manage',
    rest: {
      method: 'POST',
      path: '/environments/{key}/restore',
      tag,
      summary: 'Restore a deleted environment with its flags, segments and keys',
    },
  })
    .input(
      strictObject({
        key: Key,
        deletedAt: Instant.optional()
          .describe('Which one, if several with this key are deleted. The last one, if left out.')
          .register(restParams, { in: 'query' }),
      }),
    )
    .output(Environment)
    .mutation(({ ctx, input }) => restoreEnvironment(ctx.services, ctx.caller, input)),
});

export const environments = mergeRouters(environmentRouter, promotionRouter);
