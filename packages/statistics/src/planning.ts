import { normalQuantile } from './distributions.ts';
import { finite } from './finite.ts';

/** What a test is planned with. `ratio` is the units of the treatment for one of the control. */
type Plan = {
  readonly baseline: number;
  readonly ratio: number;
  /** Divided by the size of the primary family. */
  readonly alpha: number;
  readonly power: number;
};

/** A conversion needs no standard deviation: it follows from the rate. */
type Kind =
  { readonly kind: 'conversion' } | { readonly kind: 'mean'; readonly standardDeviation: number };

/** Units of both variants, for a test at the end and for the default test. */
export type SampleSize = {
  readonly exactControl: number | null;
  readonly control: number | null;
  readonly treatment: number | null;
  readonly hybridFactor: number | null;
  readonly hybridControl: number | null;
  readonly hybridTreatment: number | null;
};

/** The part of alpha that one side of the final test of the default has. */
const HYBRID_SIDE = 0.4;

const scoreOf = (side: number, power: number): number =>
  normalQuantile(1 - side) + normalQuantile(power);

/** How many times the units of a fixed test the default test needs. */
const hybridFactorOf = ({ alpha, power }: Plan): number =>
  (scoreOf(HYBRID_SIDE * alpha, power) / scoreOf(alpha / 2, power)) ** 2;

/** A rate above 1 has no variance. */
const conversionVariance = (rate: number): number =>
  rate >= 0 && rate <= 1 ? rate * (1 - rate) : Number.NaN;

const varianceAt = (kind: Kind, mean: number): number =>
  kind.kind === 'mean' ? kind.standardDeviation ** 2 : conversionVariance(mean);

const wholeUnits = (units: number): number | null => finite(Math.ceil(units));

/** Returns the units that find a relative effect of `detectableEffect` with the power. */
export const sampleSize = (
  input: Plan & Kind & { readonly detectableEffect: number },
): SampleSize => {
  const { baseline, detectableEffect, ratio, alpha, power } = input;
  const difference = baseline * detectableEffect;
  const variance = varianceAt(input, baseline) + varianceAt(input, baseline + difference) / ratio;
  const control = (scoreOf(alpha / 2, power) / difference) ** 2 * variance;
  const factor = hybridFactorOf(input);
  return {
    exactControl: finite(control),
    control: wholeUnits(control),
    treatment: wholeUnits(ratio * control),
    hybridFactor: finite(factor),
    hybridControl: wholeUnits(control * factor),
    hybridTreatment: wholeUnits(ratio * control * factor),
  };
};

/** Relative effects that a number of units finds. */
export type DetectableEffect = {
  readonly detectableEffect: number | null;
  readonly hybridDetectableEffect: number | null;
};

/** Solves `sampleSize` for the difference: a quadratic equation, because a rate has its variance. */
const detectableDifference = (input: Plan & Kind, squaredScore: number, units: number): number => {
  const own = squaredScore * varianceAt(input, input.baseline) * (1 + 1 / input.ratio);
  if (input.kind === 'mean') return Math.sqrt(own / units);
  const leading = units + squaredScore / input.ratio;
  const half = (squaredScore * (1 - 2 * input.baseline)) / input.ratio / 2;
  return (half + Math.sqrt(half ** 2 + leading * own)) / leading;
};

/** Returns the smallest increase that `control` units of the control find with the power. */
export const detectableEffect = (
  input: Plan & Kind & { readonly control: number },
): DetectableEffect => {
  const { baseline, alpha, power, control } = input;
  const squared = scoreOf(alpha / 2, power) ** 2;
  const relative = (units: number): number | null =>
    finite(detectableDifference(input, squared, units) / Math.abs(baseline));
  return {
    detectableEffect: relative(control),
    hybridDetectableEffect: relative(control / hybridFactorOf(input)),
  };
};
