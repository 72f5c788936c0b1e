import type { ComparisonOutcome, MetricComparison } from '@pennon/schema';
import { betaBinomial, normalPosterior, relativeEffect, sampleOf } from '@pennon/statistics';

import type { Pair } from './comparisons.ts';
import type { AnalysisInput } from './input.ts';

/** The parts of a comparison that the Bayesian method replaces. */
type Bayesian = Pick<
  MetricComparison,
  | 'bayesian'
  | 'outcome'
  | 'pValue'
  | 'adjustedPValue'
  | 'lower'
  | 'upper'
  | 'relativeLower'
  | 'relativeUpper'
>;

/** Returns what to believe of a comparison whose data is sufficient. */
export const bayesianOf = (
  input: AnalysisInput,
  pair: Pair,
  tested: Pick<MetricComparison, 'control'>,
): Bayesian => {
  const posterior = posteriorOf(input, pair);
  const chances = { ...posterior, ...ratesOf(pair) };
  const scale = Math.abs(tested.control.mean ?? Number.NaN);
  const absolute = (relative: number | null) =>
    relative === null || !Number.isFinite(scale) ? null : relative * scale;
  const isReversed = pair.metric.direction === 'decrease';
  const chanceToWin =
    isReversed && chances.chanceToWin !== null ? 1 - chances.chanceToWin : chances.chanceToWin;
  const [treatmentLoss, controlLoss] = [chances.expectedLossTreatment, chances.expectedLossControl];
  const interval = { relativeLower: posterior.lower, relativeUpper: posterior.upper };
  return {
    ...interval,
    lower: absolute(posterior.lower),
    upper: absolute(posterior.upper),
    pValue: null,
    adjustedPValue: null,
    outcome: outcomeOf(input, pair, chanceToWin, interval),
    bayesian: {
      chanceToWin,
      // What is lost by a smaller value is what is gained if smaller is better.
      expectedLossTreatment: isReversed ? controlLoss : treatmentLoss,
      expectedLossControl: isReversed ? treatmentLoss : controlLoss,
    },
  };
};

const posteriorOf = ({ alpha, priorDeviation }: AnalysisInput, { control, treatment }: Pair) => {
  const effect = relativeEffect(sampleOf(control), sampleOf(treatment));
  const prior = priorDeviation === null ? null : { mean: 0, standardDeviation: priorDeviation };
  return normalPosterior({ ...effect, prior, alpha });
};

/** Rates have an exact posterior. */
const ratesOf = ({ metric, control, treatment }: Pair) => {
  if (metric.kind !== 'conversion' || !('sum' in control) || !('sum' in treatment)) return {};
  const { chanceToWin, expectedLossTreatment, expectedLossControl } = betaBinomial({
    control: { n: control.n, conversions: control.sum },
    treatment: { n: treatment.n, conversions: treatment.sum },
    prior: { a: 1, b: 1 },
  });
  return { chanceToWin, expectedLossTreatment, expectedLossControl };
};

const outcomeOf = (
  { alpha, ended }: AnalysisInput,
  { metric }: Pair,
  chanceToWin: number | null,
  { relativeLower, relativeUpper }: Pick<Bayesian, 'relativeLower' | 'relativeUpper'>,
): ComparisonOutcome => {
  if (chanceToWin !== null && chanceToWin >= 1 - alpha / 2) return 'better';
  if (chanceToWin !== null && chanceToWin <= alpha / 2) return 'worse';
  if (!ended) return 'collecting';
  const bound = metric.minimumEffect ?? 0;
  const isInside =
    relativeLower !== null &&
    relativeUpper !== null &&
    relativeLower > -bound &&
    relativeUpper < bound;
  return isInside ? 'noMeaningfulDifference' : 'inconclusive';
};
