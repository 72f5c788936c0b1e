import {
  Invitation,
  InvitationCreate,
  InvitationCreated,
  KeyId,
  strictObject,
} from '@pennon/schema';

import { createInvitation, deleteInvitation, listInvitations } from '../people/invitations.ts';
import { procedure, router } from './procedure.ts';
import { Nothing, page, paging } from './schemas.ts';

const tag = 'People';

export const invitations = router({
  create: procedure({
    permission: 'people.manage',
    rest: {
      method: 'POST',
      status: 201,
      path: '/invitations',
      tag,
      summary: 'Invite a person, or reset the password of one; only this response has the link',
      example: {
        email: 'ada@example.com',
        grants: [{ environment: 'production', role: 'editor' }],
      },
    },
  })
    .input(InvitationCreate)
    .output(InvitationCreated)
    .mutation(({ ctx, input }) => createInvitation(ctx.services, ctx.caller, input)),

  list: procedure({
    permission: 'people.manage',
    rest: { method: 'GET', path: '/invitations', tag, summary: 'List open invitations' },
  })
    .input(strictObject(paging))
    .output(page(Invitation))
    .query(({ ctx, input }) => listInvitations(ctx.services, ctx.caller, input)),

  delete: procedure({
    permission: 'people.manage',
    rest: { method: 'DELETE', path: '/invitations/{id}', tag, summary: 'Withdraw an invitation' },
  })
    .input(strictObject({ id: KeyId }))
    .output(Nothing)
    .mutation(({ ctx, input }) => deleteInvitation(ctx.services, ctx.caller, input.id)),
});
