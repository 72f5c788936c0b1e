import { Environment, FlagType, Instant, SplitEntry, strictObject } from '@pennon/schema';
import { z } from 'zod';

import { followOverview, readOverview } from '../flags/follow-overview.ts';
import { inSlices } from './output.ts';
import { procedure, router } from './procedure.ts';
import { trackOverview } from './tracked.ts';

const Cell = strictObject({
  enabled: z.boolean(),
  rules: z.int().describe('The number of rules.'),
  serves: z
    .union([strictObject({ variant: z.string() }), strictObject({ split: z.array(SplitEntry) })])
    .nullable()
    .describe(
      'What subjects get that no condition singles out. null: the flag is disabled, or the application uses its own default value.',
    ),
  percentage: z
    .number()
    .optional()
    .describe('The percentage of the subjects that get it, if it is less than 100.'),
  version: z.int(),
  updatedAt: Instant,
  lastEvaluated: Instant.nullable().describe(
    'The minute of the last evaluation that was counted in the last 400 days; null if there is none. It does not change the entity tag.',
  ),
}).meta({ id: 'OverviewCell' });

const Row = strictObject({
  key: z.string(),
  name: z.string().nullable(),
  type: FlagType,
  tags: z.array(z.string()),
  owner: z.string().nullable(),
  cells: z
    .record(z.string(), Cell.nullable())
    .describe('By environment; null if it does not have the flag.'),
})
  .meta({ id: 'OverviewRow' })
  .describe('Its own fields are those of the first environment that has the flag.');

const Overview = strictObject({
  environments: z.array(Environment),
  revisions: z.record(z.string(), z.int()).describe('By environment.'),
  flags: z.array(Row),
  moreFlags: z.int().optional().describe('How many flags are left out: an overview has 10,000.'),
  etag: z.string(),
}).meta({ id: 'Overview' });

/** The flags of all environments side by side. */
export const overviewRouter = router({
  overview: procedure({
    permission: 'flags.read',
    rest: {
      method: 'GET',
      path: '/overview',
      tag: 'Flags',
      summary: 'Read the flags of all environments side by side',
    },
  })
    .input(strictObject({}))
    .output(inSlices(Overview))
    .query(({ ctx }) => readOverview(ctx.services, ctx.caller)),

  watchOverview: procedure({ permission: 'flags.read' })
    .input(
      strictObject({
        lastEventId: z
          .string()
          .max(200)
          .nullish()
          .describe('The entity tag of the overview that was read.'),
      }),
    )
    .subscription(({ ctx, input, signal }) =>
      trackOverview(followOverview(ctx.services, ctx.caller, input, signal)),
    ),
});
