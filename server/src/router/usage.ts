import { Instant, Key, Name, strictObject, UsageReason } from '@pennon/schema';
import { z } from 'zod';

import { USAGE_RESOLUTION_NAMES } from '../store/usage-store.ts';
import { readRecentUsage, readUnknownFlags, readUsage } from '../usage/read.ts';
import { inSlices } from './output.ts';
import { procedure, router } from './procedure.ts';
import { environment } from './schemas.ts';

const resolution = z.enum(USAGE_RESOLUTION_NAMES);

const FlagUsage = strictObject({
  environment: z.string(),
  flag: z.string(),
  resolution,
  from: Instant,
  until: Instant,
  total: z.int(),
  lastEvaluated: Instant.nullable().describe(
    'The minute of the last evaluation; null if there was none in the last 400 days.',
  ),
  counts: z.array(
    strictObject({
      at: Instant.describe('The start of the minute, hour or day, in UTC.'),
      variant: z
        .string()
        .nullable()
        .describe('null if the application used its own default value.'),
      reason: UsageReason,
      count: z.int(),
    }),
  ),
}).meta({ id: 'FlagUsage' });

const RecentUsage = strictObject({ total: z.int(), hours: z.array(z.int()) });

/** As many rows as a large screen has room for. */
const MAX_RECENT = 100;

export const usage = router({
  get: procedure({
    permission: 'usage.read',
    rest: {
      method: 'GET',
      path: '/usage',
      tag: 'Usage',
      summary: 'Read how often a flag was evaluated',
      description:
        'Minutes are kept for 3 hours, hours for 14 days, days for 400 days. Servers add counts every 10 s, providers report them every minute.',
    },
  })
    .input(
      strictObject({
        ...environment,
        flag: Key,
        resolution: resolution.default('hour'),
        from: Instant.optional().describe('By default as long as counts are kept.'),
        until: Instant.optional().describe('By default now.'),
        variant: Name.optional().describe('Only this variant.'),
        reason: UsageReason.optional().describe('Only this reason.'),
      }),
    )
    .output(inSlices(FlagUsage))
    .query(({ ctx, input }) => readUsage(ctx.services, ctx.caller, input)),

  recent: procedure({ permission: 'usage.read' })
    .input(strictObject({ flags: z.array(Key).min(1).max(MAX_RECENT) }))
    .output(strictObject({ from: Instant, flags: z.record(z.string(), RecentUsage) }))
    .query(({ ctx, input }) => readRecentUsage(ctx.services, ctx.caller, input)),

  unknown: procedure({
    permission: 'usage.read',
    rest: {
      method: 'GET',
      path: '/usage/unknown',
      tag: 'Usage',
      summary: 'List the keys that code evaluates, but that are not those of flags',
      description: 'Of the last 14 days, at most 1,000 keys a day.',
    },
  })
    .input(strictObject(environment))
    .output(strictObject({ environment: z.string(), keys: z.array(z.string()) }))
    .query(({ ctx, input }) => readUnknownFlags(ctx.services, ctx.caller, input)),
});
