import fc from 'fast-check';
import { expect, test } from 'vitest';

import {
  adjustForCovariate,
  compareMeans,
  compareRatios,
  relativeInterval,
  type Comparison,
} from '../src/index.ts';
import {
  alpha,
  conversions,
  converting,
  covariateMomentsOf,
  momentsOf,
  number,
  pairs,
  ratioMomentsOf,
  values,
} from './support/arbitraries.ts';

/** Compares up to rounding of the largest number that was computed with. */
const expectClose = (got: number | null, expected: number | null, scale = 1): void => {
  if (got === null || expected === null) expect(got).toBe(expected);
  else expect(Math.abs(got - expected)).toBeLessThanOrEqual(1e-6 * (Math.abs(expected) + scale));
};

/** Sums of hardly different numbers lose their variance to rounding, so nothing is decided by it. */
const isMeasured = ({ standardError }: Comparison): boolean =>
  standardError !== null && standardError > 1e-2;

const variance = fc.oneof(fc.constant(0), number(1e-12, 1), number(1, 1e6));
const mean = fc.oneof(fc.constant(0), number(-1, 1), number(-1e6, 1e6));
const estimate = fc.record({ mean, variance });

test('a relative interval excludes 0 exactly if the difference is larger than its standard errors', () => {
  fc.assert(
    fc.property(
      estimate,
      estimate,
      fc.oneof(fc.constant(0), number(1e-9, 1)),
      number(0.01, 10),
      (control, treatment, covariance, multiplier) => {
        const { lower, upper } = relativeInterval({ control, treatment, covariance, multiplier });
        if (lower === null || upper === null) return;
        const width = multiplier * Math.sqrt(control.variance + treatment.variance);
        const isOutside = Math.abs(treatment.mean - control.mean) > width;
        expect(lower).toBeLessThanOrEqual(upper);
        expect(lower > 0 || upper < 0).toBe(isOutside);
      },
    ),
    { numRuns: 2_000 },
  );
});

test('a relative interval has no bounds exactly if the mean of the control does not differ from 0', () => {
  fc.assert(
    fc.property(estimate, estimate, number(0.01, 10), (control, treatment, multiplier) => {
      const { lower, upper } = relativeInterval({ control, treatment, covariance: 0, multiplier });
      const isBounded = control.mean ** 2 > multiplier ** 2 * control.variance;
      expect([lower !== null, upper !== null]).toEqual([isBounded, isBounded]);
    }),
  );
});

test('a relative interval contains the relative difference', () => {
  fc.assert(
    fc.property(estimate, estimate, number(0.01, 10), (control, treatment, multiplier) => {
      const found = relativeInterval({ control, treatment, covariance: 0, multiplier });
      if (found.lower === null || found.upper === null || found.relative === null) return;
      const rounding = 1e-9 * (1 + Math.abs(found.relative));
      expect(found.relative).toBeGreaterThanOrEqual(found.lower - rounding);
      expect(found.relative).toBeLessThanOrEqual(found.upper + rounding);
    }),
  );
});

test('a test rejects exactly if its interval excludes 0, and the relative interval agrees', () => {
  fc.assert(
    fc.property(converting(), converting(), alpha, (control, treatment, level) => {
      const found = compareMeans({ control, treatment, alpha: level });
      const { pValue, lower, upper, relativeLower, relativeUpper } = found;
      if (pValue === null || lower === null || upper === null) return;
      if (Math.abs(pValue / level - 1) < 1e-6) return;
      expect(lower > 0 || upper < 0).toBe(pValue < level);
      if (relativeLower === null || relativeUpper === null) return;
      expect(relativeLower > 0 || relativeUpper < 0).toBe(pValue < level);
    }),
    { numRuns: 500 },
  );
});

test('the unit of measurement changes neither the p-value nor the relative interval', () => {
  fc.assert(
    fc.property(values, values, number(0.01, 100), (control, treatment, factor) => {
      const scaled = (numbers: number[]) => momentsOf(numbers.map(each => factor * each));
      const input = { control: momentsOf(control), treatment: momentsOf(treatment), alpha: 0.05 };
      const once = compareMeans(input);
      if (!isMeasured(once)) return;
      const other = compareMeans({
        control: scaled(control),
        treatment: scaled(treatment),
        alpha: 0.05,
      });
      expectClose(other.difference, factor * (once.difference ?? 0), factor);
      expectClose(other.standardError, factor * (once.standardError ?? 0), factor);
      expectClose(other.pValue, once.pValue);
      expectClose(other.degreesOfFreedom, once.degreesOfFreedom);
    }),
  );
});

test('a constant added to all values changes neither the difference nor its interval', () => {
  fc.assert(
    fc.property(values, values, number(-1_000, 1_000), (control, treatment, constant) => {
      const shifted = (numbers: number[]) => momentsOf(numbers.map(each => each + constant));
      const input = { control: momentsOf(control), treatment: momentsOf(treatment), alpha: 0.05 };
      const once = compareMeans(input);
      if (!isMeasured(once)) return;
      const other = compareMeans({
        control: shifted(control),
        treatment: shifted(treatment),
        alpha: 0.05,
      });
      for (const field of ['difference', 'standardError', 'lower', 'upper'] as const)
        expectClose(other[field], once[field], 1_000);
    }),
  );
});

test('exchanged variants mirror the interval and keep the p-value', () => {
  fc.assert(
    fc.property(values, values, alpha, (first, second, level) => {
      const [control, treatment] = [momentsOf(first), momentsOf(second)];
      const once = compareMeans({ control, treatment, alpha: level });
      const other = compareMeans({ control: treatment, treatment: control, alpha: level });
      expectClose(other.pValue, once.pValue);
      expectClose(other.difference, once.difference === null ? null : -once.difference);
      expectClose(other.lower, once.upper === null ? null : -once.upper);
      expectClose(other.upper, once.lower === null ? null : -once.lower);
    }),
  );
});

test('a smaller alpha has a wider interval around the same estimate', () => {
  fc.assert(
    fc.property(converting(), converting(), alpha, alpha, (control, treatment, one, two) => {
      const narrow = compareMeans({ control, treatment, alpha: Math.max(one, two) });
      const wide = compareMeans({ control, treatment, alpha: Math.min(one, two) });
      expect(wide.pValue).toBe(narrow.pValue);
      if (wide.lower === null || narrow.lower === null) return;
      expect(wide.lower).toBeLessThanOrEqual(narrow.lower);
      expect(wide.upper ?? 0).toBeGreaterThanOrEqual(narrow.upper ?? 0);
    }),
  );
});

test('a ratio whose denominators are all 1 is a mean', () => {
  fc.assert(
    fc.property(values, values, (control, treatment) => {
      const ratio = (numbers: number[]) => ratioMomentsOf(numbers.map(each => [1, each]));
      const means = { control: momentsOf(control), treatment: momentsOf(treatment), alpha: 0.05 };
      const once = compareMeans(means);
      if (!isMeasured(once)) return;
      const found = compareRatios({
        control: ratio(control),
        treatment: ratio(treatment),
        alpha: 0.05,
      });
      for (const field of ['difference', 'standardError', 'pValue', 'lower'] as const)
        expectClose(found[field], once[field], 10);
    }),
  );
});

test('a ratio that is the same for all units has no variance', () => {
  const units = [1, 2, 3, 7].map(count => [count, 0.1 * count] as const);
  const found = compareRatios({
    control: ratioMomentsOf(units),
    treatment: ratioMomentsOf(units.map(([count]) => [count, 0.3 * count])),
    alpha: 0.05,
  });
  expect(found).toMatchObject({ standardError: 0, pValue: null, lower: null, relativeLower: null });
  expectClose(found.difference, 0.2);
});

test('a covariate of zeros, or of any constant, adjusts nothing', () => {
  fc.assert(
    fc.property(values, values, number(-100, 100), (control, treatment, constant) => {
      const input = { control: momentsOf(control), treatment: momentsOf(treatment), alpha: 0.05 };
      const once = compareMeans(input);
      const withConstant = (numbers: number[]) =>
        covariateMomentsOf(numbers.map(each => [constant, each]));
      const found = adjustForCovariate({
        control: withConstant(control),
        treatment: withConstant(treatment),
        alpha: 0.05,
      });
      expect(found).toMatchObject({ theta: 0, covariance: 0 });
      expect(found.pValue).toBe(once.pValue);
      expectClose(found.difference, once.difference);
      if (found.varianceReduction !== null) expectClose(found.varianceReduction, 0);
    }),
  );
});

test('a value that is the same for all units has no test, for any covariate', () => {
  fc.assert(
    fc.property(pairs, pairs, number(-1_000, 1_000), (first, second, constant) => {
      const withConstant = (units: typeof first) =>
        covariateMomentsOf(units.map(([before]) => [before, constant]));
      const found = adjustForCovariate({
        control: withConstant(first),
        treatment: withConstant(second),
        alpha: 0.05,
      });
      expect(found).toMatchObject({ theta: 0, standardError: 0, pValue: null, lower: null });
    }),
  );
});

test('the scale and the origin of a covariate change nothing that is compared', () => {
  const covariate = fc.integer({ min: -50, max: 50 });
  const units = fc.array(fc.tuple(covariate, fc.integer({ min: -50, max: 50 })), {
    minLength: 5,
    maxLength: 30,
  });
  fc.assert(
    fc.property(units, units, number(0.1, 10), number(-50, 50), (first, second, factor, origin) => {
      const once = adjustForCovariate({
        control: covariateMomentsOf(first),
        treatment: covariateMomentsOf(second),
        alpha: 0.05,
      });
      if (!isMeasured(once)) return;
      const changed = (list: typeof first) =>
        covariateMomentsOf(list.map(([before, after]) => [factor * before + origin, after]));
      const other = adjustForCovariate({
        control: changed(first),
        treatment: changed(second),
        alpha: 0.05,
      });
      for (const field of ['difference', 'standardError', 'pValue', 'varianceReduction'] as const)
        expectClose(other[field], once[field]);
      for (const field of ['controlMean', 'treatmentMean'] as const)
        expectClose(other[field], once[field], 100);
    }),
  );
});

test('a covariate that determines the value leaves the difference and no variance', () => {
  const units = (lift: number) =>
    covariateMomentsOf([1, 2, 3, 4].map(before => [before, 2 * before + lift]));
  const found = adjustForCovariate({ control: units(0), treatment: units(3), alpha: 0.05 });
  expect(found).toMatchObject({ theta: 2, difference: 3, standardError: 0, varianceReduction: 1 });
  expect(found.pValue).toBeNull();
});

test('results contain neither NaN nor an infinity, for any moments', () => {
  const anyMoments = fc.record({
    n: fc.integer({ min: 0, max: 3 }),
    sum: number(-5, 5),
    sumSquares: number(0, 5),
    sumCovariate: number(-5, 5),
    sumSquaresCovariate: number(0, 5),
    sumProductsCovariate: number(-5, 5),
    sumNumerator: fc.constantFrom(0, 1, -2.5),
    sumDenominator: fc.constantFrom(0, 1, -3),
    sumSquaresNumerator: number(0, 9),
    sumSquaresDenominator: number(0, 9),
    sumProducts: number(-9, 9),
  });
  fc.assert(
    fc.property(anyMoments, anyMoments, number(0, 1), (control, treatment, level) => {
      const input = { control, treatment, alpha: level };
      const found = [compareMeans(input), compareRatios(input), adjustForCovariate(input)];
      for (const result of found)
        for (const each of Object.values(result))
          expect(each === null || Number.isFinite(each)).toBe(true);
    }),
  );
});

test('an empty variant, a single unit and constants have no test', () => {
  const none = { pValue: null, lower: null, upper: null, relativeLower: null };
  const some = conversions(500, 20);
  const against = (control: typeof some, treatment: typeof some) =>
    compareMeans({ control, treatment, alpha: 0.05 });
  expect(against(conversions(0, 0), some)).toMatchObject({ ...none, difference: null });
  expect(against(some, conversions(0, 0))).toMatchObject({ ...none, difference: null });
  expect(against(conversions(1, 1), some)).toMatchObject({ ...none, standardError: null });
  expect(against(conversions(9, 9), conversions(9, 9))).toMatchObject({
    ...none,
    difference: 0,
    standardError: 0,
    relative: 0,
  });
});

test('a difference from units without any variance is tested against the variance of the others', () => {
  const found = compareMeans({
    control: momentsOf([5, 5, 5, 5]),
    treatment: momentsOf([6, 7, 8, 9]),
    alpha: 0.05,
  });
  expect(found.degreesOfFreedom).toBe(3);
  expect(found.pValue).toBeLessThan(0.05);
  expect(found.relativeLower).toBeGreaterThan(0);
});

test('pairs of units have a ratio, a mean and an adjusted mean for any values', () => {
  fc.assert(
    fc.property(pairs, pairs, (first, second) => {
      const covariate = adjustForCovariate({
        control: covariateMomentsOf(first),
        treatment: covariateMomentsOf(second),
        alpha: 0.05,
      });
      if (covariate.varianceReduction === null) return;
      expect(covariate.varianceReduction).toBeLessThanOrEqual(1);
      expect(covariate.covariance).toBeGreaterThanOrEqual(0);
    }),
  );
});
