import betainc from '@stdlib/math-base-special-betainc';
import erfc from '@stdlib/math-base-special-erfc';
import erfcinv from '@stdlib/math-base-special-erfcinv';
import gammainc from '@stdlib/math-base-special-gammainc';
import gammaln from '@stdlib/math-base-special-gammaln';
import tCdf from '@stdlib/stats-base-dists-t-cdf';
import tQuantileOf from '@stdlib/stats-base-dists-t-quantile';

import { finite } from './finite.ts';
import { integrate } from './quadrature.ts';

/** The parameters of a beta distribution. */
export type Beta = { readonly a: number; readonly b: number };

// Upper tails are computed as such: 1 - cdf has no digits left from about 8 standard deviations.

export const normalSf = (x: number): number => erfc(x / Math.SQRT2) / 2;

export const normalQuantile = (p: number): number => -Math.SQRT2 * erfcinv(2 * p);

export const normalDensity = (x: number): number => Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);

export const tSf = (x: number, degreesOfFreedom: number): number => tCdf(-x, degreesOfFreedom);

export const tQuantile = (p: number, degreesOfFreedom: number): number =>
  tQuantileOf(p, degreesOfFreedom);

export const chiSquareSf = (x: number, degreesOfFreedom: number): number =>
  gammainc(x / 2, degreesOfFreedom / 2, true, true);

export const betaCdf = (x: number, { a, b }: Beta): number => betainc(x, a, b);

export const betaSf = (x: number, { a, b }: Beta): number => betainc(x, a, b, true, true);

export const lnGamma = (x: number): number => gammaln(x);

export const lnBeta = ({ a, b }: Beta): number => lnGamma(a) + lnGamma(b) - lnGamma(a + b);

/** The smallest tail of which a double still has all digits. */
const SMALLEST_TAIL = 1e-290;

/**
 * Returns the logarithm of the upper tail. If the tail itself is too small for a double, `x` is far
 * above the mode, so the density decreases from there on at least as fast as an exponential.
 */
export const lnBetaSf = (x: number, beta: Beta): number => {
  const tail = betaSf(x, beta);
  return tail > SMALLEST_TAIL || Number.isNaN(tail) ? Math.log(tail) : lnFarTail(x, beta);
};

/** Forty mean lengths of that exponential: what is left has e^-40 of the tail. */
const lnFarTail = (x: number, beta: Beta): number => {
  const { a, b } = beta;
  const rate = (b - 1) / (1 - x) - (a - 1) / x;
  const density = (step: number): number =>
    Math.exp((a - 1) * Math.log1p(step / x) + (b - 1) * Math.log1p(-step / (1 - x)));
  const tail = integrate(density, 0, Math.min(1 - x, 40 / rate));
  return (a - 1) * Math.log(x) + (b - 1) * Math.log1p(-x) - lnBeta(beta) + Math.log(tail);
};

type Value = { readonly value: number | null };
type WithDegrees = { readonly degreesOfFreedom: number };

/** The standard normal distribution. */
export const normal = {
  sf: ({ x }: { readonly x: number }): Value => ({ value: finite(normalSf(x)) }),
  quantile: ({ p }: { readonly p: number }): Value => ({ value: finite(normalQuantile(p)) }),
};

/** Student's t distribution. */
export const t = {
  sf: ({ x, degreesOfFreedom }: { readonly x: number } & WithDegrees): Value => ({
    value: finite(tSf(x, degreesOfFreedom)),
  }),
  quantile: ({ p, degreesOfFreedom }: { readonly p: number } & WithDegrees): Value => ({
    value: finite(tQuantile(p, degreesOfFreedom)),
  }),
};

/** The chi-square distribution. */
export const chiSquare = {
  sf: ({ x, degreesOfFreedom }: { readonly x: number } & WithDegrees): Value => ({
    value: finite(chiSquareSf(x, degreesOfFreedom)),
  }),
};

/** The beta distribution. */
export const beta = {
  sf: ({ x, ...parameters }: { readonly x: number } & Beta): Value => ({
    value: finite(betaSf(x, parameters)),
  }),
};
