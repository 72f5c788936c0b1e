import { z } from 'zod';

import { MetricDirection, MetricKind } from './metric.ts';
import { strictObject } from './strict-object.ts';
import { Key } from './text.ts';

/** Numbers and sums of the units of one variant, by name. */
const Moments = z.record(z.string(), z.number());

/** A value of both variants that are compared. */
export const perArm = <Each extends z.ZodType>(each: Each) =>
  strictObject({ control: each, treatment: each });

/** Whether the rule does not serve what it should after a rollback. */
export const NotReplaced = z
  .boolean()
  .optional()
  .describe(
    'Whether another caller has changed the rule, so that its percentage was set to 0 instead.',
  );

/** Everything that a guardrail was computed from, so that others can compute it again. */
export const HarmEvidence = strictObject({
  kind: z.literal('harm'),
  metric: Key,
  metricKind: MetricKind,
  direction: MetricDirection,
  tolerance: z.number(),
  alpha: z.number().describe('The part of alpha that this guardrail has.'),
  share: z.number().describe('The weight of the treatment relative to both variants.'),
  mature: perArm(Moments).describe('Of the units whose window is over.'),
  soFar: perArm(z.number())
    .nullable()
    .describe('Units that converted, their windows over or not. Only of conversions.'),
  evidence: z.number().nullable().describe('How much speaks for harm.'),
  needed: z.number().describe('The evidence from which on it is harm.'),
}).meta({ id: 'HarmEvidence' });
export type HarmEvidence = z.infer<typeof HarmEvidence>;
