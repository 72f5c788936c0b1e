import { ErrorDetail, Key, strictObject } from '@pennon/schema';
import { z } from 'zod';

import { compareFlagSets } from '../promotion/compare.ts';
import { promote, PROMOTED_FIELDS } from '../promotion/promote.ts';
import { inSlices } from './output.ts';
import { procedure, router } from './procedure.ts';
import { Difference, ifMatch, warnings } from './schemas.ts';

const tag = 'Environments';

const ComparedDocument = strictObject({
  key: z.string(),
  outcome: z.enum(['onlyFrom', 'onlyTo', 'differs', 'same']),
  fields: z.array(z.string()).describe('The fields that differ.'),
}).meta({ id: 'ComparedDocument' });

const ComparedEnvironments = strictObject({
  from: z.string(),
  to: z.string(),
  flags: z.array(ComparedDocument),
  segments: z.array(ComparedDocument),
}).meta({ id: 'ComparedEnvironments' });

const Promotion = strictObject({
  dryRun: z.boolean(),
  from: z.string(),
  to: z.string(),
  items: z.array(
    strictObject({
      kind: z.enum(['flag', 'segment']),
      key: z.string(),
      outcome: z.enum(['create', 'change', 'unchanged']),
      differences: z.array(Difference),
    }).meta({ id: 'Promoted' }),
  ),
  problems: z.array(ErrorDetail).optional().describe('Why it would be refused.'),
  warnings,
  etag: z.string(),
}).meta({ id: 'Promotion' });

/** How many flags, and how many segments, one promotion copies. */
const MAX_PROMOTED = 100;
const numberOfFlags = `must be 1 to ${MAX_PROMOTED} flag keys`;
const numberOfSegments = `must be at most ${MAX_PROMOTED} segment keys`;

/** Compares environments, and copies flags from one to another. */
export const promotionRouter = router({
  compare: procedure({
    permission: 'flags.read',
    rest: {
      method: 'GET',
      path: '/environments/{from}/compare',
      tag,
      summary: 'Compare the flags and segments of two environments',
    },
  })
    .input(strictObject({ from: Key, to: Key.describe('The other environment.') }))
    .output(inSlices(ComparedEnvironments))
    .query(({ ctx, input }) => compareFlagSets(ctx.services, ctx.caller, input)),

  promote: procedure({
    permission: 'flags.write',
    readPermission: 'flags.read',
    rest: {
      method: 'POST',
      path: '/environments/{to}/promote',
      tag,
      summary: 'Copy flags, with the segments that they need, from another environment',
    },
  })
    .input(
      strictObject({
        ...ifMatch,
        to: Key,
        from: Key.describe('The environment to copy from.'),
        flags: z.array(Key).min(1, numberOfFlags).max(MAX_PROMOTED, numberOfFlags),
        segments: z
          .array(Key)
          .max(MAX_PROMOTED, numberOfSegments)
          .optional()
          .describe('Segments to copy although they exist. Missing ones are always copied.'),
        take: z
          .array(z.enum(PROMOTED_FIELDS).meta({ id: 'PromotedField' }))
          .min(1, 'must name at least one field')
          .optional()
          .describe(
            'The fields that change in a flag that exists. All but `enabled`, if left out.',
          ),
        dryRun: z.boolean().optional().describe('Only return what would change.'),
      }),
    )
    .output(inSlices(Promotion))
    .mutation(({ ctx, input }) => promote(ctx.services, ctx, input)),
});
