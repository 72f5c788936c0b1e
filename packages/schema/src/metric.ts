import { z } from 'zod';

import { Attribute, EventConditions } from './condition.ts';
import {
  descriptiveFields,
  descriptiveInputs,
  readOnlyFields,
  serverManagedFields,
} from './flag.ts';
import { LIMITS } from './limits.ts';
import { strictObject } from './strict-object.ts';
import { oneOf } from './suggest.ts';
import { fits, Key, line, text } from './text.ts';

/** What a metric measures of a unit. */
export const MetricKind = oneOf(['conversion', 'count', 'sum', 'ratio'], {
  binary: 'conversion',
  proportion: 'conversion',
  mean: 'sum',
  average: 'ratio',
  total: 'sum',
  revenue: 'sum',
}).meta({ id: 'MetricKind' });
export type MetricKind = z.infer<typeof MetricKind>;

/** Which way of a metric is good. */
export const MetricDirection = oneOf(['increase', 'decrease'], {
  up: 'increase',
  higher: 'increase',
  down: 'decrease',
  lower: 'decrease',
}).meta({ id: 'MetricDirection' });
export type MetricDirection = z.infer<typeof MetricDirection>;

const eventFields = {
  event: text(1, LIMITS.eventNameLength).describe('The name that applications pass to track().'),
  where: EventConditions.nullish().describe('Conditions on the attributes of the event.'),
  value: Attribute.nullish().describe(
    'What a sum adds: "value", which is the default, or an attribute of the event.',
  ),
};

/** The numerator or the denominator of a ratio. */
export const RatioPart = strictObject({
  kind: oneOf(['count', 'sum']),
  ...eventFields,
})
  .superRefine(({ kind, value }, context) => {
    if (kind === 'count') refuse(context, { value }, 'is only for a sum');
  })
  .meta({ id: 'RatioPart' });
export type RatioPart = z.infer<typeof RatioPart>;

const windowMessage = `must be a whole number of milliseconds from 0 to ${LIMITS.windowMs}, which is 90 days`;
const windowMs = z.int(windowMessage).min(0, windowMessage).max(LIMITS.windowMs, windowMessage);

/** The time after the first exposure of a unit in which its events count. */
export const MetricWindow = strictObject({ fromMs: windowMs, toMs: windowMs })
  .refine(({ fromMs, toMs }) => toMs > fromMs, {
    path: ['toMs'],
    error: 'must be more than "fromMs"',
  })
  .meta({ id: 'MetricWindow' });
export type MetricWindow = z.infer<typeof MetricWindow>;

/** The same in a request. It begins with the first exposure if `fromMs` is left out. */
const WindowInput = strictObject({ fromMs: windowMs.optional(), toMs: windowMs }).meta({
  id: 'MetricWindowInput',
});

const cap = z
  .number()
  .gt(0, 'must be more than 0')
  .describe('The most that the total of a unit counts.');

/** Fields that determine the values of units. A running experiment fixes them. */
const measuredFields = {
  kind: MetricKind,
  event: eventFields.event.nullish(),
  where: eventFields.where,
  value: eventFields.value,
  numerator: RatioPart.nullish(),
  denominator: RatioPart.nullish(),
  window: MetricWindow,
  cap: cap.nullish(),
  direction: MetricDirection,
  covariate: z
    .boolean()
    .nullish()
    .describe(
      'Whether to adjust for what a unit did before. The default is true, except for ratios.',
    ),
};

/** Adds an issue for each field that is present. */
const refuse = (
  context: z.core.$RefinementCtx,
  fields: Readonly<Record<string, unknown>>,
  message: string,
): void => {
  for (const [name, value] of Object.entries(fields))
    if (value != null) context.addIssue({ code: 'custom', path: [name], message });
};

/** Adds an issue for each field that is missing. */
const expectFields = (
  context: z.core.$RefinementCtx,
  fields: Readonly<Record<string, unknown>>,
  message: string,
): void => {
  for (const [name, value] of Object.entries(fields))
    if (value == null) context.addIssue({ code: 'custom', path: [name], message });
};

const Measured = z.object(measuredFields);
type Measured = z.infer<typeof Measured>;

const checkRatio = (metric: Measured, context: z.core.$RefinementCtx): void => {
  const { numerator, denominator, event, where, value, cap: capped, covariate } = metric;
  expectFields(context, { numerator, denominator }, 'is missing: a ratio needs both parts');
  refuse(context, { event, where, value }, 'belongs in "numerator" and "denominator" of a ratio');
  refuse(context, { cap: capped }, 'is not for a ratio');
  refuse(context, { covariate: covariate || undefined }, 'must be false or absent for a ratio');
};

/** Checks that the fields fit the kind of the metric. */
const checkKind = (metric: Measured, context: z.core.$RefinementCtx): void => {
  if (metric.kind === 'ratio') return checkRatio(metric, context);
  const { kind, event, value, numerator, denominator, cap: capped } = metric;
  expectFields(context, { event }, 'is missing: it must be the name of an event');
  refuse(context, { numerator, denominator }, 'is only for the kind "ratio"');
  if (kind !== 'sum') refuse(context, { value }, 'is only for the kind "sum"');
  if (kind === 'conversion') refuse(context, { cap: capped }, 'is not for a conversion');
};

/** What is measured of each unit of an experiment, as managed and stored; at most 64 KiB. */
export const Metric = strictObject({
  key: Key,
  ...measuredFields,
  ...descriptiveFields,
  ...serverManagedFields,
})
  .superRefine(checkKind)
  .refine(...fits(LIMITS.metricBytes))
  .meta({ id: 'Metric' });
export type Metric = z.infer<typeof Metric>;

/** The body of a request that creates a metric, or replaces the one with this key. */
export const MetricCreate = strictObject({
  key: Key,
  ...measuredFields,
  event: line(1, LIMITS.eventNameLength).nullish(),
  window: WindowInput,
  direction: MetricDirection.nullish(),
  ...descriptiveInputs,
  ...readOnlyFields,
}).refine(...fits(LIMITS.metricBytes));
export type MetricCreate = z.infer<typeof MetricCreate>;

/** A merge patch of a metric: absent fields stay unchanged, null removes a value. */
export const MetricPatch = strictObject({
  key: Key,
  ...measuredFields,
  kind: MetricKind.optional(),
  event: line(1, LIMITS.eventNameLength).nullish(),
  window: WindowInput.optional(),
  direction: MetricDirection.nullish(),
  ...descriptiveInputs,
}).refine(...fits(LIMITS.metricBytes));
export type MetricPatch = z.infer<typeof MetricPatch>;

/** Returns the names of the events that a metric reads. */
export const eventsOfMetric = ({ event, numerator, denominator }: Metric): string[] =>
  [event, numerator?.event, denominator?.event].flatMap(name => name ?? []);

/** Whether a metric is adjusted for what its units did before. */
export const hasCovariate = ({ kind, covariate }: Metric): boolean => covariate ?? kind !== 'ratio';
