import { decimalOf, plus, type UnitState } from '@pennon/statistics/fold';
import fc from 'fast-check';
import { expect, it } from 'vitest';

import { packState, PIECE_BYTES, unpackHead, unpackState } from '../src/events/packed-state.ts';
import { settledState, withoutSettled, withSettled } from '../src/events/settled-units.ts';

const source = { kind: 'sum', event: 'bought' } as const;
const window = { fromMs: 0, toMs: 3_600_000 };
const metric = (key: string) => ({ key, sources: [source] as const, window, hasCovariate: true });
const layout = {
  variants: Array.from({ length: 100 }, (_, index) => `variant-${index}`),
  folded: {
    startMs: 1_795_770_000_000,
    endMs: Number.MAX_SAFE_INTEGER,
    cohortMs: 3_600_000,
    metrics: [
      metric('first'),
      { key: 'ratio', sources: [source, source] as const, window },
      ...Array.from({ length: 5 }, (_, index) => metric(`other-${index}`)),
    ],
  },
};

const number = fc.oneof(
  fc.constantFrom(0, 1, -1, 0.1, 99.77, 2 ** 53, 1e-7, 1e21),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer(),
);
/** The sum of two numbers often has more digits than a double. */
const total = fc.tuple(number, number).map(([a, b]) => plus(decimalOf(a), decimalOf(b)));

const states: fc.Arbitrary<UnitState> = fc.record({
  variant: fc.constantFrom(...layout.variants),
  exposedMs: fc.integer({ min: layout.folded.startMs, max: layout.folded.startMs + 2 ** 41 }),
  totals: fc.tuple(
    ...layout.folded.metrics.map(({ sources }) =>
      fc.array(total, { minLength: sources.length, maxLength: sources.length }),
    ),
  ),
  covariates: fc.tuple(
    ...layout.folded.metrics.map(each => ('hasCovariate' in each ? number : fc.constant(0))),
  ),
  isQuarantined: fc.constant(false),
});

/** Returns numbers without the places that make no difference. */
const plain = ({ totals, covariates, ...state }: UnitState) => ({
  ...state,
  totals: totals.map(each => each.map(value => reduced(value))),
  covariates: covariates.map(each => each + 0),
});
const reduced = ({ digits, scale }: { digits: bigint; scale: number }): string => {
  let [rest, places] = [digits, scale];
  while (places > 0 && rest % 10n === 0n) [rest, places] = [rest / 10n, places - 1];
  return `${rest}e-${places}`;
};

it('a state is the same after it was packed, to the last digit', () => {
  fc.assert(
    fc.property(states, state => {
      const pieces = packState(state, layout);
      expect(pieces.every(({ length }) => length <= PIECE_BYTES)).toBe(true);
      expect(plain(unpackState(pieces.join(''), layout))).toEqual(plain(state));
      const { variant, exposedMs, isQuarantined } = state;
      expect(unpackHead(pieces[0] ?? '', layout)).toEqual({ variant, exposedMs, isQuarantined });
    }),
    { numRuns: 200 },
  );
});

const state = (totals: readonly number[]): UnitState => ({
  variant: 'variant-99',
  exposedMs: layout.folded.startMs + 5,
  totals: layout.folded.metrics.map((each, at) =>
    each.sources.map(() => decimalOf(totals[at] ?? 0)),
  ),
  covariates: [],
  isQuarantined: false,
});

it('a state takes 7 bytes without values, and 8 for each that is neither 0 nor 1', () => {
  const sizeOf = (each: UnitState) => packState(each, layout).join('').length;
  expect(sizeOf(state([]))).toBe(7);
  const codes = 4;
  expect(sizeOf(state([99.77, 0, 1]))).toBe(7 + codes + 8);
  expect(sizeOf({ ...state([99.77]), isQuarantined: true })).toBe(7);
  const several = packState(state([2, 3, 4, 5, 6, 7, 8]), layout);
  expect(several.map(({ length }) => length)).toEqual([
    PIECE_BYTES,
    7 + codes + 8 * 8 - PIECE_BYTES,
  ]);
});

const unit = fc.uint8Array({ minLength: 8, maxLength: 8 });

it('settled units of a bucket are found by all of their bytes, and removed', () => {
  fc.assert(
    fc.property(fc.uniqueArray(unit, { selector: String, minLength: 1, maxLength: 40 }), bytes => {
      // All of one bucket.
      const units = bytes.map(each => Buffer.from(each).fill(7, 1, 3).toString('latin1'));
      const known = [...new Set(units)];
      const all = known.reduce(
        (text, each, at) =>
          withSettled(text, each, { ...state([]), variant: `variant-${at}` }, layout),
        '',
      );
      expect(all).toHaveLength(10 * known.length);
      const found = known.map(each => settledState(all, each, layout)?.variant);
      expect(found).toEqual(known.map((_, at) => `variant-${at}`));
      const [first = '', ...others] = known;
      const rest = withoutSettled(all, first);
      expect(settledState(rest, first, layout)).toBeUndefined();
      expect(others.every(each => settledState(rest, each, layout) !== undefined)).toBe(true);
    }),
    { numRuns: 50 },
  );
});
