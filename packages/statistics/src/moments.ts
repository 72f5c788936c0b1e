/** What is known of the values of the units of one variant: their number and sums. */
export type MeanMoments = {
  readonly n: number;
  readonly sum: number;
  readonly sumSquares: number;
  /** Units whose value is not 0. */
  readonly nonZero?: number;
};

/** Moments of a ratio of two sums. */
export type RatioMoments = {
  readonly n: number;
  readonly sumNumerator: number;
  readonly sumDenominator: number;
  readonly sumSquaresNumerator: number;
  readonly sumSquaresDenominator: number;
  readonly sumProducts: number;
};

/** Moments with what was known of the same units before their exposure. */
export type CovariateMoments = MeanMoments & {
  readonly sumCovariate: number;
  readonly sumSquaresCovariate: number;
  readonly sumProductsCovariate: number;
};

/** The mean of the units of one variant, and the variance of their values. */
export type Sample = { readonly n: number; readonly mean: number; readonly variance: number };

/** A smaller part of the terms that a variance is computed from is rounding. */
const ROUNDING = 1e-12;

/** Returns 0 for a variance that is only rounding, which may also be negative. */
export const roundedVariance = (variance: number, scale: number): number =>
  variance <= ROUNDING * scale ? 0 : variance;

/** Returns the sum of the squared distances from the mean. */
export const sumOfSquares = ({ n, sum, sumSquares }: MeanMoments): number =>
  roundedVariance(sumSquares - (sum * sum) / n, (sumSquares / n) * (n - 1));

const meanSample = (moments: MeanMoments): Sample => ({
  n: moments.n,
  mean: moments.sum / moments.n,
  variance: sumOfSquares(moments) / (moments.n - 1),
});

const numerator = (moments: RatioMoments): MeanMoments => ({
  n: moments.n,
  sum: moments.sumNumerator,
  sumSquares: moments.sumSquaresNumerator,
});

const denominator = (moments: RatioMoments): MeanMoments => ({
  n: moments.n,
  sum: moments.sumDenominator,
  sumSquares: moments.sumSquaresDenominator,
});

/** The variance is that of the linearised values (delta method): units are clusters. */
const ratioSample = (moments: RatioMoments): Sample => {
  const { n, sumNumerator, sumDenominator } = moments;
  const ratio = sumNumerator / sumDenominator;
  const products = moments.sumProducts - (sumNumerator * sumDenominator) / n;
  const own = sumOfSquares(numerator(moments)) + ratio ** 2 * sumOfSquares(denominator(moments));
  const squares = roundedVariance(own - 2 * ratio * products, own);
  return { n, mean: ratio, variance: squares / (n - 1) / (sumDenominator / n) ** 2 };
};

/** Returns the mean or ratio of a variant, with the variance of one unit. */
export const sampleOf = (moments: MeanMoments | RatioMoments): Sample =>
  'sumNumerator' in moments ? ratioSample(moments) : meanSample(moments);
