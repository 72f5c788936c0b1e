import { readFileSync } from 'node:fs';

import fc from 'fast-check';
import { expect, test } from 'vitest';

import {
  addCohort,
  cohortMsOf,
  cohortName,
  hasBegun,
  fold,
  inOrder,
  momentsAt,
  profileAt,
  receive,
  rollUp,
  unitsOf,
  withAmount,
  type CohortSums,
  type FoldedExperiment,
  type FoldEvent,
  type FoldCounts,
  type ReplayWindow,
  type UnitState,
} from '../src/fold/index.ts';
import { foldDifferences, type FoldCase } from './support/folds.ts';

const { cases }: { cases: FoldCase[] } = JSON.parse(
  readFileSync(new URL('vectors/folds.json', import.meta.url), 'utf8'),
);

test.each(cases.map(each => [each.id, each] as const))('the log %s', (_, each) => {
  expect(foldDifferences(each)).toEqual([]);
});

const HOUR = 3_600_000;

/** Windows that begin with the exposure and later, caps, and a ratio. */
const experiment = {
  startMs: 10 * HOUR,
  endMs: 20 * HOUR,
  cohortMs: HOUR,
  metrics: [
    {
      key: 'bought',
      sources: [{ kind: 'conversion', event: 'bought' }],
      window: { fromMs: 0, toMs: 4 * HOUR },
    },
    {
      key: 'revenue',
      sources: [{ kind: 'sum', event: 'bought' }],
      window: { fromMs: HOUR, toMs: 6 * HOUR },
      cap: 12,
    },
    {
      key: 'searches-per-purchase',
      sources: [
        { kind: 'count', event: 'searched', matches: ({ page }) => page === 1 },
        { kind: 'count', event: 'bought' },
      ],
      window: { fromMs: 0, toMs: 2 * HOUR },
    },
  ],
} as const satisfies FoldedExperiment;

const timeMs = fc.integer({ min: 9 * HOUR, max: 28 * HOUR });
const unit = fc.constantFrom('ada', 'bob', 'cy');
const event: fc.Arbitrary<FoldEvent> = fc.oneof(
  fc.record({
    type: fc.constant('exposure' as const),
    unit,
    variant: fc.constantFrom('off', 'off', 'off', 'on'),
    timeMs,
  }),
  fc.record(
    {
      type: fc.constant('track' as const),
      unit,
      name: fc.constantFrom('bought', 'searched'),
      timeMs,
      value: fc.constantFrom(-3, 0.1, 0.2, 2, 9.99, 1e-7, Number.NaN),
      attributes: fc.record({ page: fc.constantFrom(1, 2) }),
    },
    { requiredKeys: ['type', 'unit', 'name', 'timeMs'] },
  ),
);
const events = fc.array(event, { maxLength: 40 }).map(list => inOrder(list));

type Folded = {
  readonly states: ReadonlyMap<string, UnitState>;
  readonly cohorts: CohortSums[];
  readonly counts: FoldCounts;
};

/** Folds pieces of a log one after the other, as a server does. */
const foldAll = (pieces: readonly (readonly FoldEvent[])[]): Folded =>
  pieces.reduce<Folded>(
    ({ states, cohorts, counts }, piece) => {
      const changes = fold(experiment, states, piece);
      return {
        states: new Map([...states, ...changes.states]),
        cohorts: [...cohorts, ...changes.cohorts],
        counts: {
          exposures: counts.exposures + changes.counts.exposures,
          repeats: counts.repeats + changes.counts.repeats,
          late: counts.late + changes.counts.late,
          outside: counts.outside + changes.counts.outside,
          withoutValue: counts.withoutValue + changes.counts.withoutValue,
          switchedLater: counts.switchedLater + changes.counts.switchedLater,
        },
      };
    },
    {
      states: new Map(),
      cohorts: [],
      counts: { exposures: 0, repeats: 0, late: 0, outside: 0, withoutValue: 0, switchedLater: 0 },
    },
  );

const momentsOf = ({ cohorts }: Folded, atMs: number) =>
  ['off', 'on'].map(variant => ({
    ...unitsOf(cohorts, variant),
    metrics: experiment.metrics.map((_, metric) =>
      momentsAt(experiment, cohorts, { metric, variant, atMs }),
    ),
  }));

test('events have the same states, moments and counts however they are divided', () => {
  fc.assert(
    fc.property(events, fc.array(fc.integer({ min: 0, max: 40 })), timeMs, (list, cuts, atMs) => {
      const edges = [0, ...cuts.toSorted((first, second) => first - second), list.length];
      const pieces = edges.map((from, at) => list.slice(from, edges[at + 1] ?? from));
      const [once, divided] = [foldAll([list]), foldAll(pieces)];
      expect(divided.states).toEqual(once.states);
      expect(divided.counts).toEqual(once.counts);
      expect(momentsOf(divided, atMs)).toEqual(momentsOf(once, atMs));
    }),
    { numRuns: 300 },
  );
});

/** A value in ten-millionths. All values of this file are multiples of one. */
const partsOf = (value: number): bigint => BigInt(Math.round(value * 1e7));

const fromParts = (parts: bigint, power = 7): number => Number(`${parts}e-${power}`);

/** The definition: look at each unit's whole log, and sum its values. */
const revenueOf = (list: readonly FoldEvent[], name: string): bigint | undefined => {
  const own = list.filter(each => each.unit === name);
  const isEnrolling = (each: FoldEvent) =>
    each.type === 'exposure' && each.timeMs >= experiment.startMs && each.timeMs < experiment.endMs;
  const first = own.find(isEnrolling);
  if (first?.type !== 'exposure') return undefined;
  const settled = (Math.floor(first.timeMs / HOUR) + 1) * HOUR + 6 * HOUR;
  const isOther = own
    .slice(own.indexOf(first))
    .some(
      each => each.type === 'exposure' && each.variant !== first.variant && each.timeMs < settled,
    );
  if (isOther || first.variant !== 'off') return undefined;
  const values = own.flatMap(each =>
    each.type === 'track' &&
    each.name === 'bought' &&
    Number.isFinite(each.value) &&
    each.timeMs >= first.timeMs + HOUR &&
    each.timeMs < first.timeMs + 6 * HOUR
      ? [partsOf(each.value ?? 0)]
      : [],
  );
  const total = values.reduce((sum, each) => sum + each, 0n);
  return total > partsOf(12) ? partsOf(12) : total;
};

test('moments equal those of the whole log, unit by unit, to the last digit', () => {
  fc.assert(
    fc.property(events, list => {
      const values = ['ada', 'bob', 'cy'].flatMap(name => revenueOf(list, name) ?? []);
      const { cohorts } = foldAll([list]);
      const found = momentsAt(experiment, cohorts, { metric: 1, variant: 'off', atMs: 99 * HOUR });
      expect(found?.mature).toEqual({
        n: values.length,
        sum: fromParts(values.reduce((sum, each) => sum + each, 0n)),
        sumSquares: fromParts(
          values.reduce((sum, each) => sum + each * each, 0n),
          14,
        ),
        nonZero: values.filter(each => each !== 0n).length,
      });
    }),
    { numRuns: 300 },
  );
});

const exposed = { type: 'exposure', unit: 'ada', variant: 'off', timeMs: 11 * HOUR } as const;
const bought = { type: 'track', unit: 'ada', name: 'bought', value: 5 } as const;

test('a quarantined unit is in no sums, and is counted under its first variant', () => {
  const { cohorts } = fold(experiment, new Map(), [
    exposed,
    { ...bought, timeMs: 12 * HOUR + 1 },
    { ...exposed, variant: 'on', timeMs: 13 * HOUR },
    { ...bought, timeMs: 14 * HOUR },
  ]);
  expect(unitsOf(cohorts, 'off')).toEqual({ units: 0, quarantined: 1 });
  expect(unitsOf(cohorts, 'on')).toEqual({ units: 0, quarantined: 0 });
  const query = { metric: 1, variant: 'off', atMs: 99 * HOUR };
  expect(momentsAt(experiment, cohorts, query)?.mature).toEqual({
    n: 0,
    sum: 0,
    sumSquares: 0,
    nonZero: 0,
  });
});

test('sums are those of the values as they are written, in any order', () => {
  const values = [1e15, 0.1, -1e15, 0.2, 1e-9, 123.456];
  const of = (list: readonly number[]) => {
    const metric = { ...experiment.metrics[1], cap: 1e300, window: { fromMs: 0, toMs: HOUR } };
    const { cohorts } = fold({ ...experiment, metrics: [metric] }, new Map(), [
      exposed,
      ...list.map(value => ({ ...bought, value, timeMs: exposed.timeMs })),
    ]);
    return momentsAt({ metrics: [metric] }, cohorts, {
      metric: 0,
      variant: 'off',
      atMs: 99 * HOUR,
    });
  };
  expect(of(values)?.mature).toMatchObject({ sum: 123.756000001 });
  expect(of(values.toReversed())).toEqual(of(values));
});

const withCovariate = {
  ...experiment,
  metrics: [{ ...experiment.metrics[0], hasCovariate: true }],
} satisfies FoldedExperiment;

test('what was known of a unit before its first exposure is kept with it', () => {
  const { cohorts } = fold(withCovariate, new Map(), [
    { ...exposed, covariates: [2.5] },
    { ...exposed, covariates: [9], timeMs: exposed.timeMs + 1 },
    { ...bought, timeMs: exposed.timeMs + 2 },
    { ...exposed, unit: 'bob', covariates: [0.5] },
  ]);
  const query = { metric: 0, variant: 'off', atMs: 99 * HOUR };
  expect(momentsAt(withCovariate, cohorts, query)?.mature).toEqual({
    n: 2,
    sum: 1,
    sumSquares: 1,
    nonZero: 1,
    sumCovariate: 3,
    sumSquaresCovariate: 6.5,
    sumProductsCovariate: 2.5,
  });
});

test('what a unit did counts half after a week, in any order of its events', () => {
  const week = 7 * 24 * HOUR;
  const first = withAmount(undefined, 0, 8);
  expect(profileAt(undefined, 5)).toBe(0);
  expect(profileAt(first, week)).toBe(4);
  expect(withAmount(first, week, 1)).toEqual({ value: 5, timeMs: week });
  expect(withAmount(withAmount(undefined, week, 1), 0, 8)).toEqual({ value: 5, timeMs: week });
});

/** The first days of this run are over. */
const LONG_AGO = { ...experiment, startMs: -99 * HOUR };

test('cohorts that are settled become days, with the same moments', () => {
  fc.assert(
    fc.property(events, timeMs, (list, settledUntilMs) => {
      const { cohorts } = foldAll([list]);
      const merged = [
        ...cohorts
          .reduce((known, each) => {
            const name = cohortName(each);
            return known.set(name, addCohort(known.get(name), each));
          }, new Map<string, CohortSums>())
          .values(),
      ];
      const { removed, merged: rolledUp } = rollUp(LONG_AGO, merged, settledUntilMs);
      const rolled = [...merged.filter(each => !removed.includes(each)), ...rolledUp];
      const states = new Map();
      const all = { states, counts: fold(experiment, states, []).counts };
      expect(momentsOf({ ...all, cohorts: rolled }, 99 * HOUR)).toEqual(
        momentsOf({ ...all, cohorts: merged }, 99 * HOUR),
      );
      expect(rollUp(LONG_AGO, rolled, settledUntilMs).removed).toEqual([]);
    }),
    { numRuns: 100 },
  );
});

test('cohorts become days after three days, and are then part of what there was at their end', () => {
  const run = { ...experiment, startMs: 24 * HOUR, endMs: 999 * HOUR };
  const hours = Array.from({ length: 150 }, (_, hour) => 24 + hour);
  const { cohorts } = fold(
    run,
    new Map(),
    hours.map(hour => ({ ...exposed, unit: `unit-${hour}`, timeMs: hour * HOUR })),
  );
  const settled = 24 * 6;
  const { removed, merged } = rollUp(run, cohorts, settled * HOUR + 6 * HOUR);
  const inHours = (list: readonly CohortSums[]) =>
    list.map(({ fromMs, untilMs, units }) => [fromMs / HOUR, untilMs / HOUR, units]);
  expect(removed.map(({ fromMs }) => fromMs / HOUR)).toEqual(
    hours.filter(hour => hour >= 96 && hour < settled),
  );
  expect(inHours(merged)).toEqual([
    [96, 120, 24],
    [120, 144, 24],
  ]);
  const all = [...cohorts.filter(each => !removed.includes(each)), ...merged];
  const unitsAt = (hour: number) =>
    unitsOf(
      all.filter(each => hasBegun(run, each, hour * HOUR)),
      'off',
    ).units;
  expect([30, 96, 119, 120, 143, 144, 150].map(unitsAt)).toEqual([6, 72, 72, 96, 96, 120, 126]);
  const minutes = { ...run, cohortMs: HOUR / 60 };
  const short = fold(
    minutes,
    new Map(),
    Array.from({ length: 90 }, (_, minute) => ({
      ...exposed,
      unit: `unit-${minute}`,
      timeMs: 24 * HOUR + (minute * HOUR) / 60,
    })),
  );
  expect(inHours(rollUp(minutes, short.cohorts, 99 * HOUR).merged)).toEqual([
    [24, 25, 60],
    [25, 25.5, 30],
  ]);
});

test('a settled unit is counted if it is served another variant, and nothing else changes', () => {
  const settled = {
    variant: 'off',
    exposedMs: exposed.timeMs,
    totals: [],
    covariates: [],
    isQuarantined: false,
    isSettled: true,
  };
  const { states, cohorts, counts } = fold(experiment, new Map([['ada', settled]]), [
    { ...bought, timeMs: exposed.timeMs + 1, isLate: true },
    { ...exposed, variant: 'on' },
    { ...exposed, isLate: true },
  ]);
  expect([states.size, cohorts]).toEqual([0, []]);
  expect(counts).toMatchObject({ exposures: 2, repeats: 1, late: 1, switchedLater: 1 });
});

test('cohorts are short if all windows are', () => {
  const window = (toMs: number) => ({ window: { fromMs: 0, toMs } });
  expect(cohortMsOf([window(HOUR - 1)])).toBe(60_000);
  expect(cohortMsOf([window(60_000), window(HOUR)])).toBe(900_000);
  expect(cohortMsOf([window(24 * HOUR)])).toBe(HOUR);
});

test('a metric that is not part of the experiment has no moments', () => {
  expect(momentsAt(experiment, [], { metric: 3, variant: 'off', atMs: 0 })).toBeUndefined();
});

test('a sequence number is received once, unless it is more than 64 below the highest', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 300 }), { maxLength: 200 }), sequences => {
      const seen = new Set<number>();
      let window: ReplayWindow | undefined;
      for (const sequence of sequences) {
        const isNew = !seen.has(sequence) && sequence >= Math.max(0, ...seen) - 64;
        const next = receive(window, sequence);
        expect(next !== undefined).toBe(isNew);
        window = next ?? window;
        if (isNew) seen.add(sequence);
      }
    }),
  );
});
