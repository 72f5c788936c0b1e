import fc from 'fast-check';
import { expect, test } from 'vitest';

import { confidenceSequence, hybrid } from '../src/index.ts';
import { alpha, number } from './support/arbitraries.ts';

const look = fc.record({
  difference: number(-10, 10),
  standardError: number(0.01, 5),
  units: fc.integer({ min: 1, max: 1_000_000_000 }),
});
const tunedFor = fc.integer({ min: 100, max: 10_000_000 });

test('a sequence rejects exactly if its interval excludes 0', () => {
  fc.assert(
    fc.property(look, alpha, tunedFor, (each, level, tuned) => {
      const input = { ...each, alpha: level, tunedFor: tuned };
      const both = confidenceSequence({ ...input, side: 'both' });
      const lower = confidenceSequence({ ...input, side: 'lower' });
      for (const { pValue } of [both, lower])
        if (Math.abs((pValue ?? 0) / level - 1) < 1e-9) return;
      const isOutside = (both.lower ?? 0) > 0 || (both.upper ?? 0) < 0;
      expect(isOutside).toBe((both.pValue ?? 1) < level);
      if (level < 0.499) expect((lower.lower ?? 0) > 0).toBe((lower.pValue ?? 1) < level);
      expect(lower.upper).toBeNull();
    }),
    { numRuns: 500 },
  );
});

test('a sequence is wider than the interval of a single look, and one-sided it is narrower', () => {
  fc.assert(
    fc.property(look, number(1e-6, 0.2), tunedFor, (each, level, tuned) => {
      const input = { ...each, alpha: level, tunedFor: tuned };
      const both = confidenceSequence({ ...input, side: 'both' }).multiplier ?? 0;
      const lower = confidenceSequence({ ...input, side: 'lower' }).multiplier ?? 0;
      expect(both).toBeGreaterThan(Math.sqrt(-2 * Math.log(level)));
      const alike = confidenceSequence({ ...input, alpha: 2 * level, side: 'both' });
      expect(lower).toBeGreaterThan(alike.multiplier ?? 0);
    }),
  );
});

test('a smaller alpha is a wider sequence if it is tuned alike', () => {
  fc.assert(
    fc.property(look, alpha, alpha, tunedFor, (each, one, two, plannedUnits) => {
      const at = (level: number) =>
        hybrid({ ...each, alpha: level, plannedUnits, ended: true, degreesOfFreedom: 500 });
      const [narrow, wide] = [at(Math.max(one, two)), at(Math.min(one, two))];
      if (Math.max(one, two) > 0.3) return;
      expect(wide.upper ?? 0).toBeGreaterThanOrEqual((narrow.upper ?? 0) - 1e-9);
    }),
  );
});

test('a sequence is narrowest near the units that it is tuned for', () => {
  const widthAt = (units: number): number =>
    confidenceSequence({
      difference: 0,
      standardError: 1 / Math.sqrt(units),
      units,
      alpha: 0.05,
      tunedFor: 10_000,
      side: 'both',
    }).multiplier ?? 0;
  const multipliers = [100, 1_000, 10_000, 100_000, 1_000_000].map(widthAt);
  expect(Math.min(...multipliers)).toBe(multipliers[2]);
});

test('without units or without a variance there is no sequence', () => {
  const input = { difference: 1, alpha: 0.05, tunedFor: 5_000, side: 'both' } as const;
  expect(confidenceSequence({ ...input, standardError: 1, units: 0 })).toEqual({
    multiplier: null,
    lower: null,
    upper: null,
    pValue: 1,
  });
  expect(confidenceSequence({ ...input, standardError: 0, units: 100 }).pValue).toBeNull();
});

test('the hybrid rejects exactly if its interval excludes 0, running and ended', () => {
  fc.assert(
    fc.property(look, alpha, tunedFor, fc.boolean(), (each, level, plannedUnits, ended) => {
      const input = { ...each, alpha: level, plannedUnits, ended, degreesOfFreedom: 800 };
      const { pValue, lower, upper } = hybrid(input);
      if (Math.abs((pValue ?? 0) / level - 1) < 1e-9) return;
      expect((lower ?? 0) > 0 || (upper ?? 0) < 0).toBe((pValue ?? 1) < level);
    }),
    { numRuns: 500 },
  );
});

test('the end of the hybrid can only add to what its sequence has found', () => {
  fc.assert(
    fc.property(look, tunedFor, (each, plannedUnits) => {
      const input = { ...each, alpha: 0.05, plannedUnits, degreesOfFreedom: 800 };
      const running = hybrid({ ...input, ended: false });
      const end = hybrid({ ...input, ended: true });
      expect(end.pValue ?? 1).toBeLessThanOrEqual(running.pValue ?? 0);
      expect(end.multiplier ?? 99).toBeLessThanOrEqual(running.multiplier ?? 0);
    }),
  );
});

test('without a plan the hybrid is a sequence that is narrowest for 5,000 units', () => {
  const input = { difference: 0.2, standardError: 0.05, units: 8_000, alpha: 0.03 };
  const { pValue, multiplier } = confidenceSequence({ ...input, tunedFor: 5_000, side: 'both' });
  const design = { degreesOfFreedom: 7_900, plannedUnits: null };
  for (const ended of [true, false])
    expect(hybrid({ ...input, ...design, ended })).toMatchObject({ pValue, multiplier });
});
