import fc from 'fast-check';

import type { CovariateMoments, MeanMoments, RatioMoments } from '../../src/index.ts';

/** What is smaller is 0: the squares of such numbers would not be numbers any more. */
const SMALLEST = 1e-12;

/** Finite numbers of a size that applications measure. */
export const number = (min: number, max: number): fc.Arbitrary<number> =>
  fc
    .double({ min, max, noNaN: true, noDefaultInfinity: true })
    .map(each => (Math.abs(each) < SMALLEST ? 0 : each));

const value = number(-1_000, 1_000);

/** Values of units, of which some are the same. */
export const values = fc.array(fc.oneof(fc.integer({ min: -20, max: 20 }), value), {
  minLength: 3,
  maxLength: 40,
});

const total = (numbers: readonly number[]): number => numbers.reduce((sum, each) => sum + each, 0);

export const momentsOf = (numbers: readonly number[]): MeanMoments => ({
  n: numbers.length,
  sum: total(numbers),
  sumSquares: total(numbers.map(each => each * each)),
  nonZero: numbers.filter(each => each !== 0).length,
});

/** What a unit had before its exposure, and after it. */
export type Pair = readonly [before: number, after: number];

export const pairs: fc.Arbitrary<Pair[]> = fc.array(fc.tuple(value, value), {
  minLength: 4,
  maxLength: 40,
});

export const covariateMomentsOf = (units: readonly Pair[]): CovariateMoments => ({
  ...momentsOf(units.map(([, after]) => after)),
  sumCovariate: total(units.map(([before]) => before)),
  sumSquaresCovariate: total(units.map(([before]) => before * before)),
  sumProductsCovariate: total(units.map(([before, after]) => before * after)),
});

export const ratioMomentsOf = (units: readonly Pair[]): RatioMoments => ({
  n: units.length,
  sumNumerator: total(units.map(([, after]) => after)),
  sumDenominator: total(units.map(([before]) => before)),
  sumSquaresNumerator: total(units.map(([, after]) => after * after)),
  sumSquaresDenominator: total(units.map(([before]) => before * before)),
  sumProducts: total(units.map(([before, after]) => before * after)),
});

/** The moments of units that convert or do not. */
export const conversions = (n: number, converted: number): MeanMoments => ({
  n,
  sum: converted,
  sumSquares: converted,
  nonZero: converted,
});

export const converting = (maximum = 1_000_000): fc.Arbitrary<MeanMoments> =>
  fc
    .integer({ min: 2, max: maximum })
    .chain(n => fc.integer({ min: 0, max: n }).map(converted => conversions(n, converted)));

export const alpha = number(1e-6, 0.5);
