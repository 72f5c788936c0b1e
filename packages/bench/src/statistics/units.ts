import type { CovariateMoments, MeanMoments } from '@pennon/statistics';

import type { Random } from './random.ts';

/** Draws the moments of new units of one variant. */
export type Draw = (random: Random, units: number) => MeanMoments;

/** Units that convert with a probability of `rate`. */
export const conversions =
  (rate: number): Draw =>
  (random, n) => {
    const converted = random.binomial(n, rate);
    return { n, sum: converted, sumSquares: converted, nonZero: converted };
  };

const BUYERS = 0.1;

/** A tenth of the units buys for log-normal amounts, which are very skewed. */
export const revenue =
  (factor = 1): Draw =>
  (random, n) => {
    const nonZero = random.binomial(n, BUYERS);
    let [sum, sumSquares] = [0, 0];
    for (let at = 0; at < nonZero; at += 1) {
      const amount = factor * Math.exp(3 + random.normal());
      sum += amount;
      sumSquares += amount ** 2;
    }
    return { n, sum, sumSquares, nonZero };
  };

/** Spending that follows what the same unit spent before. */
export const spending = (random: Random, n: number): CovariateMoments => {
  let [sum, sumSquares] = [0, 0];
  let [sumCovariate, sumSquaresCovariate, sumProductsCovariate] = [0, 0, 0];
  for (let at = 0; at < n; at += 1) {
    const habit = 1 + 0.8 * random.normal();
    const before = Math.exp(habit + 0.4 * random.normal());
    const after = Math.exp(habit + 0.4 * random.normal());
    sum += after;
    sumSquares += after ** 2;
    sumCovariate += before;
    sumSquaresCovariate += before ** 2;
    sumProductsCovariate += before * after;
  }
  const covariate = { sumCovariate, sumSquaresCovariate, sumProductsCovariate };
  return { n, sum, sumSquares, nonZero: n, ...covariate };
};

/** Values that are normally distributed. Their sums need two draws for any number of units. */
export const normals =
  (mean: number, deviation: number): Draw =>
  (random, n) => {
    const sum = n * mean + Math.sqrt(n) * deviation * random.normal();
    // Chi-square with n - 1 degrees of freedom, by Wilson and Hilferty.
    const width = 2 / (9 * (n - 1));
    const squares = (n - 1) * (1 - width + Math.sqrt(width) * random.normal()) ** 3;
    return { n, sum, sumSquares: squares * deviation ** 2 + sum ** 2 / n, nonZero: n };
  };

const isCovariate = (moments: MeanMoments): moments is CovariateMoments =>
  'sumCovariate' in moments;

const added = (first: MeanMoments, second: MeanMoments): MeanMoments => ({
  n: first.n + second.n,
  sum: first.sum + second.sum,
  sumSquares: first.sumSquares + second.sumSquares,
  nonZero: (first.nonZero ?? 0) + (second.nonZero ?? 0),
});

/** Adds the moments of new units to those of previous ones, which may be none. */
export const add = (first: MeanMoments | undefined, second: MeanMoments): MeanMoments => {
  if (first === undefined) return second;
  if (!isCovariate(first) || !isCovariate(second)) return added(first, second);
  const sums: CovariateMoments = {
    ...added(first, second),
    sumCovariate: first.sumCovariate + second.sumCovariate,
    sumSquaresCovariate: first.sumSquaresCovariate + second.sumSquaresCovariate,
    sumProductsCovariate: first.sumProductsCovariate + second.sumProductsCovariate,
  };
  return sums;
};
