import { effectOf } from './compare.ts';
import { lnBeta, lnBetaSf, type Beta } from './distributions.ts';
import { finite } from './finite.ts';
import { lnMean } from './log-sum.ts';
import { sampleOf, type MeanMoments, type RatioMoments, type Sample } from './moments.ts';
import {
  DEFAULT_TUNED_FOR,
  oneSidedMultiplier,
  oneSidedPValue,
  progressOf,
  type Look,
} from './sequence.ts';

/** Which way is good. */
export type Direction = 'increase' | 'decrease';

type ExactInput = {
  /** Units that showed the harmful outcome so far, mature or not. */
  readonly treatmentUnits: number;
  readonly controlUnits: number;
  /** The weight of the treatment relative to both. */
  readonly share: number;
  /** The relative harm that is accepted. */
  readonly tolerance: number;
};

/** Evidence that the treatment has more than its share of harmed units. */
export type ExactHarm = {
  /** The largest share of the harmed units that is accepted. */
  readonly nullShare: number | null;
  readonly logEvidence: number | null;
  /** Holds for all looks together. */
  readonly pValue: number | null;
};

const CONCENTRATIONS = [2, 20, 200, 2_000, 20_000];

/** The logarithm of a Bayes factor whose prior is a beta distribution cut to the harmful shares. */
const lnFactor = (input: ExactInput, share: number, concentration: number): number => {
  const { treatmentUnits, controlUnits } = input;
  const prior: Beta = { a: concentration * share, b: concentration * (1 - share) };
  const posterior: Beta = { a: prior.a + treatmentUnits, b: prior.b + controlUnits };
  return (
    lnBeta(posterior) +
    lnBetaSf(share, posterior) -
    lnBeta(prior) -
    lnBetaSf(share, prior) -
    treatmentUnits * Math.log(share) -
    controlUnits * Math.log1p(-share)
  );
};

/**
 * Tests whose the harmed units are. Without harm each belongs to the treatment with its share at
 * most, at any rate and any time, so the evidence is exact from the first unit and at any look.
 */
export const exactHarm = (input: ExactInput): ExactHarm => {
  const { share, tolerance } = input;
  const harmed = share * (1 + tolerance);
  const nullShare = harmed / (harmed + 1 - share);
  const logEvidence = lnMean(
    CONCENTRATIONS.map(concentration => lnFactor(input, nullShare, concentration)),
  );
  return {
    nullShare: finite(nullShare),
    logEvidence: finite(logEvidence),
    pValue: finite(Math.min(1, Math.exp(-logEvidence))),
  };
};

type MeanInput = {
  readonly control: MeanMoments | RatioMoments;
  readonly treatment: MeanMoments | RatioMoments;
  readonly direction: Direction;
  readonly tolerance: number;
  readonly alpha: number;
};

/** How much worse the treatment is than accepted, with a lower bound for all looks together. */
export type MeanHarm = {
  readonly harm: number | null;
  readonly standardError: number | null;
  readonly multiplier: number | null;
  readonly lower: number | null;
  readonly pValue: number | null;
  readonly failing: boolean;
};

/** Fewer units are not normal enough. */
export const FEWEST_UNITS = 100;

/** The accepted harm is relative to the control, so the control's variance counts for it too. */
const harmOf = (control: Sample, treatment: Sample, sign: number, tolerance: number): Look => {
  const { difference, ...effect } = effectOf(control, treatment);
  const slope = 1 + sign * tolerance * Math.sign(control.mean);
  return {
    difference: sign * difference - tolerance * Math.abs(control.mean),
    standardError: Math.sqrt(effect.treatment.variance + slope ** 2 * effect.control.variance),
    units: effect.units,
  };
};

/** Tests whether a mean or ratio is worse than accepted, at any number of looks. */
export const meanHarm = (input: MeanInput): MeanHarm => {
  const { direction, tolerance, alpha } = input;
  const [control, treatment] = [sampleOf(input.control), sampleOf(input.treatment)];
  const look = harmOf(control, treatment, direction === 'decrease' ? 1 : -1, tolerance);
  const progress = progressOf(look.units, { tunedFor: DEFAULT_TUNED_FOR, alpha: 2 * alpha });
  const multiplier = oneSidedMultiplier(progress, alpha);
  const lower = look.difference - multiplier * look.standardError;
  return {
    harm: finite(look.difference),
    standardError: finite(look.standardError),
    multiplier: finite(multiplier),
    lower: finite(lower),
    pValue: finite(oneSidedPValue(look, progress)),
    failing: Math.min(control.n, treatment.n) >= FEWEST_UNITS && lower > 0,
  };
};
