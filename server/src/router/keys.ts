import { ApiKey, ApiKeyCreate, ApiKeyCreated, KeyId, strictObject } from '@pennon/schema';

import { createKey, deleteKey, listKeys } from '../api-keys/api-keys.ts';
import { procedure, router } from './procedure.ts';
import { Nothing, page, paging } from './schemas.ts';

const tag = 'Keys';

export const keys = router({
  create: procedure({
    permission: 'keys.manage',
    rest: {
      method: 'POST',
      status: 201,
      path: '/keys',
      tag,
      summary: 'Create an API key; only this response contains its secret',
      example: { name: 'Checkout service', role: 'server', environment: 'production' },
    },
  })
    .input(ApiKeyCreate)
    .output(ApiKeyCreated)
    .mutation(({ ctx, input }) => createKey(ctx.services, ctx.caller, input)),

  list: procedure({
    permission: 'keys.manage',
    rest: {
      method: 'GET',
      path: '/keys',
      tag,
      summary: 'List the API keys that the caller can manage',
    },
  })
    .input(strictObject(paging))
    .output(page(ApiKey))
    .query(({ ctx, input }) => listKeys(ctx.services.control, ctx.caller, input)),

  delete: procedure({
    permission: 'keys.manage',
    rest: {
      method: 'DELETE',
      path: '/keys/{id}',
      tag,
      summary: 'Revoke an API key and close its streams',
    },
  })
    .input(strictObject({ id: KeyId }))
    .output(Nothing)
    .mutation(({ ctx, input }) => deleteKey(ctx.services, ctx.caller, input.id)),
});
