import type { CovariateMoments, MeanMoments, RatioMoments } from '../moments.ts';
import {
  decimalOf,
  minus,
  ONE,
  plus,
  smaller,
  times,
  toNumber,
  ZERO,
  type Decimal,
} from './decimal.ts';
import type { FoldMetric } from './experiment.ts';

/**
 * Exact sums over units: of a mean `Σx, Σx², nonZero`, with a covariate `Σy, Σy², Σxy` after them, of a ratio
 * `ΣN, ΣD, ΣN², ΣD², ΣND`.
 */
export type Sums = readonly Decimal[];

/** Returns the value of a unit, after the cap. */
const valueOf = ({ cap }: FoldMetric, total: Decimal): Decimal =>
  cap === undefined ? total : smaller(total, decimalOf(cap));

/** Returns what one unit adds, from its totals: one for each source. */
export const sumsOfUnit = (metric: FoldMetric, totals: readonly Decimal[], covariate = 0): Sums => {
  const [first = ZERO, second] = totals;
  if (second !== undefined)
    return [first, second, times(first, first), times(second, second), times(first, second)];
  const value = valueOf(metric, first);
  const sums = [value, times(value, value), value.digits === 0n ? ZERO : ONE];
  if (metric.hasCovariate !== true) return sums;
  const known = decimalOf(covariate);
  return [...sums, known, times(known, known), times(value, known)];
};

/** Adds sums. Previous ones may be missing. */
export const addSums = (sums: Sums = [], added: Sums = []): Sums =>
  Array.from({ length: Math.max(sums.length, added.length) }, (_, at) =>
    plus(sums[at] ?? ZERO, added[at] ?? ZERO),
  );

export const subtractSums = (sums: Sums = [], taken: Sums = []): Sums =>
  Array.from({ length: Math.max(sums.length, taken.length) }, (_, at) =>
    minus(sums[at] ?? ZERO, taken[at] ?? ZERO),
  );

/** Names the sums of some units as the functions of this package expect them. */
export const momentsOf = (
  { sources, hasCovariate }: FoldMetric,
  n: number,
  sums: Sums,
): MeanMoments | CovariateMoments | RatioMoments => {
  const at = (index: number) => toNumber(sums[index] ?? ZERO);
  if (sources.length === 2)
    return {
      n,
      sumNumerator: at(0),
      sumDenominator: at(1),
      sumSquaresNumerator: at(2),
      sumSquaresDenominator: at(3),
      sumProducts: at(4),
    };
  const mean = { n, sum: at(0), sumSquares: at(1), nonZero: at(2) };
  if (hasCovariate !== true) return mean;
  return { ...mean, sumCovariate: at(3), sumSquaresCovariate: at(4), sumProductsCovariate: at(5) };
};
