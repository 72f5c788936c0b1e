import { chiSquareSf, lnGamma } from './distributions.ts';
import { finite } from './finite.ts';
import { lnMean } from './log-sum.ts';

/** Units by variant while the weights were the same. */
export type Phase = { readonly counts: readonly number[]; readonly weights: readonly number[] };

/** Whether the variants have the units that their weights promise. */
export type SampleRatio = {
  readonly logEvidence: number | null;
  /** Holds for all looks together. */
  readonly pValue: number | null;
  readonly mismatch: boolean;
  /** Pearson's test, of a single phase only. It does not hold for several looks. */
  readonly chiSquare: number | null;
  readonly chiSquarePValue: number | null;
};

/** Small ones find gross mismatches early, large ones find small mismatches at all. */
const CONCENTRATIONS = [10, 100, 1_000, 10_000];

/** Evidence that a sound experiment reaches with a probability of at most 1 %. */
const NEEDED = 100;

type Share = { readonly count: number; readonly share: number };

/** A variant without a weight and without units is not part of the experiment. */
const sharesOf = ({ counts, weights }: Phase): Share[] => {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return counts
    .map((count, at) => ({ count, share: (weights[at] ?? 0) / total }))
    .filter(({ count, share }) => count > 0 || share > 0);
};

const unitsOf = (shares: readonly Share[]): number =>
  shares.reduce((sum, { count }) => sum + count, 0);

/** Units of a variant without a weight are impossible, which is infinite evidence. */
const lnGainOf = ({ count, share }: Share, concentration: number): number =>
  share === 0
    ? Number.POSITIVE_INFINITY
    : lnGamma(concentration * share + count) -
      lnGamma(concentration * share) -
      count * Math.log(share);

/** The logarithm of a Dirichlet–multinomial Bayes factor against the shares (Lindon & Malek 2022). */
const lnFactor = (shares: readonly Share[], concentration: number): number =>
  shares.reduce(
    (sum, share) => sum + lnGainOf(share, concentration),
    lnGamma(concentration) - lnGamma(concentration + unitsOf(shares)),
  );

const pearson = (shares: readonly Share[]): number => {
  const units = unitsOf(shares);
  return shares.reduce(
    (sum, { count, share }) => sum + (count - units * share) ** 2 / (units * share),
    0,
  );
};

/** Compares the units of each variant with its weight, at any number of looks. */
export const sampleRatio = ({ phases }: { readonly phases: readonly Phase[] }): SampleRatio => {
  const shares = phases.map(sharesOf);
  const logEvidence = lnMean(
    CONCENTRATIONS.map(concentration =>
      shares.reduce((sum, phase) => sum + lnFactor(phase, concentration), 0),
    ),
  );
  const [only] = shares;
  const chiSquare = only !== undefined && shares.length === 1 ? pearson(only) : Number.NaN;
  return {
    logEvidence: finite(logEvidence),
    pValue: finite(Math.min(1, Math.exp(-logEvidence))),
    mismatch: logEvidence >= Math.log(NEEDED),
    chiSquare: finite(chiSquare),
    chiSquarePValue: finite(chiSquareSf(chiSquare, (only?.length ?? 0) - 1)),
  };
};
