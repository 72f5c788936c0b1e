import { LIMITS, type ErrorDetail, type PlanCreate, type PlanResult } from '@pennon/schema';
import { detectableEffect, sampleSize } from '@pennon/statistics';

const DAYS_PER_WEEK = 7;
/** The most days that a plan can have. */
const MOST_DAYS = 1_000_000;

/** A plan, without where its units a day are from. */
export type ComputedPlan = Omit<PlanResult, 'unitsPerDayFrom'>;

/** Returns what a plan lacks, or why there is no such plan: units, effect, days and units a day follow from two of them. */
export const computePlan = (input: PlanCreate): ComputedPlan | ErrorDetail => {
  const { days, unitsPerDay } = input;
  const given = input.units ?? (input.effect == null ? product(days, unitsPerDay) : undefined);
  const units = given ?? unitsFor(input, input.effect ?? Number.NaN);
  if (units === null) return impossible('effect');
  // An experiment cannot be planned with another number.
  if (!(units >= 1 && units <= LIMITS.plannedUnits)) return notPlannable(input);
  const effect = input.effect ?? effectOf(input, units);
  if (effect === null || !Number.isFinite(effect)) return impossible('units');
  const duration = days ?? (unitsPerDay == null ? null : Math.ceil(units / unitsPerDay));
  if (duration !== null && duration > MOST_DAYS) return tooSlow(units);
  return {
    units,
    unitsByVariant: input.weights.map(weight => Math.ceil((units * weight) / total(input))),
    effect,
    days: duration,
    recommendedDays: duration === null ? null : Math.ceil(duration / DAYS_PER_WEEK) * DAYS_PER_WEEK,
    unitsPerDay: unitsPerDay ?? (duration === null ? null : Math.ceil(units / duration)),
  };
};

const product = (days: number | null | undefined, unitsPerDay: number | null | undefined) =>
  days == null || unitsPerDay == null ? undefined : Math.floor(days * unitsPerDay);

const total = ({ weights }: PlanCreate): number => weights.reduce((sum, each) => sum + each, 0);

/** The first weight is that of the control. The smallest treatment needs the most units. */
const designOf = (input: PlanCreate) => {
  const [control = 1, ...treatments] = input.weights;
  const common = {
    baseline: input.baseline,
    ratio: Math.min(...treatments) / control,
    alpha: input.alpha / (input.primaryMetrics * treatments.length),
    power: input.power,
  };
  return input.kind === 'conversion'
    ? ({ ...common, kind: 'conversion' } as const)
    : ({ ...common, kind: 'mean', standardDeviation: input.standardDeviation ?? 0 } as const);
};

/** The default test looks at any time, which needs more units than one look at the end. */
const isHybrid = ({ method }: PlanCreate): boolean => method === 'sequential';

const unitsFor = (input: PlanCreate, effect: number): number | null => {
  const size = sampleSize({ ...designOf(input), detectableEffect: effect });
  const control = isHybrid(input) ? size.hybridControl : size.control;
  return control && Math.ceil((control * total(input)) / (input.weights[0] ?? 1));
};

const effectOf = (input: PlanCreate, units: number): number | null => {
  const control = (units * (input.weights[0] ?? 1)) / total(input);
  const found = detectableEffect({ ...designOf(input), control });
  return isHybrid(input) ? found.hybridDetectableEffect : found.detectableEffect;
};

const notPlannable = ({ effect }: PlanCreate): ErrorDetail => ({
  path: effect == null ? 'unitsPerDay' : 'effect',
  message: `needs a plan of 1 to ${LIMITS.plannedUnits} units: change it, or the weights`,
});

const tooSlow = (units: number): ErrorDetail => ({
  path: 'unitsPerDay',
  message: `reaches ${units} units after more than ${MOST_DAYS} days: more are needed`,
});

const impossible = (path: string): ErrorDetail => ({
  path,
  message: 'cannot be reached from this baseline: change one of them',
});
