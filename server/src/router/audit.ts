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
    rest: {
      method: 'GET',
      path: '/audit',
      tag: 'Audit',
      summary: 'List changes, newest first',
    },
  })
    .input(
      strictObject({
        ...paging,
        environment: z
          .union([z.literal(ALL_ENVIRONMENTS), Key])
          .optional()
          .describe(
            'Required with a key for all environments. "*" is the log of environments and keys.',
          ),
        flag: Key.optional(),
        segment: Key.optional(),
        actor: z
          .string()
          .min(1)
          .max(100)
          .optional()
          .describe('Id or name of the key that made the change.'),
        action: AuditAction.optional(),
        from: Instant.optional().describe('At or after this time.'),
        until: Instant.optional().describe('Before this time.'),
      }).refine(({ flag, segment }) => flag === undefined || segment === undefined, {
        path: ['segment'],
        error: 'cannot be combined with "flag"',
      }),
    )
    .output(page(AuditEntry))
    .query(({ ctx, input }) => listAudit(ctx.services, ctx.caller, input)),
});
