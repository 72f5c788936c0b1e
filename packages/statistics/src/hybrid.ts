import { welchMultiplier, welchPValue, type Tested } from './compare.ts';
import { finite } from './finite.ts';
import {
  DEFAULT_TUNED_FOR,
  progressOf,
  twoSidedMultiplier,
  twoSidedPValue,
  type Look,
  type Tuning,
} from './sequence.ts';

type TestedLook = Look & Tested;

/** When a comparison is decided. */
export type Design = {
  readonly alpha: number;
  /** Whether the planned end is reached. It may be used for a final test once. */
  readonly ended: boolean;
  /** Units of both variants at the planned end, if there is a plan. */
  readonly plannedUnits?: number | null | undefined;
};

/** The p-value of a look, null before a test is permitted, and its multiplier for any level. */
export type Test = {
  readonly pValue: number | null;
  /** `share` is the part of alpha that the interval may use. */
  readonly multiplier: (share: number) => number;
};

/** Estimates until the end, then Welch's test. */
export const fixedTest = (look: TestedLook, { alpha, ended }: Design): Test => ({
  pValue: ended ? welchPValue(look) : null,
  multiplier: share => welchMultiplier(alpha * share, look.degreesOfFreedom),
});

const sequenceTest = (look: Look, tuning: Tuning): Test => {
  const progress = progressOf(look.units, tuning);
  return {
    pValue: twoSidedPValue(look, progress),
    multiplier: share => twoSidedMultiplier(progress, tuning.alpha * share),
  };
};

/** The part of alpha that the sequence uses. The rest is for the planned end. */
const SEQUENCE_SHARE = 0.2;
const END_SHARE = 1 - SEQUENCE_SHARE;

/** A fifth of alpha is used all along, so by the union bound the rest remains for the end. */
const hybridTest = (look: TestedLook, design: Design, plannedUnits: number): Test => {
  const alpha = design.alpha * SEQUENCE_SHARE;
  const sequence = sequenceTest(look, { tunedFor: plannedUnits / 2, alpha });
  const running = Math.min(1, (sequence.pValue ?? Number.NaN) / SEQUENCE_SHARE);
  if (!design.ended) return { ...sequence, pValue: running };
  const end = design.alpha * END_SHARE;
  return {
    pValue: Math.min(running, welchPValue(look) / END_SHARE),
    multiplier: share =>
      Math.min(sequence.multiplier(share), welchMultiplier(end * share, look.degreesOfFreedom)),
  };
};

/** The default: the hybrid with a plan, otherwise the sequence alone. */
export const sequentialTest = (look: TestedLook, design: Design): Test =>
  typeof design.plannedUnits === 'number' && design.plannedUnits > 0
    ? hybridTest(look, design, design.plannedUnits)
    : sequenceTest(look, { tunedFor: DEFAULT_TUNED_FOR, alpha: design.alpha });

/** Bounds and p-value of one look at the default test. */
export type Hybrid = {
  readonly pValue: number | null;
  readonly multiplier: number | null;
  readonly lower: number | null;
  readonly upper: number | null;
};

/** Returns one look at the default test. */
export const hybrid = (input: TestedLook & Design): Hybrid => {
  const { pValue, multiplier: multiplierFor } = sequentialTest(input, input);
  const multiplier = multiplierFor(1);
  return {
    pValue: finite(pValue ?? Number.NaN),
    multiplier: finite(multiplier),
    lower: finite(input.difference - multiplier * input.standardError),
    upper: finite(input.difference + multiplier * input.standardError),
  };
};
