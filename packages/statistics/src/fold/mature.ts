import type { MeanMoments, RatioMoments } from '../moments.ts';
import { matureMs, type FoldedExperiment, type FoldMetric } from './experiment.ts';
import type { CohortSums } from './fold.ts';
import { addSums, momentsOf, type Sums } from './sums.ts';

/** The units of a variant. Quarantined ones are counted under their first variant. */
export type VariantUnits = { readonly units: number; readonly quarantined: number };

/** Returns the units of a variant, mature or not. */
export const unitsOf = (cohorts: readonly CohortSums[], variant: string): VariantUnits => {
  const own = cohorts.filter(each => each.variant === variant);
  return {
    units: own.reduce((sum, { sums }) => sum + (sums[0]?.[0] ?? 0), 0),
    quarantined: own.reduce((sum, { quarantined }) => sum + quarantined, 0),
  };
};

/** Enough zeros for the sums of any metric. */
const NONE: Sums = [0, 0, 0, 0, 0, 0];

const total = (
  cohorts: readonly CohortSums[],
  at: number,
  isIncluded: (cohort: CohortSums) => boolean,
): Sums =>
  cohorts.filter(isIncluded).reduce<Sums>((sum, { sums }) => addSums(sum, sums[at] ?? NONE), NONE);

/** The moments of one metric and variant at an instant. */
export type MatureMoments = {
  /** Of the units that have lived through the window. */
  readonly mature: MeanMoments | RatioMoments;
  /** Units whose value is not 0, mature or not. Only of conversions. */
  readonly soFar: number | null;
};

const isConversion = ({ sources }: FoldMetric): boolean =>
  sources.length === 1 && sources[0].kind === 'conversion';

/** Returns the moments of the metric with the index `at`. */
export const momentsAt = (
  experiment: FoldedExperiment,
  cohorts: readonly CohortSums[],
  query: { readonly metric: number; readonly variant: string; readonly atMs: number },
): MatureMoments | undefined => {
  const metric = experiment.metrics[query.metric];
  if (metric === undefined) return undefined;
  const own = cohorts.filter(({ variant }) => variant === query.variant);
  const mature = total(
    own,
    query.metric,
    ({ cohort }) => matureMs(experiment, cohort, metric) <= query.atMs,
  );
  const [, , , nonZero = 0] = total(own, query.metric, () => true);
  return { mature: momentsOf(metric, mature), soFar: isConversion(metric) ? nonZero : null };
};
