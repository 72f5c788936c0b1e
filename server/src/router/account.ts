import {
  ApiKey,
  ApiKeyCreate,
  ApiKeyCreated,
  KeyId,
  Password,
  PersonRole,
  strictObject,
} from '@pennon/schema';
import { z } from 'zod';

import { changePassword } from '../people/account.ts';
import { createToken, deleteToken, listTokens } from '../people/tokens.ts';
import { procedure, router } from './procedure.ts';
import { Nothing, page, paging } from './schemas.ts';

const { name, environment, expiresAt } = ApiKeyCreate.shape;

/** What people do with their own account. It needs a session, so it is served over tRPC only. */
export const account = router({
  changePassword: procedure({ permission: 'account.own' })
    .input(strictObject({ current: z.string().max(1_000), password: Password }))
    .output(Nothing)
    .mutation(({ ctx, input }) => changePassword(ctx.services, ctx.caller, input)),

  createToken: procedure({ permission: 'account.own' })
    .input(strictObject({ name, role: PersonRole, environment, expiresAt }))
    .output(ApiKeyCreated)
    .mutation(({ ctx, input }) => createToken(ctx.services, ctx.caller, input)),

  listTokens: procedure({ permission: 'account.own' })
    .input(strictObject(paging))
    .output(page(ApiKey))
    .query(({ ctx, input }) => listTokens(ctx.services, ctx.caller, input)),

  deleteToken: procedure({ permission: 'account.own' })
    .input(strictObject({ id: KeyId }))
    .output(Nothing)
    .mutation(({ ctx, input }) => deleteToken(ctx.services, ctx.caller, input.id)),
});
