import {
  hasCovariate,
  type Experiment,
  type ExternalMoments,
  type ExternalStatistics,
  type Metric,
} from '@pennon/schema';

import type { MetricMoments, RunHealth, RunMoments } from './moments.ts';
import type { DatedStatistics } from '../store/store.ts';
import type { AnalysedMetric, AnalysisInput, Decided } from './analysis/input.ts';
import type { StartedRun } from './run-documents.ts';

const DAY_MS = 86_400_000;

/** Before, too little is known of what units did for it to explain anything. */
const COVARIATE_WARM_MS = 14 * DAY_MS;

/** Relative effects are rarely larger. */
const DEFAULT_PRIOR_DEVIATION = 0.3;

/** One look at a run. */
export type Look = {
  readonly moments: RunMoments;
  readonly health: AnalysisInput['health'];
  readonly decided: readonly Decided[];
  readonly ended: boolean;
  readonly final: boolean;
};

/** Returns what results are computed from. */
export const analysisInput = ({ live, experiment, run }: StartedRun, look: Look): AnalysisInput => {
  const { key, state, control, analysis, plan, source } = experiment;
  const isExternal = source === 'external';
  const { metrics } = live.replica.current().records;
  const { prior } = analysis;
  return {
    ...look,
    experiment: key,
    run: run.id,
    state,
    control,
    variants: run.variants,
    method: analysis.method,
    alpha: analysis.alpha,
    priorDeviation: prior == null ? DEFAULT_PRIOR_DEVIATION : prior.standardDeviation,
    plan: plan ?? null,
    metrics: experiment.metrics.flatMap(each => {
      const metric = metrics.get(each.metric)?.document;
      return metric === undefined ? [] : [analysed(each, metric, look.moments.at, isExternal)];
    }),
    isExternal,
  };
};

const analysed = (
  each: Experiment['metrics'][number],
  metric: Metric,
  at: number,
  isExternal: boolean,
): AnalysedMetric => ({
  ...each,
  kind: metric.kind,
  direction: metric.direction,
  covariate: covariateOf(metric, at, isExternal),
});

const covariateOf = (
  metric: Metric,
  at: number,
  isExternal: boolean,
): AnalysedMetric['covariate'] => {
  if (!hasCovariate(metric)) return 'off';
  const isWarm = isExternal || at - Date.parse(metric.createdAt) >= COVARIATE_WARM_MS;
  return isWarm ? 'used' : 'warmingUp';
};

/** The health of data that is not made of events. */
export const NO_HEALTH: AnalysisInput['health'] = {
  exposures: 0,
  late: 0,
  mismatched: {},
  withoutValue: 0,
};

export const healthOf = ({
  exposures,
  late,
  mismatched,
  withoutValue,
}: RunHealth): AnalysisInput['health'] => ({ exposures, late, mismatched, withoutValue });

/** Returns moments that were sent as those of the run. */
export const externalMoments = (
  statistics: DatedStatistics | undefined,
  startedAt: string,
  now: number,
): RunMoments => {
  const at = Date.parse(statistics?.asOf ?? startedAt);
  return {
    at,
    lagMs: Math.max(0, now - at),
    units: statistics?.units ?? {},
    quarantined: statistics?.quarantined ?? {},
    metrics: mapValues(statistics?.metrics ?? {}, byVariant => mapValues(byVariant, metricMoments)),
    lastExposureAt: null,
  };
};

const mapValues = <Value, Result>(
  record: Readonly<Record<string, Value>>,
  map: (value: Value) => Result,
): Record<string, Result> =>
  Object.fromEntries(Object.entries(record).map(([name, value]) => [name, map(value)]));

/** Which sums there are was checked when they were received. */
const metricMoments = ({
  mature,
  soFar = null,
}: ExternalStatistics['metrics'][string][string]): MetricMoments => ({
  mature: matureMoments(mature),
  soFar,
});

const matureMoments = ({ n, ...sums }: ExternalMoments): MetricMoments['mature'] => {
  if (sums.sumNumerator !== undefined)
    return {
      n,
      sumNumerator: sums.sumNumerator,
      sumDenominator: sums.sumDenominator ?? 0,
      sumSquaresNumerator: sums.sumSquaresNumerator ?? 0,
      sumSquaresDenominator: sums.sumSquaresDenominator ?? 0,
      sumProducts: sums.sumProducts ?? 0,
    };
  const { sum = 0, sumSquares = 0, nonZero } = sums;
  const mean = { n, sum, sumSquares, ...(nonZero === undefined ? {} : { nonZero }) };
  return sums.sumCovariate === undefined
    ? mean
    : {
        ...mean,
        sumCovariate: sums.sumCovariate,
        sumSquaresCovariate: sums.sumSquaresCovariate ?? 0,
        sumProductsCovariate: sums.sumProductsCovariate ?? 0,
      };
};
