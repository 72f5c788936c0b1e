import { finite } from './finite.ts';

/** A mean, and the variance of this mean. */
export type Estimate = { readonly mean: number; readonly variance: number };

type Input = {
  readonly control: Estimate;
  readonly treatment: Estimate;
  /** What the two means have in common, besides the variance of each. */
  readonly covariance: number;
  readonly multiplier: number;
};

/** A difference relative to the control. No bounds if the control's mean does not differ from 0. */
export type RelativeInterval = {
  readonly relative: number | null;
  readonly lower: number | null;
  readonly upper: number | null;
};

/**
 * Returns Fieller's interval of the relative difference. It excludes 0 if and only if the
 * difference is larger than `multiplier` standard errors.
 */
export const relativeInterval = (input: Input): RelativeInterval => {
  const { control, treatment } = input;
  const [first, second] = roots(input);
  // Relative to the absolute value: a negative control exchanges the bounds.
  const [lower, upper] = control.mean < 0 ? [-second, -first] : [first, second];
  return {
    relative: finite((treatment.mean - control.mean) / Math.abs(control.mean)),
    lower: finite(lower),
    upper: finite(upper),
  };
};

/**
 * Returns the roots of A r² - 2 (B - A) r + (d² - c² se²) = 0, the smaller one first, r being the
 * treatment divided by the control, less 1. One root is computed from the product of both, because
 * their difference would lose the digits that decide whether 0 is inside.
 */
const roots = (input: Input): readonly [number, number] => {
  const { control, treatment, covariance, multiplier } = input;
  const squared = multiplier ** 2;
  const leading = control.mean ** 2 - squared * (control.variance + covariance);
  if (!(leading > 0)) return [Number.NaN, Number.NaN];
  const difference = treatment.mean - control.mean;
  const middle = control.mean * difference + squared * control.variance;
  const width = multiplier * Math.sqrt(control.variance + treatment.variance);
  const product = (difference - width) * (difference + width);
  const far = middle + Math.sign(middle || 1) * discriminant(input);
  if (far === 0) return [0, 0];
  const both = [far / leading, product / far] as const;
  return both[0] < both[1] ? both : [both[1], both[0]];
};

/** Written without the difference of the two squares, which are almost equal. */
const discriminant = ({ control, treatment, covariance, multiplier }: Input): number => {
  const a = control.variance + covariance;
  const b = treatment.variance + covariance;
  const inner =
    control.mean ** 2 * b +
    treatment.mean ** 2 * a -
    2 * covariance * control.mean * treatment.mean -
    multiplier ** 2 *
      (control.variance * treatment.variance +
        covariance * (control.variance + treatment.variance));
  return Math.abs(multiplier) * Math.sqrt(Math.max(0, inner));
};
