import { Environment, EnvironmentCreate, Key, strictObject } from '@pennon/schema';

import {
  createEnvironment,
  deleteEnvironment,
  listEnvironments,
} from '../environments/environments.ts';
import { procedure, router } from './procedure.ts';
import { Nothing, page, paging } from './schemas.ts';

const tag = 'Environments';

export const environments = router({
  create: procedure({
    permission: 'environments.manage',
    rest: {
      method: 'POST',
      status: 201,
      path: '/environments',
      tag,
      summary: 'Create an environment',
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
    .input(strictObject(paging))
    .output(page(Environment))
    .query(({ ctx, input }) => listEnvironments(ctx.services.control, ctx.caller, input)),

  delete: procedure({
    permission: 'environments.manage',
    rest: {
      method: 'DELETE',
      path: '/environments/{key}',
      tag,
      summary: 'Delete an environment with its flags, segments and keys',
    },
  })
    .input(strictObject({ key: Key }))
    .output(Nothing)
    .mutation(({ ctx, input }) => deleteEnvironment(ctx.services, ctx.caller, input.key)),
});
