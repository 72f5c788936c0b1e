import { Environment, EnvironmentCreate, Key, strictObject } from '@pennon/schema';

import {
  createEnvironment,
  deleteEnvironment,
  listEnvironments,
} from '../environments/environments.ts';
import { procedure, router } from './procedure.ts';
import { Nothing, page, paging } from './schemas.ts';

const tags = ['Environments'];

export const environments = router({
  create: procedure({
    permission: 'environments.manage',
    status: 201,
    openapi: { method: 'POST', path: '/environments', tags, summary: 'Create an environment' },
  })
    .input(EnvironmentCreate)
    .output(Environment)
    .mutation(({ ctx, input }) => createEnvironment(ctx.services, ctx.caller, input)),

  list: procedure({
    permission: 'environments.read',
    openapi: {
      method: 'GET',
      path: '/environments',
      tags,
      summary: 'List the environments that the key reaches',
    },
  })
    .input(strictObject(paging))
    .output(page(Environment))
    .query(({ ctx, input }) => listEnvironments(ctx.services.control, ctx.caller, input)),

  delete: procedure({
    permission: 'environments.manage',
    status: 204,
    openapi: {
      method: 'DELETE',
      path: '/environments/{key}',
      tags,
      summary: 'Delete an environment with its flags, segments and keys',
    },
  })
    .input(strictObject({ key: Key }))
    .output(Nothing)
    .mutation(({ ctx, input }) => deleteEnvironment(ctx.services, ctx.caller, input.key)),
});
