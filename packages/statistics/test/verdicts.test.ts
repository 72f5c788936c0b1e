import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { adjust, verdicts, type PlannedComparison, type Verdict } from '../src/index.ts';
import { conversions, covariateMomentsOf, momentsOf, number } from './support/arbitraries.ts';

const base = {
  id: 'bought',
  role: 'primary',
  direction: 'increase',
  kind: 'conversion',
  control: conversions(20_000, 2_000),
  treatment: conversions(20_000, 2_400),
  plannedUnits: 40_000,
} as const satisfies PlannedComparison;

const decide = (
  comparisons: readonly PlannedComparison[],
  options: { method?: 'fixed'; ended?: boolean; alpha?: number } = {},
): Verdict[] =>
  verdicts({ alpha: 0.05, method: 'sequential', ended: false, ...options, comparisons }).verdicts;

const outcomeOf = (changes: object, options = {}): string | undefined => {
  const [verdict] = decide([{ ...base, ...changes }], options);
  return verdict?.outcome === 'insufficient' ? verdict.reason : verdict?.outcome;
};

describe('a comparison is insufficient', () => {
  test('below 100 mature units of either variant', () => {
    const some = conversions(200, 100);
    expect(outcomeOf({ control: conversions(99, 50), treatment: some })).toBe('tooFewUnits');
    expect(outcomeOf({ control: some, treatment: conversions(99, 50) })).toBe('tooFewUnits');
    expect(outcomeOf({ control: conversions(100, 50), treatment: some })).toBe('collecting');
  });

  test('below 5 units with, or for conversions without, a value', () => {
    const some = conversions(1_000, 10);
    for (const control of [conversions(1_000, 4), conversions(1_000, 996)]) {
      expect(outcomeOf({ control, treatment: some })).toBe('tooFewEvents');
      expect(outcomeOf({ control: some, treatment: control })).toBe('tooFewEvents');
    }
    const enough = { control: conversions(1_000, 5), treatment: conversions(1_000, 9) };
    expect(outcomeOf(enough)).toBe('collecting');
  });

  test('for sums and counts by the units whose value is not 0 only', () => {
    const values = (nonZero: number) =>
      momentsOf(Array.from({ length: 200 }, (_, at) => (at < nonZero ? at + 1 : 0)));
    const sums = { kind: 'sum', control: values(200) };
    expect(outcomeOf({ ...sums, treatment: values(4) })).toBe('tooFewEvents');
    expect(outcomeOf({ ...sums, treatment: values(200) })).toBe('collecting');
    const { n, sum, sumSquares } = values(4);
    expect(outcomeOf({ ...sums, treatment: { n, sum, sumSquares } })).toBe('worse');
  });

  test('without a variance in both variants', () => {
    const constant = momentsOf(Array.from({ length: 200 }, () => 7));
    const changing = momentsOf(Array.from({ length: 200 }, (_, at) => at));
    expect(outcomeOf({ kind: 'sum', control: constant, treatment: constant })).toBe('noVariance');
    expect(outcomeOf({ kind: 'sum', control: constant, treatment: changing })).toBe('better');
  });

  test('as a ratio without denominators in a variant', () => {
    const ratio = {
      n: 200,
      sumNumerator: 20,
      sumDenominator: 400,
      sumSquaresNumerator: 20,
      sumSquaresDenominator: 900,
      sumProducts: 44,
    };
    const none = { ...ratio, sumDenominator: 0, sumSquaresDenominator: 0, sumProducts: 0 };
    const kind = { kind: 'ratio', control: ratio };
    expect(outcomeOf({ ...kind, treatment: none })).toBe('tooFewEvents');
    expect(outcomeOf({ ...kind, treatment: ratio })).toBe('collecting');
  });
});

test('an insufficient primary comparison stays in the family, with a p-value of 1', () => {
  const few = { ...base, id: 'few', control: conversions(50, 10) };
  const [alone] = decide([base]);
  const [beside, insufficient] = decide([base, few]);
  expect(insufficient).toEqual({ id: 'few', outcome: 'insufficient', reason: 'tooFewUnits' });
  if (alone === undefined || alone.outcome === 'insufficient') throw new Error('no verdict');
  expect(beside).toMatchObject({
    pValue: alone.pValue,
    adjustedPValue: expect.closeTo(2 * (alone.adjustedPValue ?? 0), 12),
  });
});

test('a direction that is exchanged exchanges better and worse', () => {
  expect(outcomeOf({})).toBe('better');
  expect(outcomeOf({ direction: 'decrease' })).toBe('worse');
  expect(outcomeOf({ control: base.treatment, treatment: base.control })).toBe('worse');
});

test('a fixed test has estimates until the end, and decides there', () => {
  const [running] = decide([base], { method: 'fixed' });
  expect(running).toMatchObject({ outcome: 'collecting', pValue: null, adjustedPValue: null });
  expect(running).toHaveProperty('lower', expect.any(Number));
  expect(outcomeOf({}, { method: 'fixed', ended: true })).toBe('better');
});

test('at the end an interval inside of the smallest effect that matters has no meaningful difference', () => {
  const large = { control: conversions(500_000, 50_000), treatment: conversions(500_000, 50_100) };
  const at = (minimumEffect: number | null) =>
    outcomeOf({ ...large, plannedUnits: 1_000_000, minimumEffect }, { ended: true });
  expect(at(0.05)).toBe('noMeaningfulDifference');
  expect(at(0.014)).toBe('inconclusive');
  expect(at(null)).toBe('inconclusive');
  expect(outcomeOf({ ...large, minimumEffect: 0.05 })).toBe('collecting');
});

test('intervals of primary comparisons share alpha, those of secondary ones do not', () => {
  const secondary = { ...base, role: 'secondary' } as const;
  const widths = (comparisons: readonly PlannedComparison[]) =>
    decide(comparisons, { ended: true }).map(each =>
      each.outcome === 'insufficient' ? 0 : (each.multiplier ?? 0),
    );
  const [one] = widths([base]);
  const [first, , other] = widths([base, { ...base, id: 'b' }, secondary]);
  const [atHalf] = decide([base], { ended: true, alpha: 0.025 });
  expect(other).toBe(one);
  expect(first).toBeGreaterThan(one ?? 0);
  expect(atHalf).toMatchObject({ multiplier: expect.closeTo(first ?? 0, 9) });
});

/** A value that follows what the unit had before its exposure. */
const units = (count: number, lift: number) =>
  covariateMomentsOf(
    Array.from({ length: count }, (_, at) => [at % 50, (at % 50) + ((at * 7) % 3) + lift] as const),
  );

test('a covariate is used from 200 units of each variant on', () => {
  const found = (control: number, treatment: number) => {
    const input = { kind: 'sum', control: units(control, 0), treatment: units(treatment, 1) };
    const [verdict] = decide([{ ...base, ...input } as PlannedComparison]);
    return verdict?.outcome === 'insufficient' ? undefined : verdict?.varianceReduction;
  };
  expect(found(200, 199)).toBeNull();
  expect(found(199, 200)).toBeNull();
  expect(found(200, 200)).toBeGreaterThan(0.9);
});

test('a covariate that is known of one variant only is not used', () => {
  const { n, sum, sumSquares, nonZero = 0 } = units(300, 1);
  const treatment = { n, sum, sumSquares, nonZero };
  const [verdict] = decide([{ ...base, kind: 'sum', control: units(300, 0), treatment }]);
  expect(verdict).toHaveProperty('varianceReduction', null);
});

test('a plan without units is not a plan', () => {
  const [none] = decide([{ ...base, plannedUnits: null }]);
  expect(decide([{ ...base, plannedUnits: 0 }])).toEqual([none]);
});

test('no comparisons have no verdicts', () => {
  expect(decide([])).toEqual([]);
});

const pValues = fc.array(fc.oneof(number(0, 1), fc.constantFrom(0, 0.01, 0.5, 1)), {
  maxLength: 12,
});

test('Holm lies between Benjamini–Hochberg and Bonferroni, and nothing below the p-value', () => {
  fc.assert(
    fc.property(pValues, list => {
      const { holm, benjaminiHochberg, bonferroni } = adjust({ pValues: list });
      for (const [at, pValue] of list.entries()) {
        const order = [pValue, benjaminiHochberg[at], holm[at], bonferroni[at], 1].map(Number);
        for (const [index, each] of order.slice(1).entries())
          expect(each).toBeGreaterThanOrEqual((order[index] ?? 0) - 1e-15);
      }
    }),
  );
});

test('adjusted p-values keep the order and the place of the p-values', () => {
  fc.assert(
    fc.property(pValues, list => {
      for (const key of ['holm', 'benjaminiHochberg', 'bonferroni'] as const) {
        const adjusted = adjust({ pValues: list })[key];
        expect(adjust({ pValues: list.toReversed() })[key].toReversed()).toEqual(adjusted);
        for (const [one, first] of list.entries())
          for (const [two, second] of list.entries())
            if (first <= second)
              expect(adjusted[one] ?? 0).toBeLessThanOrEqual((adjusted[two] ?? 0) + 1e-15);
      }
    }),
  );
});

test('Holm rejects the smallest p-value exactly if Bonferroni does', () => {
  fc.assert(
    fc.property(pValues, list => {
      const { holm, bonferroni } = adjust({ pValues: list });
      expect(Math.min(...holm)).toBe(Math.min(...bonferroni));
    }),
  );
});

test('Benjamini–Hochberg leaves the largest p-value as it is', () => {
  fc.assert(
    fc.property(pValues, list => {
      const { benjaminiHochberg } = adjust({ pValues: list });
      expect(Math.max(0, ...benjaminiHochberg)).toBe(Math.max(0, ...list));
    }),
  );
});
