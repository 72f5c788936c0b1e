import { readFileSync } from 'node:fs';

import fc from 'fast-check';
import { expect, test } from 'vitest';

import {
  fold,
  inOrder,
  momentsAt,
  receive,
  unitsOf,
  type CohortSums,
  type FoldedExperiment,
  type FoldEvent,
  type FoldHealth,
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
      value: fc.constantFrom(-3, 2, 9, Number.NaN),
      attributes: fc.record({ page: fc.constantFrom(1, 2) }),
    },
    { requiredKeys: ['type', 'unit', 'name', 'timeMs'] },
  ),
);
const events = fc.array(event, { maxLength: 40 }).map(list => inOrder(list));

type Folded = {
  readonly states: ReadonlyMap<string, UnitState>;
  readonly cohorts: CohortSums[];
  readonly health: FoldHealth;
};

/** Folds pieces of a log one after the other, as a server does. */
const foldAll = (pieces: readonly (readonly FoldEvent[])[]): Folded =>
  pieces.reduce<Folded>(
    ({ states, cohorts, health }, piece) => {
      const changes = fold(experiment, states, piece);
      return {
        states: new Map([...states, ...changes.states]),
        cohorts: [...cohorts, ...changes.cohorts],
        health: {
          outside: health.outside + changes.health.outside,
          withoutValue: health.withoutValue + changes.health.withoutValue,
          switchedLater: health.switchedLater + changes.health.switchedLater,
        },
      };
    },
    {
      states: new Map(),
      cohorts: [],
      health: { outside: 0, withoutValue: 0, switchedLater: 0 },
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
      expect(divided.health).toEqual(once.health);
      expect(momentsOf(divided, atMs)).toEqual(momentsOf(once, atMs));
    }),
    { numRuns: 300 },
  );
});

/** The definition: look at each unit's whole log, and sum its values. */
const revenueOf = (list: readonly FoldEvent[], name: string): number[] | undefined => {
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
  return own.flatMap(each =>
    each.type === 'track' &&
    each.name === 'bought' &&
    Number.isFinite(each.value) &&
    each.timeMs >= first.timeMs + HOUR &&
    each.timeMs < first.timeMs + 6 * HOUR
      ? [each.value ?? 0]
      : [],
  );
};

test('moments equal those of the whole log, unit by unit', () => {
  fc.assert(
    fc.property(events, list => {
      const values = ['ada', 'bob', 'cy'].flatMap(name => {
        const own = revenueOf(list, name);
        return own === undefined
          ? []
          : [
              Math.min(
                12,
                own.reduce((sum, each) => sum + each, 0),
              ),
            ];
      });
      const { cohorts } = foldAll([list]);
      const found = momentsAt(experiment, cohorts, { metric: 1, variant: 'off', atMs: 99 * HOUR });
      expect(found?.mature).toEqual({
        n: values.length,
        sum: values.reduce((sum, each) => sum + each, 0),
        sumSquares: values.reduce((sum, each) => sum + each ** 2, 0),
        nonZero: values.filter(each => each !== 0).length,
      });
    }),
    { numRuns: 300 },
  );
});

test('a quarantined unit leaves zeros, and is counted under its first variant', () => {
  const exposed = { type: 'exposure', unit: 'ada', timeMs: 11 * HOUR } as const;
  const bought = { type: 'track', unit: 'ada', name: 'bought', value: 5 } as const;
  const { cohorts } = fold(experiment, new Map(), [
    { ...exposed, variant: 'off' },
    { ...bought, timeMs: 12 * HOUR + 1 },
    { ...exposed, variant: 'on', timeMs: 13 * HOUR },
    { ...bought, timeMs: 14 * HOUR },
  ]);
  expect(cohorts).toEqual([
    {
      variant: 'off',
      cohort: 11 * HOUR,
      quarantined: 1,
      sums: [
        [0, 0, 0, 0],
        [0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0],
      ],
    },
  ]);
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
