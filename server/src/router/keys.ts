import { ApiKey, ApiKeyCreate, ApiKeyCreated, strictObject } from '@pennon/schema';
import { z } from 'zod';

import { createKey, deleteKey, listKeys } from '../api-keys/api-keys.ts';
import { procedure, router } from './procedure.ts';
import { Nothing, page, paging } from './schemas.ts';

const tags = ['Keys'];

export const keys = router({
  create: procedure({
    permission: 'keys.manage',
    status: 201,
    environmentInBody: true,
    openapi: {
      method: 'POST',
      path: '/keys',
      tags,
      summary: 'Create an API key; its secret is shown only in this answer',
    },
  })
    .input(ApiKeyCreate)
    .output(ApiKeyCreated)
    .mutation(({ ctx, input }) => createKey(ctx.services, ctx.caller, input)),

  list: procedure({
    permission: 'keys.manage',
    openapi: {
      method: 'GET',
      path: '/keys',
      tags,
      summary: 'List the API keys that the caller manages',
    },
  })
    .input(strictObject(paging))
    .output(page(ApiKey))
    .query(({ ctx, input }) => listKeys(ctx.services.control, ctx.caller, input)),

  delete: procedure({
    permission: 'keys.manage',
    status: 204,
    openapi: {
      method: 'DELETE',
      path: '/keys/{id}',
      tags,
      summary: 'Revoke an API key; its streams end at once',
    },
  })
    .input(strictObject({ id: z.string().max(100) }))
    .output(Nothing)
    .mutation(({ ctx, input }) => deleteKey(ctx.services, ctx.caller, input.id)),
});
