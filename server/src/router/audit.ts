import {
  ALL_ENVIRONMENTS,
  AuditAction,
  AuditEntry,
  Instant,
  Key,
  strictObject,
} from '@pennon/schema';
import { z } from 'zod';

import { FILTERED_KINDS, listAudit } from '../audit/list.ts';
import { inSlices } from './output.ts';
import { procedure, router } from './procedure.ts';
import { page, paging } from './schemas.ts';

/** A cursor has a position in the log of each environment. */
const MAX_CURSOR_LENGTH = 8_000;

const isPeriod = ({ from, until }: { from?: string | undefined; until?: string | undefined }) =>
  from === undefined || until === undefined || Date.parse(from) <= Date.parse(until);

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
        cursor: z
          .string()
          .max(MAX_CURSOR_LENGTH)
          .optional()
          .describe('The nextCursor of the previous page.'),
        environment: z
          .union([z.literal(ALL_ENVIRONMENTS), Key])
          .optional()
          .describe(
            'Required with a key for all environments. "*" means all of them, deleted ones too.',
          ),
        flag: Key.optional(),
        segment: Key.optional(),
        experiment: Key.optional(),
        ramp: Key.optional(),
        actor: z
          .string()
          .min(1)
          .max(100)
          .optional()
          .describe('Id or name of the key that made the change.'),
        onBehalfOf: z.string().min(1).max(200).optional().describe('The value of X-On-Behalf-Of.'),
        action: AuditAction.optional(),
        from: Instant.optional().describe('At or after this time.'),
        until: Instant.optional().describe('Before this time.'),
      })
        .superRefine((filter, context) => {
          const [first, second] = FILTERED_KINDS.filter(kind => filter[kind] !== undefined);
          if (second === undefined) return;
          const message = `cannot be combined with "${first}"`;
          context.addIssue({ code: 'custom', path: [second], message });
        })
        .refine(isPeriod, { path: ['until'], error: 'must not be before "from"' }),
    )
    .output(inSlices(page(AuditEntry)))
    .query(({ ctx, input }) => listAudit(ctx.services, ctx.caller, input)),
});
