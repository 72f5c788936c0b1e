import { finite } from './finite.ts';

/** Without a plan a sequence is narrowest for this number of units. */
export const DEFAULT_TUNED_FOR = 5_000;

/** A difference that is looked at repeatedly. */
export type Look = {
  readonly difference: number;
  readonly standardError: number;
  /** Units of both variants. */
  readonly units: number;
};

/** The number of units, and the level, for which a sequence is narrowest. */
export type Tuning = { readonly tunedFor: number; readonly alpha: number };

const tuningFactor = (alpha: number): number => {
  const twice = -2 * Math.log(alpha);
  return twice + Math.log(twice + 1);
};

/** Returns q, the units relative to those for which the sequence is narrowest. */
export const progressOf = (units: number, { tunedFor, alpha }: Tuning): number =>
  (units * tuningFactor(alpha)) / tunedFor;

export const twoSidedMultiplier = (progress: number, alpha: number): number =>
  Math.sqrt(2 * (1 + 1 / progress) * Math.log(Math.sqrt(progress + 1) / alpha));

export const oneSidedMultiplier = (progress: number, alpha: number): number =>
  Math.sqrt(2 * (1 + 1 / progress) * Math.log1p(Math.sqrt(progress + 1) / (2 * alpha)));

/** There is no score without a variance. */
const scoreOf = ({ difference, standardError }: Look): number =>
  standardError > 0 ? difference / standardError : Number.NaN;

const exponentOf = (look: Look, progress: number): number =>
  (scoreOf(look) ** 2 * progress) / (2 * (progress + 1));

export const twoSidedPValue = (look: Look, progress: number): number =>
  Math.min(1, Math.sqrt(progress + 1) * Math.exp(-exponentOf(look, progress)));

/** The p-value of a positive difference, and 1 for any other. */
export const oneSidedPValue = (look: Look, progress: number): number => {
  if (scoreOf(look) <= 0) return 1;
  const decay = Math.exp(-exponentOf(look, progress));
  return Math.min(1, (Math.sqrt(progress + 1) * decay) / (2 * (1 - decay)));
};

/** Bounds and a p-value that hold for all looks together. */
export type ConfidenceSequence = {
  readonly multiplier: number | null;
  readonly lower: number | null;
  /** Null if the sequence is one-sided. */
  readonly upper: number | null;
  readonly pValue: number | null;
};

type Input = Look & {
  readonly alpha: number;
  readonly tunedFor: number;
  readonly side: 'both' | 'lower';
};

/** Returns one look at an always-valid sequence (Waudby-Smith et al. 2024). */
export const confidenceSequence = (input: Input): ConfidenceSequence =>
  input.side === 'lower' ? lowerSequence(input) : bothSequence(input);

const bothSequence = (input: Input): ConfidenceSequence => {
  const progress = progressOf(input.units, input);
  const multiplier = twoSidedMultiplier(progress, input.alpha);
  return {
    multiplier: finite(multiplier),
    lower: finite(input.difference - multiplier * input.standardError),
    upper: finite(input.difference + multiplier * input.standardError),
    pValue: finite(twoSidedPValue(input, progress)),
  };
};

/** A one-sided sequence is tuned at twice its level. */
const lowerSequence = (input: Input): ConfidenceSequence => {
  const { difference, standardError, units, alpha, tunedFor } = input;
  const progress = progressOf(units, { tunedFor, alpha: 2 * alpha });
  const multiplier = oneSidedMultiplier(progress, alpha);
  return {
    multiplier: finite(multiplier),
    lower: finite(difference - multiplier * standardError),
    upper: null,
    pValue: finite(oneSidedPValue(input, progress)),
  };
};
