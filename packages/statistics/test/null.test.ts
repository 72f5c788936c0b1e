import fc from 'fast-check';
import { expect, test } from 'vitest';

import {
  beta,
  betaBinomial,
  chiSquare,
  confidenceSequence,
  detectableEffect,
  exactHarm,
  guardrail,
  hybrid,
  meanHarm,
  normal,
  normalPosterior,
  relativeInterval,
  sampleRatio,
  sampleSize,
  t,
  verdicts,
} from '../src/index.ts';

/** Numbers at which formulae divide by 0, take the root of a negative number or overflow. */
const odd = fc.constantFrom(0, 1, -1, 0.5, 2, 100, 250, 1e9, 1e300, 1e-300, -1e300);
const moments = fc.record({ n: odd, sum: odd, sumSquares: odd, nonZero: odd });
const input = fc.record({
  x: odd,
  p: odd,
  a: odd,
  b: odd,
  degreesOfFreedom: odd,
  alpha: odd,
  power: odd,
  ratio: odd,
  baseline: odd,
  effect: odd,
  detectableEffect: odd,
  standardDeviation: odd,
  difference: odd,
  standardError: odd,
  units: odd,
  tunedFor: odd,
  plannedUnits: odd,
  share: odd,
  tolerance: odd,
  covariance: odd,
  multiplier: odd,
  treatmentUnits: odd,
  controlUnits: odd,
  control: moments,
  treatment: moments,
});

type Odd = typeof input extends fc.Arbitrary<infer Value> ? Value : never;

const conversions = ({ n, sum }: Odd['control']) => ({ n, conversions: sum });
const estimate = ({ sum, sumSquares }: Odd['control']) => ({ mean: sum, variance: sumSquares });

const FUNCTIONS: Readonly<Record<string, (odd: Odd) => unknown>> = {
  'normal.sf': normal.sf,
  'normal.quantile': normal.quantile,
  't.sf': t.sf,
  't.quantile': t.quantile,
  'chiSquare.sf': chiSquare.sf,
  'beta.sf': beta.sf,
  'confidenceSequence, both': each => confidenceSequence({ ...each, side: 'both' }),
  'confidenceSequence, lower': each => confidenceSequence({ ...each, side: 'lower' }),
  hybrid: each => hybrid({ ...each, ended: true }),
  relativeInterval: each =>
    relativeInterval({
      ...each,
      control: estimate(each.control),
      treatment: estimate(each.treatment),
    }),
  sampleRatio: ({ treatmentUnits, controlUnits, a, b }) =>
    sampleRatio({ phases: [{ counts: [treatmentUnits, controlUnits], weights: [a, b] }] }),
  exactHarm,
  meanHarm: each => meanHarm({ ...each, direction: 'increase' }),
  guardrail: each =>
    guardrail({
      ...each,
      kind: 'conversion',
      direction: 'increase',
      soFar: { control: each.controlUnits, treatment: each.treatmentUnits },
    }),
  normalPosterior: each => normalPosterior({ ...each, prior: null }),
  betaBinomial: each =>
    betaBinomial({
      control: conversions(each.control),
      treatment: conversions(each.treatment),
      prior: { a: each.a, b: each.b },
    }),
  sampleSize: each => sampleSize({ ...each, kind: 'mean' }),
  detectableEffect: each => detectableEffect({ ...each, control: each.units, kind: 'conversion' }),
  verdicts: each => {
    const common = { role: 'primary', direction: 'increase', kind: 'sum' } as const;
    const comparison = { ...each, ...common, id: '' };
    const design = { alpha: each.alpha, method: 'sequential', ended: true } as const;
    return verdicts({ ...design, comparisons: [comparison, comparison] });
  },
};

/** Returns all numbers in a result that are not finite. */
const notFinite = (value: unknown): number[] => {
  if (typeof value === 'number') return Number.isFinite(value) ? [] : [value];
  return typeof value === 'object' && value !== null
    ? Object.values(value).flatMap(each => notFinite(each))
    : [];
};

test.each(Object.entries(FUNCTIONS))(
  '%s returns null for a number that does not exist, for any input',
  (_, call) => {
    fc.assert(
      fc.property(input, each => {
        expect(notFinite(call(each))).toEqual([]);
      }),
      { numRuns: 300 },
    );
  },
);
