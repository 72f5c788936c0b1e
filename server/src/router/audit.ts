import {
  ALL_ENVIRONMENTS,
  AuditAction,
  AuditEntry,
  Instant,
  Key,
  strictObject,
} from '@pennon/schema';
import { z } from 'zod';

import { listAudit } from '../audit/list.ts';
import { procedure, router } from './procedure.ts';
import { page, paging } from './schemas.ts';

export const audit = router({
  list: procedure({
    permission: 'audit.read',
    openapi: {
      method: 'GET',
      path: '/audit',
      tags: ['Audit'],
      summary: 'Who changed what, newest first',
    },
  })
    .input(
      strictObject({
        ...paging,
        environment: z
          .union([z.literal(ALL_ENVIRONMENTS), Key])
          .optional()
          .describe(
            'Needed with a key for all environments; "*" is the log of environments and keys.',
          ),
        flag: Key.optional(),
        segment: Key.optional(),
        actor: z.string().min(1).max(100).optional().describe('Id or name of the key that acted.'),
        action: AuditAction.optional(),
        from: Instant.optional().describe('At or after this formatInstant.'),
        until: Instant.optional().describe('Before this formatInstant.'),
      }).refine(({ flag, segment }) => flag === undefined || segment === undefined, {
        path: ['segment'],
        error: 'cannot be combined with "flag"',
      }),
    )
    .output(page(AuditEntry))
    .query(({ ctx, input }) => listAudit(ctx.services, ctx.caller, input)),
});
