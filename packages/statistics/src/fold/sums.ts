import type { MeanMoments, RatioMoments } from '../moments.ts';
import type { FoldMetric } from './experiment.ts';

/** Sums over units: of a mean `n, Σx, Σx², nonZero`, of a ratio `n, ΣN, ΣD, ΣN², ΣD², ΣND`. */
export type Sums = readonly number[];

/** Returns what one unit adds, from its totals: one for each source. */
export const sumsOfUnit = ({ cap = Number.POSITIVE_INFINITY }: FoldMetric, totals: Sums): Sums => {
  const [first = 0, second] = totals;
  if (second !== undefined)
    return [1, first, second, first * first, second * second, first * second];
  const value = Math.min(first, cap);
  return [1, value, value * value, value === 0 ? 0 : 1];
};

/** Adds sums. Previous ones may be missing. */
export const addSums = (sums: Sums | undefined, added: Sums, sign = 1): Sums =>
  added.map((each, at) => (sums?.[at] ?? 0) + sign * each);

/** Names the sums as the functions of this package expect them. */
export const momentsOf = ({ sources }: FoldMetric, sums: Sums): MeanMoments | RatioMoments => {
  const [n = 0, first = 0, second = 0, third = 0, fourth = 0, fifth = 0] = sums;
  if (sources.length === 1) return { n, sum: first, sumSquares: second, nonZero: third };
  return {
    n,
    sumNumerator: first,
    sumDenominator: second,
    sumSquaresNumerator: third,
    sumSquaresDenominator: fourth,
    sumProducts: fifth,
  };
};
