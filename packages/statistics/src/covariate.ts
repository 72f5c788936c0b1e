import { effectOf, welch, type Comparison, type Effect } from './compare.ts';
import { finite } from './finite.ts';
import {
  roundedVariance,
  sumOfSquares,
  type CovariateMoments,
  type MeanMoments,
  type Sample,
} from './moments.ts';

/** An effect adjusted for what was known before the exposure (CUPED). */
export type AdjustedEffect = Effect & {
  readonly theta: number;
  readonly controlVariance: number;
  readonly treatmentVariance: number;
  readonly varianceReduction: number;
};

type Input = {
  readonly control: CovariateMoments;
  readonly treatment: CovariateMoments;
  readonly alpha: number;
};

/** Sums of squares and products within one variant. */
type Squares = { readonly value: number; readonly product: number; readonly covariate: number };

const covariateOf = (moments: CovariateMoments): MeanMoments => ({
  n: moments.n,
  sum: moments.sumCovariate,
  sumSquares: moments.sumSquaresCovariate,
});

/** A constant varies with nothing: what is left of the product is rounding. */
const squaresOf = (moments: CovariateMoments): Squares => {
  const value = sumOfSquares(moments);
  const covariate = sumOfSquares(covariateOf(moments));
  const isConstant = value === 0 || covariate === 0;
  const product = moments.sumProductsCovariate - (moments.sum * moments.sumCovariate) / moments.n;
  return { value, product: isConstant ? 0 : product, covariate };
};

const residual = ({ value, product, covariate }: Squares, theta: number): number =>
  roundedVariance(value - 2 * theta * product + theta ** 2 * covariate, value);

/** Both variants are centred on their common mean, so that the adjusted means stay readable. */
const adjustedSample = (
  moments: CovariateMoments,
  squares: Squares,
  theta: number,
  commonMean: number,
): Sample => ({
  n: moments.n,
  mean: moments.sum / moments.n - theta * (moments.sumCovariate / moments.n - commonMean),
  variance: residual(squares, theta) / (moments.n - 1),
});

/** Returns the effect that a regression on treatment and covariate finds. */
export const adjustedEffect = (
  control: CovariateMoments,
  treatment: CovariateMoments,
): AdjustedEffect => {
  const [before, after] = [squaresOf(control), squaresOf(treatment)];
  const covariate = before.covariate + after.covariate;
  const theta = covariate === 0 ? 0 : (before.product + after.product) / covariate;
  const units = control.n + treatment.n;
  const commonMean = (control.sumCovariate + treatment.sumCovariate) / units;
  const controlSample = adjustedSample(control, before, theta, commonMean);
  const treatmentSample = adjustedSample(treatment, after, theta, commonMean);
  const covariance = (theta ** 2 * covariate) / (units - 2) / units;
  const effect = effectOf(controlSample, treatmentSample, covariance);
  const unadjusted =
    before.value / (control.n - 1) / control.n + after.value / (treatment.n - 1) / treatment.n;
  return {
    ...effect,
    theta,
    controlVariance: controlSample.variance,
    treatmentVariance: treatmentSample.variance,
    varianceReduction: 1 - effect.standardError ** 2 / unadjusted,
  };
};

/** The result of Welch's test after an adjustment. */
export type AdjustedComparison = Comparison & {
  readonly theta: number | null;
  readonly controlMean: number | null;
  readonly treatmentMean: number | null;
  readonly controlVariance: number | null;
  readonly treatmentVariance: number | null;
  readonly covariance: number | null;
  readonly varianceReduction: number | null;
};

/** Compares the means of two variants, adjusted for what was known of their units before. */
export const adjustForCovariate = ({ control, treatment, alpha }: Input): AdjustedComparison => {
  const effect = adjustedEffect(control, treatment);
  return {
    theta: finite(effect.theta),
    controlMean: finite(effect.control.mean),
    treatmentMean: finite(effect.treatment.mean),
    controlVariance: finite(effect.controlVariance),
    treatmentVariance: finite(effect.treatmentVariance),
    covariance: finite(effect.covariance),
    varianceReduction: finite(effect.varianceReduction),
    ...welch(effect, alpha),
  };
};
