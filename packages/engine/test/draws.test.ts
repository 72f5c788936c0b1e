import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { compile, draw, drawSeed, evaluate } from '../src/index.ts';
import { bucketingValue, percentage, split } from './arbitraries.ts';

const KEY = 'new-checkout';

/** A boolean flag with one rule for all subjects. */
const flagWith = (rule: object, seed: string = KEY) => ({
  type: 'boolean',
  enabled: true,
  variants: { on: true, off: false, ['__proto__']: true },
  defaultVariant: null,
  seed,
  rules: [{ id: 'r', ...rule }],
});
const compiledWith = (rule: object, seed?: string) =>
  compile({ flags: { [KEY]: flagWith(rule, seed) } });

const variantOf = (
  compiled: ReturnType<typeof compile>,
  targetingKey: string,
): string | undefined => {
  const result = evaluate(compiled, KEY, { targetingKey });
  return 'variant' in result ? result.variant : undefined;
};
const isAdmitted = (compiled: ReturnType<typeof compile>, targetingKey: string) =>
  variantOf(compiled, targetingKey) !== undefined;

type Share = { readonly variant: string; readonly weight: number };

/** Returns the variant by the formula of the contract: cum_i * 100000 <= draw(0) * W < cum_(i+1) * 100000. */
const bandByContract = (shares: readonly Share[], text: string): string | undefined => {
  const total = shares.reduce((sum, { weight }) => sum + weight, 0);
  const drawn = draw(text, drawSeed(KEY, 0)) * total;
  let before = 0;
  return shares.find(({ weight }) => {
    const from = before * 100_000;
    before += weight;
    return from <= drawn && drawn < before * 100_000;
  })?.variant;
};

const SUBJECTS = 200_000;
const subject = (index: number) => `subject-${index}`;

describe('admission', () => {
  test('raising a percentage never removes a subject', () => {
    fc.assert(
      fc.property(
        percentage,
        percentage,
        fc.array(bucketingValue, { minLength: 20 }),
        (one, other, values) => {
          const lower = compiledWith({ variant: 'on', percentage: Math.min(one, other) });
          const higher = compiledWith({ variant: 'on', percentage: Math.max(one, other) });
          for (const each of values)
            if (isAdmitted(lower, each)) expect(isAdmitted(higher, each)).toBe(true);
        },
      ),
      { numRuns: 300 },
    );
  });

  test('depends neither on the weights nor on whether a variant or a split is served', () => {
    fc.assert(
      fc.property(
        percentage,
        split,
        split,
        fc.array(bucketingValue, { minLength: 10 }),
        (share, one, other, values) => {
          const variant = compiledWith({ variant: 'on', percentage: share });
          const splits = [one, other].map(each => compiledWith({ split: each, percentage: share }));
          for (const each of values) {
            const admitted = isAdmitted(variant, each);
            for (const compiled of splits) expect(isAdmitted(compiled, each)).toBe(admitted);
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  test.each([0.001, 1, 10, 33.333, 50, 99.9])(
    'of %d %% is within 5 sigma for 200,000 subjects',
    share => {
      const compiled = compiledWith({ variant: 'on', percentage: share });
      let admitted = 0;
      for (let index = 0; index < SUBJECTS; index += 1)
        if (isAdmitted(compiled, subject(index))) admitted += 1;
      const chance = share / 100;
      const sigma = Math.sqrt(SUBJECTS * chance * (1 - chance));
      expect(Math.abs(admitted - SUBJECTS * chance)).toBeLessThanOrEqual(5 * sigma);
    },
  );
});

describe('the variant', () => {
  test('does not depend on the percentage', () => {
    fc.assert(
      fc.property(
        percentage,
        split,
        fc.array(bucketingValue, { minLength: 20 }),
        (share, shares, values) => {
          const some = compiledWith({ split: shares, percentage: share });
          const all = compiledWith({ split: shares });
          for (const each of values) {
            if (isAdmitted(some, each)) expect(variantOf(some, each)).toBe(variantOf(all, each));
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  test('is in the band that the contract computes in whole numbers', () => {
    fc.assert(
      fc.property(split, fc.array(bucketingValue, { minLength: 10 }), (shares, values) => {
        const compiled = compiledWith({ split: shares });
        for (const each of values)
          expect(variantOf(compiled, each)).toBe(bandByContract(shares, each));
      }),
      { numRuns: 300 },
    );
  });

  test('has shares within 5 sigma of the weights for 200,000 subjects', () => {
    const shares = [
      { variant: 'on', weight: 1 },
      { variant: 'off', weight: 20 },
      { variant: '__proto__', weight: 300 },
    ];
    const compiled = compiledWith({ split: shares });
    const counts = new Map<string | undefined, number>();
    for (let index = 0; index < SUBJECTS; index += 1) {
      const variant = variantOf(compiled, subject(index));
      counts.set(variant, (counts.get(variant) ?? 0) + 1);
    }
    for (const { variant, weight } of shares) {
      const chance = weight / 321;
      const sigma = Math.sqrt(SUBJECTS * chance * (1 - chance));
      expect(Math.abs((counts.get(variant) ?? 0) - SUBJECTS * chance)).toBeLessThanOrEqual(
        5 * sigma,
      );
    }
  });
});

describe('two seeds', () => {
  const BANDS = 10;
  /** The chi-square statistic of 81 degrees of freedom exceeds this once in a million. */
  const CRITICAL = 153;

  const chiSquare = (one: number, other: number): number => {
    const counts = Array.from({ length: BANDS * BANDS }, () => 0);
    for (let index = 0; index < SUBJECTS; index += 1) {
      const row = Math.floor((draw(subject(index), one) * BANDS) / 100_000);
      const column = Math.floor((draw(subject(index), other) * BANDS) / 100_000);
      counts[row * BANDS + column] = (counts[row * BANDS + column] ?? 0) + 1;
    }
    const expected = SUBJECTS / (BANDS * BANDS);
    return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  };

  test.each([
    ['new-checkout', 'old-checkout'],
    ['a', 'b'],
    ['seed-1', 'seed-2'],
  ])('%s and %s are independent by chi-square', (one, other) => {
    expect(chiSquare(drawSeed(one, 1), drawSeed(other, 1))).toBeLessThan(CRITICAL);
    expect(chiSquare(drawSeed(one, 0), drawSeed(other, 0))).toBeLessThan(CRITICAL);
  });

  test('the two draws of one seed are independent', () => {
    expect(chiSquare(drawSeed(KEY, 0), drawSeed(KEY, 1))).toBeLessThan(CRITICAL);
  });

  test('one seed is not independent of itself, which proves that the test can fail', () => {
    expect(chiSquare(drawSeed(KEY, 0), drawSeed(KEY, 0))).toBeGreaterThan(CRITICAL);
  });
});
