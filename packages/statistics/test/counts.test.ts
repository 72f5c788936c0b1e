import fc from 'fast-check';
import { expect, test } from 'vitest';

import { exactHarm, guardrail, meanHarm, sampleRatio } from '../src/index.ts';
import { conversions, momentsOf, number } from './support/arbitraries.ts';

const logEvidenceOf = (counts: number[], weights: number[]): number =>
  sampleRatio({ phases: [{ counts, weights }] }).logEvidence ?? Number.NaN;

const weights = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 2, maxLength: 5 });
const withCounts = weights.chain(list =>
  fc.tuple(
    fc.constant(list),
    fc.array(fc.integer({ min: 0, max: 200 }), {
      minLength: list.length,
      maxLength: list.length,
    }),
  ),
);

test('the evidence of a sample ratio stays the same on average if the ratio is right', () => {
  fc.assert(
    fc.property(withCounts, ([shares, counts]) => {
      const total = shares.reduce((sum, each) => sum + each, 0);
      const next = counts.map((_, at) => counts.map((count, other) => count + +(other === at)));
      const current = logEvidenceOf(counts, shares);
      const mean = next.reduce((sum, each, at) => {
        const relative = Math.exp(logEvidenceOf(each, shares) - current);
        return sum + ((shares[at] ?? 0) / total) * relative;
      }, 0);
      expect(mean).toBeCloseTo(1, 7);
    }),
  );
});

test('a sample ratio depends on the proportion of the weights only', () => {
  fc.assert(
    fc.property(withCounts, fc.integer({ min: 2, max: 9 }), ([shares, counts], factor) => {
      const scaled = logEvidenceOf(
        counts.toReversed(),
        shares.map(each => factor * each).toReversed(),
      );
      expect(scaled).toBeCloseTo(logEvidenceOf(counts, shares), 7);
    }),
  );
});

test('no evidence of a sample ratio exceeds the largest likelihood ratio', () => {
  fc.assert(
    fc.property(withCounts, ([shares, counts]) => {
      const [total, units] = [shares, counts].map(list => list.reduce((sum, n) => sum + n, 0));
      const largest = counts.reduce((sum, count, at) => {
        const expected = ((units ?? 0) * (shares[at] ?? 0)) / (total ?? 0);
        return count === 0 ? sum : sum + count * Math.log(count / expected);
      }, 0);
      expect(logEvidenceOf(counts, shares)).toBeLessThanOrEqual(largest + 1e-9);
    }),
  );
});

test('phases with other weights add to one evidence, and have no chi-square', () => {
  const phases = [
    { counts: [0, 0], weights: [1, 1] },
    { counts: [60, 40], weights: [1, 1] },
    { counts: [90, 10], weights: [9, 1] },
  ];
  const { logEvidence, ...rest } = sampleRatio({ phases });
  expect(rest).toMatchObject({ mismatch: false, chiSquare: null, chiSquarePValue: null });
  const without = sampleRatio({ phases: phases.slice(1) }).logEvidence;
  expect(logEvidence).toBeCloseTo(without ?? Number.NaN, 9);
});

test('without units there is no evidence', () => {
  expect(sampleRatio({ phases: [{ counts: [0, 0], weights: [1, 1] }] })).toEqual({
    logEvidence: 0,
    pValue: 1,
    mismatch: false,
    chiSquare: null,
    chiSquarePValue: null,
  });
  expect(sampleRatio({ phases: [] })).toMatchObject({ logEvidence: 0, mismatch: false });
});

test('units of a variant without a weight are a mismatch, and without units it is left out', () => {
  const impossible = sampleRatio({ phases: [{ counts: [500, 500, 1], weights: [1, 1, 0] }] });
  expect(impossible).toMatchObject({ logEvidence: null, pValue: 0, mismatch: true });
  const leftOut = sampleRatio({ phases: [{ counts: [500, 490, 0], weights: [1, 1, 0] }] });
  expect(leftOut).toEqual(sampleRatio({ phases: [{ counts: [500, 490], weights: [1, 1] }] }));
});

const harmed = fc.record({
  treatmentUnits: fc.integer({ min: 0, max: 3_000 }),
  controlUnits: fc.integer({ min: 0, max: 3_000 }),
  share: number(0.02, 0.98),
  tolerance: number(0, 1),
});

test('the evidence of harm stays the same on average if the treatment has just its accepted share', () => {
  fc.assert(
    fc.property(harmed, input => {
      const { treatmentUnits, controlUnits } = input;
      const { nullShare, logEvidence } = exactHarm(input);
      const treatment = exactHarm({ ...input, treatmentUnits: treatmentUnits + 1 }).logEvidence;
      const control = exactHarm({ ...input, controlUnits: controlUnits + 1 }).logEvidence;
      const relative = (next: number | null) => Math.exp((next ?? 0) - (logEvidence ?? 0));
      const share = nullShare ?? Number.NaN;
      const mean = share * relative(treatment) + (1 - share) * relative(control);
      expect(mean).toBeCloseTo(1, 6);
    }),
  );
});

test('each harmed unit of the treatment is evidence, and each of the control against it', () => {
  fc.assert(
    fc.property(harmed, input => {
      const once = exactHarm(input).logEvidence ?? Number.NaN;
      const more = exactHarm({ ...input, treatmentUnits: input.treatmentUnits + 1 });
      const less = exactHarm({ ...input, controlUnits: input.controlUnits + 1 });
      expect(more.logEvidence ?? Number.NaN).toBeGreaterThan(once - 1e-9);
      expect(less.logEvidence ?? Number.NaN).toBeLessThan(once + 1e-9);
    }),
  );
});

test('no evidence of harm exceeds the largest likelihood ratio', () => {
  fc.assert(
    fc.property(harmed, input => {
      const { treatmentUnits: k, controlUnits } = input;
      const { nullShare, logEvidence } = exactHarm(input);
      const n = k + controlUnits;
      const term = (count: number, share: number) =>
        count === 0 ? 0 : count * Math.log(count / n / share);
      const share = nullShare ?? Number.NaN;
      const largest = k > share * n ? term(k, share) + term(n - k, 1 - share) : 0;
      expect(logEvidence ?? 0).toBeLessThanOrEqual(largest + 1e-8);
    }),
  );
});

test('a share of none or of all has no evidence instead of a number that is not one', () => {
  for (const share of [0, 1])
    expect(exactHarm({ treatmentUnits: 3, controlUnits: 4, share, tolerance: 0 })).toMatchObject({
      logEvidence: null,
      pValue: null,
    });
});

test('harm on a mean needs 100 units of each variant', () => {
  const input = { direction: 'decrease', tolerance: 0, alpha: 0.05 } as const;
  const control = momentsOf(Array.from({ length: 100 }, (_, at) => at % 2));
  const values = Array.from({ length: 99 }, (_, at) => 50 + (at % 2));
  expect(meanHarm({ ...input, control, treatment: momentsOf(values) })).toMatchObject({
    failing: false,
    harm: expect.closeTo(50, 0),
  });
  const enough = momentsOf([...values, 50]);
  expect(meanHarm({ ...input, control, treatment: enough }).failing).toBe(true);
});

test('harm is more of what should decrease and less of what should increase', () => {
  const control = conversions(4_000, 400);
  const treatment = conversions(4_000, 800);
  const input = { control, treatment, tolerance: 0, alpha: 0.05 };
  const more = meanHarm({ ...input, direction: 'decrease' });
  const less = meanHarm({ ...input, direction: 'increase' });
  expect(more).toMatchObject({ harm: 0.1, failing: true });
  expect(less).toMatchObject({ harm: -0.1, failing: false, pValue: 1 });
});

const rate = { kind: 'conversion', tolerance: 0, alpha: 0.05, share: 0.5 } as const;
const empty = { control: conversions(0, 0), treatment: conversions(0, 0) };

test('a rate fails by its exact test from the first units on, at twice the evidence', () => {
  const at = (treatment: number) =>
    guardrail({ ...rate, ...empty, direction: 'decrease', soFar: { treatment, control: 0 } });
  const first = Array.from({ length: 20 }, (_, units) => units).find(units => at(units).harming);
  expect(at(1).needed).toBe(40);
  expect(first).toBe(11);
  expect(Math.exp(at(10).exact?.logEvidence ?? 0)).toBeLessThan(40);
  expect(Math.exp(at(11).exact?.logEvidence ?? 0)).toBeGreaterThan(40);
});

test('a rate that should increase fails if the treatment has too few units', () => {
  const at = (treatment: number, control: number, tolerance = 0) =>
    guardrail({
      ...rate,
      ...empty,
      direction: 'increase',
      soFar: { treatment, control },
      tolerance,
    }).harming;
  expect(at(400, 520)).toBe(true);
  expect(at(520, 400)).toBe(false);
  expect(at(400, 520, 0.2)).toBe(false);
});

test('a rate also fails by its sequence, if 5 units of each variant converted', () => {
  const found = (control: number) =>
    guardrail({
      ...rate,
      direction: 'decrease',
      control: conversions(40_000, control),
      treatment: conversions(40_000, 300),
      soFar: { control: 1, treatment: 1 },
    }).harming;
  expect(found(5)).toBe(true);
  expect(found(4)).toBe(false);
});

test('a mean or a ratio fails by its sequence at the whole alpha', () => {
  const control = momentsOf(Array.from({ length: 400 }, (_, at) => 200 + (at % 40)));
  const treatment = momentsOf(Array.from({ length: 400 }, (_, at) => 250 + (at % 40)));
  const input = { kind: 'sum', direction: 'decrease', alpha: 0.05, control, treatment } as const;
  const found = guardrail({ ...input, tolerance: 0 });
  expect(found).toMatchObject({ harming: true, exact: null, needed: null });
  expect(found.sequence).toEqual(meanHarm({ ...input, tolerance: 0 }));
  expect(guardrail({ ...input, tolerance: 0.3 }).harming).toBe(false);
});
