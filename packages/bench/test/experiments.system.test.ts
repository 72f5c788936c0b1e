import { afterAll, describe, expect, test } from 'vitest';

import { openStore } from '../../../server/test/redis/store.ts';
import { useRedis } from '../../../server/test/redis/setup.ts';
import { createSqliteStores } from '../../../server/test/support/sqlite-store.ts';
import { comparisonIn } from '../src/experiments/benchmark.ts';
import { runExperiment, type Truth } from '../src/experiments/experiment.ts';

type Run = Awaited<ReturnType<typeof runExperiment>>;

const meanOf = (what: keyof Truth, truth: Truth): number => truth[what] / truth.visitors;

/** The results must be what the visitors did: the last one of them, and to the last digit. */
const expectTruth = ({ results, health, truth }: Run): void => {
  const units = { off: truth.off.visitors, on: truth.on.visitors };
  expect(results.sampleRatio.mismatch).toBe(false);
  const [bought, revenue] = results.metrics;
  for (const [metric, what] of [
    [bought, 'buyers'],
    [revenue, 'revenue'],
  ] as const) {
    expect(metric?.matureUnits).toEqual(units);
    const { control, treatment } = metric?.comparisons[0] ?? {};
    expect(control?.mean).toBeCloseTo(meanOf(what, truth.off), 10);
    expect(treatment?.mean).toBeCloseTo(meanOf(what, truth.on), 10);
  }
  expect(results.guardrails).toMatchObject([
    { status: 'watching', controlUnits: truth.off.failed, treatmentUnits: truth.on.failed },
  ]);
  expect(health).toMatchObject({
    quarantined: 0,
    late: 0,
    mismatched: {},
    rejected: {},
    dropped: { exposures: 0, tracks: 0 },
    unknownEvents: [],
  });
  expect(health.repeats).toBeGreaterThan(0);
  expect(Object.keys(health.sampleRatio.bySdk).toSorted()).toEqual([
    expect.stringContaining('@pennon/server-provider '),
    expect.stringContaining('@pennon/web-provider '),
  ]);
};

test('an experiment without an effect decides nothing at any look', async () => {
  const run = await runExperiment({
    seed: 1,
    days: 7,
    visitorsPerDay: 800,
    rates: { off: 0.1, on: 0.1 },
  });
  expectTruth(run);
  expect(run.looks).toEqual(run.looks.map(() => 'wait'));
  expect(run.results).toMatchObject({ final: true, recommendation: { outcome: 'noDifference' } });
  const { lower, upper } = comparisonIn(run.results);
  expect(lower).toBeLessThan(0);
  expect(upper).toBeGreaterThan(0);
});

/** Only for a busy machine. */
const TIMEOUT_MS = 180_000;

const EFFECT = { seed: 2, days: 5, visitorsPerDay: 600, rates: { off: 0.1, on: 0.16 } };

const expectEffect = (run: Run): void => {
  expectTruth(run);
  expect(run.results).toMatchObject({
    final: true,
    recommendation: { outcome: 'ship', variant: 'on' },
  });
  // The same visitors do the same with each store.
  expect(run.looks).toEqual(['wait', 'wait', 'ship', 'ship', 'ship']);
  const { outcome, lower, upper } = comparisonIn(run.results);
  expect(outcome).toBe('better');
  expect(lower).toBeLessThan(0.06);
  expect(upper).toBeGreaterThan(0.06);
};

test('an experiment with an effect finds it', async () => {
  expectEffect(await runExperiment(EFFECT));
});

describe('with the SQLite store', () => {
  const stores = createSqliteStores();
  afterAll(() => stores.remove());

  test(
    'an experiment with an effect finds it',
    async () => {
      expectEffect(await runExperiment(EFFECT, { store: await stores.open() }));
    },
    TIMEOUT_MS,
  );
});

describe('with the Redis store', () => {
  const redis = useRedis();

  test(
    'an experiment with an effect finds it',
    async () => {
      expectEffect(await runExperiment(EFFECT, { store: await openStore(redis().url) }));
    },
    TIMEOUT_MS,
  );
});
