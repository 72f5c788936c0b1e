import { benjaminiHochberg, holm } from './adjust.ts';
import { effectOf, intervalsOf, type Effect, type Intervals } from './compare.ts';
import { adjustedEffect } from './covariate.ts';
import { finite } from './finite.ts';
import { FEWEST_UNITS, type Direction } from './harm.ts';
import { fixedTest, sequentialTest, type Test } from './hybrid.ts';
import { sampleOf, type CovariateMoments, type MeanMoments, type RatioMoments } from './moments.ts';

type Common = {
  readonly id: string;
  readonly role: 'primary' | 'secondary';
  readonly direction: Direction;
  /** Units of both variants at the planned end, if there is a plan. */
  readonly plannedUnits?: number | null;
  /** The smallest relative difference that matters. */
  readonly minimumEffect?: number | null;
};

/** Moments with a covariate are adjusted for it. Leave it out while it is not warm. */
type ValueComparison = Common & {
  readonly kind: 'conversion' | 'count' | 'sum';
  readonly control: MeanMoments | CovariateMoments;
  readonly treatment: MeanMoments | CovariateMoments;
};

type RatioComparison = Common & {
  readonly kind: 'ratio';
  readonly control: RatioMoments;
  readonly treatment: RatioMoments;
};

/** One metric of one treatment. */
export type PlannedComparison = ValueComparison | RatioComparison;

type Input = {
  readonly alpha: number;
  readonly method: 'sequential' | 'fixed';
  /** Whether this is the look at the planned end. There is one. */
  readonly ended: boolean;
  readonly comparisons: readonly PlannedComparison[];
};

export type InsufficientReason = 'tooFewUnits' | 'tooFewEvents' | 'noVariance';

export type Outcome = 'better' | 'worse' | 'noMeaningfulDifference' | 'inconclusive' | 'collecting';

/** What is known of one comparison. */
export type Verdict =
  | {
      readonly id: string;
      readonly outcome: 'insufficient';
      readonly reason: InsufficientReason;
    }
  | (Intervals & {
      readonly id: string;
      readonly outcome: Outcome;
      readonly difference: number | null;
      readonly pValue: number | null;
      readonly adjustedPValue: number | null;
      readonly multiplier: number | null;
      /** The part of the variance that the covariate explains. Null if it was not used. */
      readonly varianceReduction: number | null;
    });

/** Fewer units with, or for conversions without, an event are not normal enough. */
const FEWEST_EVENTS = 5;

/** A smaller sample does not determine the slope of a covariate. */
const FEWEST_UNITS_FOR_COVARIATE = 200;

/** Units that are not counted are enough. */
const eventsOf = (comparison: PlannedComparison): number[] => {
  if (comparison.kind === 'ratio')
    return [comparison.control, comparison.treatment].map(({ sumDenominator }) =>
      sumDenominator === 0 ? 0 : FEWEST_EVENTS,
    );
  const { kind, control, treatment } = comparison;
  return [control, treatment].flatMap(({ n, sum, nonZero }) =>
    kind === 'conversion' ? [sum, n - sum] : [nonZero ?? FEWEST_EVENTS],
  );
};

const hasCovariate = (moments: MeanMoments | CovariateMoments): moments is CovariateMoments =>
  'sumCovariate' in moments && moments.n >= FEWEST_UNITS_FOR_COVARIATE;

type Estimated = { readonly effect: Effect; readonly varianceReduction: number | null };

const estimate = ({ control, treatment }: PlannedComparison): Estimated => {
  if (isValue(control) && isValue(treatment) && hasCovariate(control) && hasCovariate(treatment)) {
    const effect = adjustedEffect(control, treatment);
    return { effect, varianceReduction: finite(effect.varianceReduction) };
  }
  return { effect: effectOf(sampleOf(control), sampleOf(treatment)), varianceReduction: null };
};

const isValue = (moments: MeanMoments | RatioMoments): moments is MeanMoments => 'sum' in moments;

const insufficiency = (
  comparison: PlannedComparison,
  effect: Effect,
): InsufficientReason | undefined => {
  const { control, treatment } = comparison;
  if (Math.min(control.n, treatment.n) < FEWEST_UNITS) return 'tooFewUnits';
  if (Math.min(...eventsOf(comparison)) < FEWEST_EVENTS) return 'tooFewEvents';
  return effect.standardError > 0 ? undefined : 'noVariance';
};

/** A comparison while the family that it belongs to is adjusted. */
type Tested = Estimated & {
  readonly comparison: PlannedComparison;
  readonly reason: InsufficientReason | undefined;
  readonly pValue: number | null;
  readonly multiplier: Test['multiplier'];
};

const testOf = (comparison: PlannedComparison, { method, alpha, ended }: Input): Tested => {
  const estimated = estimate(comparison);
  const design = { alpha, ended, plannedUnits: comparison.plannedUnits };
  const test = (method === 'fixed' ? fixedTest : sequentialTest)(estimated.effect, design);
  return {
    ...estimated,
    comparison,
    reason: insufficiency(comparison, estimated.effect),
    pValue: finite(test.pValue ?? Number.NaN),
    multiplier: test.multiplier,
  };
};

/** An insufficient comparison stays in its family, with a p-value of 1. */
const adjustedBy = (
  family: readonly Tested[],
  adjustment: (pValues: readonly number[]) => number[],
): Map<Tested, number | null> => {
  const adjusted = adjustment(
    family.map(({ reason, pValue }) => (reason === undefined ? (pValue ?? 1) : 1)),
  );
  return new Map(
    family.map((each, at) => [each, each.pValue === null ? null : (adjusted[at] ?? null)]),
  );
};

const isInside = ({ relativeLower, relativeUpper }: Intervals, bound: number): boolean =>
  relativeLower !== null &&
  relativeUpper !== null &&
  relativeLower > -bound &&
  relativeUpper < bound;

const outcomeOf = (
  { comparison, effect }: Tested,
  adjustedPValue: number | null,
  intervals: Intervals,
  { alpha, ended }: Input,
): Outcome => {
  const { direction, minimumEffect } = comparison;
  if (adjustedPValue !== null && adjustedPValue <= alpha)
    return effect.difference > 0 === (direction === 'increase') ? 'better' : 'worse';
  if (!ended) return 'collecting';
  return isInside(intervals, minimumEffect ?? 0) ? 'noMeaningfulDifference' : 'inconclusive';
};

const verdictOf = (
  tested: Tested,
  adjustedPValue: number | null,
  share: number,
  input: Input,
): Verdict => {
  const { comparison, effect, reason, pValue, varianceReduction } = tested;
  if (reason !== undefined) return { id: comparison.id, outcome: 'insufficient', reason };
  const multiplier = tested.multiplier(share);
  const intervals = intervalsOf(effect, multiplier);
  return {
    id: comparison.id,
    outcome: outcomeOf(tested, adjustedPValue, intervals, input),
    difference: finite(effect.difference),
    pValue,
    adjustedPValue,
    multiplier: finite(multiplier),
    ...intervals,
    varianceReduction,
  };
};

/**
 * Decides all comparisons of an experiment. Primary ones are one family, whose intervals share
 * alpha; the intervals of secondary ones are not adjusted.
 */
export const verdicts = (input: Input): { readonly verdicts: Verdict[] } => {
  const tested = input.comparisons.map(comparison => testOf(comparison, input));
  const primary = tested.filter(({ comparison }) => comparison.role === 'primary');
  const secondary = tested.filter(({ comparison }) => comparison.role !== 'primary');
  const adjusted = new Map([
    ...adjustedBy(primary, holm),
    ...adjustedBy(secondary, benjaminiHochberg),
  ]);
  return {
    verdicts: tested.map(each => {
      const share = each.comparison.role === 'primary' ? 1 / primary.length : 1;
      return verdictOf(each, adjusted.get(each) ?? null, share, input);
    }),
  };
};
