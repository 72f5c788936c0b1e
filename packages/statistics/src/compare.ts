import { tQuantile, tSf } from './distributions.ts';
import { finite } from './finite.ts';
import { sampleOf, type MeanMoments, type RatioMoments, type Sample } from './moments.ts';
import { relativeInterval, type Estimate } from './relative-interval.ts';

/** The difference of two means, before a test is chosen. */
export type Effect = {
  readonly control: Estimate;
  readonly treatment: Estimate;
  readonly covariance: number;
  readonly difference: number;
  readonly standardError: number;
  readonly degreesOfFreedom: number;
  /** Units of both variants. */
  readonly units: number;
};

/** What Welch's test reads of an effect. */
export type Tested = Pick<Effect, 'difference' | 'standardError' | 'degreesOfFreedom'>;

/** The bounds of a difference, and of the same difference relative to the control. */
export type Intervals = {
  readonly lower: number | null;
  readonly upper: number | null;
  readonly relative: number | null;
  readonly relativeLower: number | null;
  readonly relativeUpper: number | null;
};

/** The result of a test at a fixed time. */
export type Comparison = Intervals & {
  readonly difference: number | null;
  readonly standardError: number | null;
  readonly degreesOfFreedom: number | null;
  readonly pValue: number | null;
};

const estimateOf = ({ n, mean, variance }: Sample): Estimate => ({ mean, variance: variance / n });

/** The degrees of freedom are those of Welch. Shares of the variance do not underflow. */
const welchDegrees = (control: Sample, treatment: Sample): number => {
  const controlVariance = control.variance / control.n;
  const total = controlVariance + treatment.variance / treatment.n;
  const share = controlVariance / total;
  return 1 / (share ** 2 / (control.n - 1) + (1 - share) ** 2 / (treatment.n - 1));
};

/** Compares two samples. `covariance` is that of their means. */
export const effectOf = (control: Sample, treatment: Sample, covariance = 0): Effect => {
  const [before, after] = [estimateOf(control), estimateOf(treatment)];
  return {
    control: before,
    treatment: after,
    covariance,
    difference: after.mean - before.mean,
    standardError: Math.sqrt(before.variance + after.variance),
    degreesOfFreedom: welchDegrees(control, treatment),
    units: control.n + treatment.n,
  };
};

/** The p-value of Welch's test. There is none if no value differs from another. */
export const welchPValue = ({ difference, standardError, degreesOfFreedom }: Tested): number =>
  2 * tSf(Math.abs(difference) / standardError, degreesOfFreedom);

/** The multiplier of Welch's interval. */
export const welchMultiplier = (alpha: number, degrees: number): number =>
  tQuantile(1 - alpha / 2, degrees);

/** Returns the intervals of an effect for any multiplier of its standard error. */
export const intervalsOf = (effect: Effect, multiplier: number): Intervals => {
  const { control, treatment, covariance, difference, standardError } = effect;
  const { relative, lower, upper } = relativeInterval({
    control,
    treatment,
    covariance,
    multiplier,
  });
  return {
    lower: finite(difference - multiplier * standardError),
    upper: finite(difference + multiplier * standardError),
    relative,
    relativeLower: lower,
    relativeUpper: upper,
  };
};

/** Returns the result of Welch's test, for any effect. */
export const welch = (effect: Effect, alpha: number): Comparison => ({
  difference: finite(effect.difference),
  standardError: finite(effect.standardError),
  degreesOfFreedom: finite(effect.degreesOfFreedom),
  pValue: finite(welchPValue(effect)),
  ...intervalsOf(effect, welchMultiplier(alpha, effect.degreesOfFreedom)),
});

type Input<Moments> = {
  readonly control: Moments;
  readonly treatment: Moments;
  readonly alpha: number;
};

/** Compares the means of two variants by Welch's test. */
export const compareMeans = ({ control, treatment, alpha }: Input<MeanMoments>): Comparison =>
  welch(effectOf(sampleOf(control), sampleOf(treatment)), alpha);

/** Compares the ratios of two variants by Welch's test. */
export const compareRatios = ({ control, treatment, alpha }: Input<RatioMoments>): Comparison =>
  welch(effectOf(sampleOf(control), sampleOf(treatment)), alpha);
