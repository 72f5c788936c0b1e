import {
  betaCdf,
  betaSf,
  normalDensity,
  normalQuantile,
  normalSf,
  type Beta,
} from './distributions.ts';
import { finite } from './finite.ts';
import { nodesBetween, type Node } from './quadrature.ts';
import type { Sample } from './moments.ts';

/** A normal distribution of what was believed before. */
type NormalPrior = { readonly mean: number; readonly standardDeviation: number };

type EffectInput = {
  readonly effect: number;
  readonly standardError: number;
  /** Null is flat: nothing was believed before. */
  readonly prior: NormalPrior | null;
  readonly alpha: number;
};

/** The probability that the treatment is better, and what is lost on average by each choice. */
type Chances = {
  readonly chanceToWin: number | null;
  readonly expectedLossTreatment: number | null;
  readonly expectedLossControl: number | null;
};

export type NormalPosterior = Chances & {
  readonly mean: number | null;
  readonly standardDeviation: number | null;
  readonly lower: number | null;
  readonly upper: number | null;
};

/** What a flat prior contributes. */
const FLAT: NormalPrior = { mean: 0, standardDeviation: Number.POSITIVE_INFINITY };

/** Returns the relative effect and its standard error, which `normalPosterior` expects. */
export const relativeEffect = (
  control: Sample,
  treatment: Sample,
): Pick<EffectInput, 'effect' | 'standardError'> => {
  const ratio = treatment.mean / control.mean;
  const variance = treatment.variance / treatment.n + (ratio ** 2 * control.variance) / control.n;
  return {
    effect: (treatment.mean - control.mean) / Math.abs(control.mean),
    standardError: Math.sqrt(variance) / Math.abs(control.mean),
  };
};

/** Returns what to believe of an effect that is normally distributed. */
export const normalPosterior = (input: EffectInput): NormalPosterior => {
  const { effect, standardError, alpha } = input;
  const prior = input.prior ?? FLAT;
  const [known, believed] = [standardError ** -2, prior.standardDeviation ** -2];
  const mean = (known * effect + believed * prior.mean) / (known + believed);
  const deviation = Math.sqrt(1 / (known + believed));
  const score = mean / deviation;
  const [density, width] = [normalDensity(score), normalQuantile(1 - alpha / 2) * deviation];
  return {
    mean: finite(mean),
    standardDeviation: finite(deviation),
    chanceToWin: finite(normalSf(-score)),
    expectedLossTreatment: finite(deviation * (density - score * normalSf(score))),
    expectedLossControl: finite(deviation * (density + score * normalSf(-score))),
    lower: finite(mean - width),
    upper: finite(mean + width),
  };
};

type Conversions = { readonly n: number; readonly conversions: number };

type BetaInput = {
  readonly control: Conversions;
  readonly treatment: Conversions;
  readonly prior: Beta;
};

export type BetaBinomial = Chances & {
  readonly meanControl: number | null;
  readonly meanTreatment: number | null;
};

/** A node outside has less than e^-45 of the density at the mode. */
const DROP = 45;

/** The logarithm of the density of the log-odds, relative to that at `log(a / b)`, its mode. */
const lnRelativeDensity = ({ a, b }: Beta, step: number): number =>
  a * step - (a + b) * Math.log1p((a / (a + b)) * Math.expm1(step));

const reach = (beta: Beta, sign: number): number => {
  let step = Math.sqrt(1 / beta.a + 1 / beta.b);
  while (lnRelativeDensity(beta, sign * step) > -DROP) step *= 1.25;
  return sign * step;
};

/**
 * Returns probabilities with the weight of each. In log-odds a beta distribution is smooth and its
 * tails are exponential, even if its density is infinite at 0 or 1.
 */
const nodesOf = (beta: Beta): Node[] => {
  const odds = beta.a / beta.b;
  const nodes = nodesBetween(reach(beta, -1), reach(beta, 1)).map(({ at, weight }) => ({
    at: 1 / (1 + Math.exp(-at) / odds),
    weight: weight * Math.exp(lnRelativeDensity(beta, at)),
  }));
  const total = nodes.reduce((sum, { weight }) => sum + weight, 0);
  return nodes.map(({ at, weight }) => ({ at, weight: weight / total }));
};

const meanOver = (beta: Beta, f: (probability: number) => number): number =>
  nodesOf(beta).reduce((sum, { at, weight }) => sum + weight * f(at), 0);

const spread = ({ a, b }: Beta): number => 1 / a + 1 / b;

/** Integrates over the narrower one, because the other is smooth there. */
const chanceAbove = (first: Beta, second: Beta): number =>
  spread(first) < spread(second)
    ? meanOver(first, probability => betaCdf(probability, second))
    : meanOver(second, probability => betaSf(probability, first));

const meanOf = ({ a, b }: Beta): number => a / (a + b);

const oneMore = ({ a, b }: Beta): Beta => ({ a: a + 1, b });

/** Returns what is lost on average if `second` is chosen although `first` may be larger. */
const expectedLoss = (first: Beta, second: Beta): number =>
  Math.max(
    0,
    meanOf(first) * chanceAbove(oneMore(first), second) -
      meanOf(second) * chanceAbove(first, oneMore(second)),
  );

/** A distribution that does not exist has no chances. */
const positive = (parameter: number): number => (parameter > 0 ? parameter : Number.NaN);

const posteriorOf = ({ n, conversions }: Conversions, prior: Beta): Beta => ({
  a: positive(prior.a + conversions),
  b: positive(prior.b + n - conversions),
});

/** Returns what to believe of two rates of conversion. */
export const betaBinomial = (input: BetaInput): BetaBinomial => {
  const control = posteriorOf(input.control, input.prior);
  const treatment = posteriorOf(input.treatment, input.prior);
  return {
    meanControl: finite(meanOf(control)),
    meanTreatment: finite(meanOf(treatment)),
    chanceToWin: finite(chanceAbove(treatment, control)),
    expectedLossTreatment: finite(expectedLoss(control, treatment)),
    expectedLossControl: finite(expectedLoss(treatment, control)),
  };
};
