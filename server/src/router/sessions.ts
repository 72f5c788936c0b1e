import { KeyId, Session, strictObject } from '@pennon/schema';

import { deleteSession, listSessions } from '../sessions/sessions.ts';
import { procedure, router } from './procedure.ts';
import { Nothing, page, paging } from './schemas.ts';

const tag = 'People';

export const sessions = router({
  list: procedure({
    permission: 'account.own',
    rest: {
      method: 'GET',
      path: '/sessions',
      tag,
      summary: 'List the sessions of the caller, or with an admin key for "*" all sessions',
    },
  })
    .input(strictObject(paging))
    .output(page(Session))
    .query(({ ctx, input }) => listSessions(ctx.services, ctx.caller, input)),

  delete: procedure({
    permission: 'account.own',
    rest: { method: 'DELETE', path: '/sessions/{id}', tag, summary: 'End a session at once' },
  })
    .input(strictObject({ id: KeyId }))
    .output(Nothing)
    .mutation(({ ctx, input }) => deleteSession(ctx.services, ctx.caller, input.id)),
});
