import type { CovariateMoments, MeanMoments, RatioMoments } from '../moments.ts';
import type { CohortSums } from './cohorts.ts';
import { toNumber } from './decimal.ts';
import { matureMs, type FoldedExperiment, type FoldMetric } from './experiment.ts';
import { addSums, momentsOf, type Sums } from './sums.ts';

/** The units of a variant. Quarantined ones are counted under their first variant. */
export type VariantUnits = { readonly units: number; readonly quarantined: number };

/**
 * Whether a cohort is part of what there was at an instant. One that was merged is, when all of its units were there.
 */
export const hasBegun = (
  { cohortMs }: Pick<FoldedExperiment, 'cohortMs'>,
  { fromMs, untilMs }: CohortSums,
  atMs: number,
): boolean => (untilMs - fromMs > cohortMs ? untilMs <= atMs : fromMs < atMs);

const ofVariant = (cohorts: readonly CohortSums[], variant: string): CohortSums[] =>
  cohorts.filter(each => each.variant === variant);

const count = (cohorts: readonly CohortSums[], name: keyof VariantUnits): number =>
  cohorts.reduce((sum, each) => sum + each[name], 0);

/** Returns the units of a variant, mature or not. */
export const unitsOf = (cohorts: readonly CohortSums[], variant: string): VariantUnits => {
  const own = ofVariant(cohorts, variant);
  return { units: count(own, 'units'), quarantined: count(own, 'quarantined') };
};

const total = (cohorts: readonly CohortSums[], metric: number): Sums =>
  cohorts.reduce<Sums>((sum, { sums }) => addSums(sum, sums[metric]), []);

/** The moments of one metric and variant at an instant. */
export type MatureMoments = {
  /** Of the units that have lived through the window. */
  readonly mature: MeanMoments | CovariateMoments | RatioMoments;
  /** Units whose value is not 0, mature or not. Only of conversions. */
  readonly soFar: number | null;
};

const isConversion = ({ sources }: FoldMetric): boolean =>
  sources.length === 1 && sources[0].kind === 'conversion';

/** Returns the moments of the metric with the index `at`. */
export const momentsAt = (
  { metrics }: Pick<FoldedExperiment, 'metrics'>,
  cohorts: readonly CohortSums[],
  query: { readonly metric: number; readonly variant: string; readonly atMs: number },
): MatureMoments | undefined => {
  const metric = metrics[query.metric];
  if (metric === undefined) return undefined;
  const own = ofVariant(cohorts, query.variant);
  const mature = own.filter(each => matureMs(each, metric) <= query.atMs);
  const [, , nonZero] = total(own, query.metric);
  return {
    mature: momentsOf(metric, count(mature, 'units'), total(mature, query.metric)),
    soFar: isConversion(metric) ? (nonZero === undefined ? 0 : toNumber(nonZero)) : null,
  };
};
