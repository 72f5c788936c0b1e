import fc from 'fast-check';
import { expect, test } from 'vitest';

import {
  betaBinomial,
  compareMeans,
  detectableEffect,
  groupSequential,
  normalPosterior,
  relativeEffect,
  sampleOf,
  sampleSize,
} from '../src/index.ts';
import { conversions, converting, number } from './support/arbitraries.ts';

const plan = fc.record({
  baseline: number(0.01, 0.6),
  detectableEffect: number(0.01, 0.5),
  ratio: number(0.1, 5),
  alpha: number(1e-4, 0.2),
  power: number(0.5, 0.99),
});
type Plan = Parameters<typeof sampleSize>[0];
const sizeOf = (input: Omit<Plan, 'kind'>): number =>
  sampleSize({ ...input, kind: 'conversion' }).exactControl ?? Number.NaN;

test('more power, a smaller alpha and a smaller effect need more units', () => {
  fc.assert(
    fc.property(plan, input => {
      const size = sizeOf(input);
      expect(sizeOf({ ...input, power: input.power + 0.005 })).toBeGreaterThan(size);
      expect(sizeOf({ ...input, alpha: input.alpha * 0.9 })).toBeGreaterThan(size);
      expect(sizeOf({ ...input, detectableEffect: input.detectableEffect * 0.9 })).toBeGreaterThan(
        size,
      );
    }),
  );
});

test('the default test needs somewhat more units than a fixed one', () => {
  fc.assert(
    fc.property(plan, input => {
      const { hybridFactor, hybridControl, control, treatment, hybridTreatment } = sampleSize({
        ...input,
        kind: 'conversion',
      });
      expect(hybridFactor).toBeGreaterThan(1);
      expect(hybridFactor).toBeLessThan(1.3);
      expect(hybridControl ?? 0).toBeGreaterThanOrEqual(control ?? 0);
      expect(hybridTreatment ?? 0).toBeGreaterThanOrEqual(treatment ?? 0);
    }),
  );
});

test('the detectable effect of a sample size is the effect that it was computed for', () => {
  fc.assert(
    fc.property(plan, fc.boolean(), (input, isMean) => {
      const kind = isMean
        ? ({ kind: 'mean', standardDeviation: 40 } as const)
        : ({ kind: 'conversion' } as const);
      const { exactControl, hybridFactor } = sampleSize({ ...input, ...kind });
      const { detectableEffect: wanted, ...rest } = input;
      const control = exactControl ?? Number.NaN;
      const found = detectableEffect({ ...rest, ...kind, control });
      expect(found.detectableEffect).toBeCloseTo(wanted, 9);
      const planned = detectableEffect({
        ...rest,
        ...kind,
        control: control * (hybridFactor ?? 1),
      });
      expect(planned.hybridDetectableEffect).toBeCloseTo(wanted, 9);
    }),
  );
});

test('an effect of 0, and a rate above 1, have no sample size', () => {
  const input = { kind: 'conversion', ratio: 1, alpha: 0.05, power: 0.8 } as const;
  for (const impossible of [
    { baseline: 0.1, detectableEffect: 0 },
    { baseline: 0.8, detectableEffect: 0.5 },
    { baseline: 0, detectableEffect: 0.1 },
  ])
    expect(sampleSize({ ...input, ...impossible })).toMatchObject({
      exactControl: null,
      control: null,
      treatment: null,
      hybridControl: null,
    });
});

const prior = fc.record({ a: number(0.5, 20), b: number(0.5, 20) });
const binomial = converting(20_000).map(({ n, sum }) => ({ n, conversions: sum }));

test('two chances to win are 1, and the losses differ by the means', () => {
  fc.assert(
    fc.property(binomial, binomial, prior, (control, treatment, believed) => {
      const found = betaBinomial({ control, treatment, prior: believed });
      const other = betaBinomial({ control: treatment, treatment: control, prior: believed });
      expect((found.chanceToWin ?? 0) + (other.chanceToWin ?? 0)).toBeCloseTo(1, 8);
      const difference = (found.meanControl ?? 0) - (found.meanTreatment ?? 0);
      expect((found.expectedLossTreatment ?? 0) - (found.expectedLossControl ?? 0)).toBeCloseTo(
        difference,
        8,
      );
      expect(other.expectedLossControl).toBeCloseTo(found.expectedLossTreatment ?? 0, 8);
    }),
    { numRuns: 12 },
  );
});

test('variants of very different sizes have a chance to win that is not lost between two nodes', () => {
  const few = { n: 20, conversions: 2 };
  const many = { n: 1_000_000_000, conversions: 100_000_000 };
  const found = betaBinomial({ control: many, treatment: few, prior: { a: 1, b: 1 } });
  // The many determine the rate: what remains is the tail of Beta(3, 19) above 0.1.
  expect(found.chanceToWin).toBeCloseTo(0.648_38, 4);
});

test('impossible conversions have no chances, and the computation ends', () => {
  for (const conversionsOf of [12, -1, Number.NaN])
    expect(
      betaBinomial({
        control: { n: 10, conversions: conversionsOf },
        treatment: { n: 10, conversions: 3 },
        prior: { a: 1, b: 1 },
      }),
    ).toMatchObject({ chanceToWin: null, expectedLossControl: null });
});

test('the losses of a normal posterior differ by its mean', () => {
  const input = fc.record({
    effect: number(-1, 1),
    standardError: number(1e-3, 1),
    prior: fc.option(fc.record({ mean: number(-1, 1), standardDeviation: number(1e-3, 1) })),
    alpha: number(1e-3, 0.5),
  });
  fc.assert(
    fc.property(input, each => {
      const found = normalPosterior(each);
      const difference = (found.expectedLossControl ?? 0) - (found.expectedLossTreatment ?? 0);
      expect(difference).toBeCloseTo(found.mean ?? Number.NaN, 9);
      expect(found.lower ?? 0).toBeLessThan(found.upper ?? 0);
      expect(found.standardDeviation ?? 9).toBeLessThanOrEqual(each.standardError * (1 + 1e-12));
    }),
  );
});

test('without a standard error there is no posterior', () => {
  const found = normalPosterior({ effect: 0.1, standardError: 0, prior: null, alpha: 0.05 });
  expect(found).toMatchObject({ mean: null, chanceToWin: null, expectedLossControl: null });
  expect(Object.values(found).every(each => each === null || Number.isFinite(each))).toBe(true);
});

test('a flat posterior of a relative effect is what the test of the difference finds', () => {
  const [control, treatment] = [conversions(90_000, 9_000), conversions(90_000, 9_200)];
  const effect = relativeEffect(sampleOf(control), sampleOf(treatment));
  const found = normalPosterior({ ...effect, prior: null, alpha: 0.05 });
  const { pValue } = compareMeans({ control, treatment, alpha: 0.05 });
  expect(found.chanceToWin).toBeCloseTo(1 - (pValue ?? 0) / 2, 2);
});

const looks = fc
  .uniqueArray(fc.integer({ min: 1, max: 27 }), { maxLength: 6 })
  .map(days => [...days.toSorted((first, second) => first - second), 28].map(day => day / 28));

test('group sequential bounds are wider than, and one look has exactly, the bound of a fixed test', () => {
  const find = (informationFractions: number[], exponent = 2) =>
    groupSequential.bounds({
      informationFractions,
      alpha: 0.05,
      spending: { kind: 'power', exponent },
      largest: 8,
    }).bounds;
  expect(find([1])[0]).toBeCloseTo(1.959_963_984_540_054, 9);
  fc.assert(
    fc.property(looks, fractions => {
      const bounds = find(fractions);
      expect(bounds).toHaveLength(fractions.length);
      for (const bound of bounds) expect(bound).toBeGreaterThan(1.959);
    }),
    { numRuns: 4 },
  );
});
