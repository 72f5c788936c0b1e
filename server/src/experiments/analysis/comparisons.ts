import type { MetricComparison, MetricResults } from '@pennon/schema';
import {
  adjustForCovariate,
  sampleOf,
  verdicts,
  type CovariateMoments,
  type MeanMoments,
  type PlannedComparison,
  type RatioMoments,
  type Verdict,
} from '@pennon/statistics';

import { bayesianOf } from './bayesian.ts';
import { treatmentsOf, weightOf, type AnalysedMetric, type AnalysisInput } from './input.ts';

export type AnyMoments = MeanMoments | RatioMoments | CovariateMoments;

/** One metric of one treatment, with the moments of both variants. */
export type Pair = {
  readonly metric: AnalysedMetric;
  readonly variant: string;
  readonly control: AnyMoments;
  readonly treatment: AnyMoments;
};

/** Returns the results of all metrics except guardrails. */
export const metricResultsOf = (input: AnalysisInput): MetricResults[] => {
  const decisive = input.metrics.filter(({ role }) => role !== 'guardrail');
  const pairs = decisive.flatMap(metric => pairsOf(input, metric));
  const found = new Map(verdictsOf(input, pairs).map(verdict => [verdict.id, verdict]));
  return decisive.map(metric => ({
    metric: metric.metric,
    role: metric.role,
    direction: metric.direction,
    matureUnits: matureUnitsOf(input, metric),
    comparisons: pairs
      .filter(pair => pair.metric === metric)
      .map(pair => comparisonOf(input, pair, found.get(idOf(pair)))),
  }));
};

/** Returns the moments of a metric of each treatment and the control. Variants without units have none. */
export const pairsOf = (input: AnalysisInput, metric: AnalysedMetric): Pair[] =>
  treatmentsOf(input).map(({ variant }) => ({
    metric,
    variant,
    control: momentsOf(input, metric, input.control),
    treatment: momentsOf(input, metric, variant),
  }));

const momentsOf = ({ moments }: AnalysisInput, metric: AnalysedMetric, variant: string) =>
  moments.metrics[metric.metric]?.[variant]?.mature ?? (metric.kind === 'ratio' ? NO_RATIO : NONE);

const NONE: MeanMoments = { n: 0, sum: 0, sumSquares: 0, nonZero: 0 };
const NO_RATIO: RatioMoments = {
  n: 0,
  sumNumerator: 0,
  sumDenominator: 0,
  sumSquaresNumerator: 0,
  sumSquaresDenominator: 0,
  sumProducts: 0,
};

const matureUnitsOf = (input: AnalysisInput, metric: AnalysedMetric): Record<string, number> =>
  Object.fromEntries(
    input.variants.map(({ variant }) => [variant, momentsOf(input, metric, variant).n]),
  );

const idOf = ({ metric, variant }: Pair): string => `${metric.metric} ${variant}`;

const verdictsOf = (input: AnalysisInput, pairs: readonly Pair[]): Verdict[] =>
  verdicts({
    alpha: input.alpha,
    // Estimates come from the fixed method, and their meaning from `bayesianOf`.
    method: input.method === 'sequential' ? 'sequential' : 'fixed',
    ended: input.ended,
    comparisons: pairs.map(pair => plannedComparison(input, pair)),
  }).verdicts;

const plannedComparison = (input: AnalysisInput, pair: Pair): PlannedComparison => {
  const { metric, variant } = pair;
  const common = {
    id: idOf(pair),
    role: metric.role === 'primary' ? 'primary' : 'secondary',
    direction: metric.direction,
    plannedUnits: plannedUnitsOf(input, variant),
    minimumEffect: metric.minimumEffect ?? null,
  } as const;
  const { control, treatment } = usedMoments(pair);
  return isRatio(control) && isRatio(treatment)
    ? { ...common, kind: 'ratio', control, treatment }
    : {
        ...common,
        kind: metric.kind === 'conversion' ? 'conversion' : 'sum',
        control: asMean(control),
        treatment: asMean(treatment),
      };
};

/** The planned units of a treatment and the control. */
const plannedUnitsOf = (input: AnalysisInput, variant: string): number | null => {
  if (input.plan === null) return null;
  const total = input.variants.reduce((sum, { weight }) => sum + weight, 0);
  return (input.plan.units * (weightOf(input, variant) + weightOf(input, input.control))) / total;
};

export const isRatio = (moments: AnyMoments): moments is RatioMoments => 'sumNumerator' in moments;

/** Replaces moments of another kind than that of the metric. */
const asMean = (moments: AnyMoments): MeanMoments | CovariateMoments =>
  isRatio(moments) ? NONE : moments;

const hasCovariate = (moments: AnyMoments): moments is CovariateMoments =>
  'sumCovariate' in moments;

/** Returns the moments without a covariate that must not be used. */
const usedMoments = (pair: Pair): Pick<Pair, 'control' | 'treatment'> =>
  covariateOf(pair) === null
    ? pair
    : { control: plain(pair.control), treatment: plain(pair.treatment) };

const plain = (moments: AnyMoments): MeanMoments | RatioMoments => {
  if (!hasCovariate(moments)) return moments;
  const { n, sum, sumSquares, nonZero } = moments;
  return { n, sum, sumSquares, ...(nonZero === undefined ? {} : { nonZero }) };
};

/** A smaller sample does not determine the slope of a covariate; `verdicts` has the same limit. */
const FEWEST_UNITS_FOR_COVARIATE = 200;

/** Returns why the covariate is not used; null if it is. */
const covariateOf = ({
  metric,
  control,
  treatment,
}: Pair): MetricComparison['covariate']['why'] => {
  if (metric.covariate !== 'used') return metric.covariate;
  if (!hasCovariate(control) || !hasCovariate(treatment)) return 'notMeasured';
  return Math.min(control.n, treatment.n) < FEWEST_UNITS_FOR_COVARIATE ? 'tooFewUnits' : null;
};

const NO_INTERVAL = {
  difference: null,
  lower: null,
  upper: null,
  relative: null,
  relativeLower: null,
  relativeUpper: null,
  pValue: null,
  adjustedPValue: null,
};

const comparisonOf = (
  input: AnalysisInput,
  pair: Pair,
  verdict: Verdict | undefined,
): MetricComparison => {
  const why = covariateOf(pair);
  const decided = input.decided.find(
    ({ metric, variant }) => metric === pair.metric.metric && variant === pair.variant,
  );
  const common = {
    variant: pair.variant,
    ...estimatesOf(pair, why === null),
    decidedAt: decided === undefined ? null : new Date(decided.at).toISOString(),
  };
  if (verdict === undefined || verdict.outcome === 'insufficient')
    return {
      ...common,
      ...NO_INTERVAL,
      outcome: 'insufficient',
      reason: verdict?.reason ?? 'tooFewUnits',
      covariate: { used: false, why, varianceReduction: null },
      bayesian: null,
    };
  const { id: _, multiplier: _multiplier, varianceReduction, ...numbers } = verdict;
  const covariate = { used: why === null, why, varianceReduction };
  const tested = { ...common, ...numbers, reason: null, covariate, bayesian: null };
  return input.method === 'bayesian' ? { ...tested, ...bayesianOf(input, pair, tested) } : tested;
};

/** The means as they are compared: adjusted if the covariate is used. */
const estimatesOf = (
  { control, treatment }: Pair,
  isAdjusted: boolean,
): Pick<MetricComparison, 'control' | 'treatment'> => {
  if (isAdjusted && hasCovariate(control) && hasCovariate(treatment)) {
    const adjusted = adjustForCovariate({ control, treatment, alpha: 0.05 });
    return {
      control: estimate(adjusted.controlMean, adjusted.controlVariance, control.n),
      treatment: estimate(adjusted.treatmentMean, adjusted.treatmentVariance, treatment.n),
    };
  }
  return { control: plainEstimate(control), treatment: plainEstimate(treatment) };
};

const plainEstimate = (moments: AnyMoments) => {
  const { mean, variance, n } = sampleOf(moments);
  return estimate(mean, variance, n);
};

const estimate = (mean: number | null, variance: number | null, n: number) => ({
  mean: finite(mean),
  standardError: finite(variance === null ? null : Math.sqrt(variance / n)),
});

const finite = (value: number | null): number | null =>
  value !== null && Number.isFinite(value) ? value : null;
