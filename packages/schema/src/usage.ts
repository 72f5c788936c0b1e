import { z } from 'zod';

import { LIMITS } from './limits.ts';
import { strictObject } from './strict-object.ts';
import { Instant, Name, text } from './text.ts';

/** The reasons of OpenFeature, which applications get with a value. */
export const UsageReason = z.enum([
  'STATIC',
  'DEFAULT',
  'TARGETING_MATCH',
  'SPLIT',
  'CACHED',
  'DISABLED',
  'STALE',
  'UNKNOWN',
  'ERROR',
]);
export type UsageReason = z.infer<typeof UsageReason>;

/** How often an application got a variant of a flag, or its own default value, for a reason. */
const ReportedCount = z
  .tuple([
    text(1, LIMITS.keyLength),
    Name.nullable(),
    UsageReason,
    z.int().min(1).max(LIMITS.usageCount),
  ])
  .describe('The key of a flag, the variant or null, the reason, and how often.');

/** What a provider has counted since its previous report. */
export const UsageReport = strictObject({
  instance: z
    .string()
    .regex(/^[A-Za-z0-9_-]{16,64}$/, 'must be 16 random bytes in base64url, made at the start')
    .describe('Identifies one run of a provider.'),
  sequence: z
    .int()
    .min(1)
    .describe('1, 2, 3 … for each instance. A repeated report keeps its own.'),
  from: Instant,
  until: Instant,
  counts: z
    .array(ReportedCount)
    .max(LIMITS.usageCounts)
    .describe('Flag key, variant or null, reason, number of evaluations.'),
  unknown: z
    .array(text(1, LIMITS.keyLength))
    .max(LIMITS.usageCounts)
    .optional()
    .describe('Keys that were evaluated, but are not those of flags.'),
  sdk: text(1, LIMITS.nameLength).describe('Name and version of the provider.'),
})
  .refine(({ from, until }) => Date.parse(from) <= Date.parse(until), {
    path: ['until'],
    error: 'must not be before "from"',
  })
  .meta({ id: 'UsageReport' });
export type UsageReport = z.infer<typeof UsageReport>;
