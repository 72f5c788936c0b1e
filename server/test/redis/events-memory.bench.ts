import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

import { foldStep } from '../../src/events/fold-step.ts';
import type { LogRecord, LoggedEvent } from '../../src/events/log-record.ts';
import type { MeasuredRun, MeasuredRuns } from '../../src/events/measured-runs.ts';
import type { EventStore, Partition } from '../../src/store/event-store.ts';
import { secureRandom } from '../../src/random.ts';
import { openSqliteStore } from '../../src/store/sqlite/index.ts';
import { openEventsOf } from '../support/event-store.ts';
import { startRedis, type RedisProcess } from './processes.ts';
import { openStore as openRedis } from './store.ts';

// Measures what the states of units of an experiment take in Redis and in SQLite: with three values each, and after
// their windows. The units are those of one partition of sixteen. Run it with the number of units:
//
//     npx -y pnpm exec node server/test/redis/events-memory.bench.ts 200000

const UNITS = Number(process.argv[2] ?? 200_000);
const UNITS_AN_ENTRY = 500;
const HOUR_MS = 3_600_000;
const START_MS = Date.parse('2026-12-01T09:00:00Z');
const SETTLED_MS = 72 * HOUR_MS;

const PARTITIONS = 16;

const source = { kind: 'sum', event: 'bought' } as const;
const RUN: MeasuredRun = {
  experiment: 'checkout',
  run: '0123456789abcdef',
  attribute: 'targetingKey',
  variants: ['off', 'on'],
  folded: {
    startMs: START_MS,
    endMs: Number.MAX_SAFE_INTEGER,
    cohortMs: HOUR_MS,
    metrics: ['first', 'second', 'third'].map(key => ({
      key,
      sources: [source] as const,
      window: { fromMs: 0, toMs: 24 * HOUR_MS },
    })),
  },
  serves: () => true,
};
const MEASURED: MeasuredRuns = {
  byExperiment: new Map([[RUN.experiment, RUN]]),
  all: () => [RUN],
  runs: [RUN.run],
  eventNames: new Set([source.event]),
  covariates: new Map(),
};

/** The same events, of which only what is known of units before they are exposed is kept. */
const PROFILES: MeasuredRuns = {
  ...MEASURED,
  byExperiment: new Map(),
  all: () => [],
  covariates: new Map([['first targetingKey', { attribute: RUN.attribute, source }]]),
};

const newUnit = (): string => {
  const bytes = randomBytes(8);
  bytes[0] = (bytes[0] ?? 0) & ~(PARTITIONS - 1);
  return bytes.toString('base64url');
};

const eventsOf = (unit: string, index: number): LoggedEvent[] => {
  const timeMs = START_MS + (index % HOUR_MS);
  const { experiment, run, attribute } = RUN;
  const variant = index % 2 === 0 ? 'off' : 'on';
  return [
    { type: 'exposure', experiment, run, variant, unit, timeMs },
    { type: 'track', name: source.event, value: 99.77, attribute, unit, timeMs },
  ];
};

type Measure = {
  readonly name: string;
  readonly store: EventStore;
  readonly measured: MeasuredRuns;
  /** Removes the log of a ledger, and returns the size of the rest. */
  readonly bytes: (ledger: string) => number;
};

const foldAll = async (
  { store, measured }: Measure,
  partition: Partition,
  now: number,
): Promise<void> => {
  while ((await foldStep(store, partition, measured, now)) > 0) {
    // The next entries follow.
  }
};

const fill = async (measured: Measure, partition: Partition): Promise<void> => {
  for (let first = 0; first < UNITS; first += UNITS_AN_ENTRY) {
    const record: LogRecord = {
      instance: `instance-${first}`,
      sequence: 1,
      sdk: 'bench',
      events: Array.from({ length: UNITS_AN_ENTRY }, (_, at) =>
        eventsOf(newUnit(), first + at),
      ).flat(),
    };
    const entry = { number: partition.number, at: START_MS, text: JSON.stringify(record) };
    await measured.store.append(partition.ledger, [entry]);
    await foldAll(measured, partition, START_MS + HOUR_MS);
  }
};

const measure = async (measured: Measure, id: string): Promise<void> => {
  const { name, bytes } = measured;
  const partition: Partition = { ledger: { kind: 'flagSet', id }, number: 0 };
  await measured.store.cursor(partition);
  const empty = bytes(id);
  const started = performance.now();
  await fill(measured, partition);
  const seconds = (performance.now() - started) / 1_000;
  const filled = bytes(id);
  await foldAll(measured, partition, START_MS + SETTLED_MS);
  const settled = bytes(id);
  const each = (total: number): string => ((total - empty) / UNITS).toFixed(1);
  const rate = Math.round((2 * UNITS) / seconds);
  process.stdout.write(
    `${name}: ${each(filled)} bytes a unit, ${each(settled)} when settled (${UNITS} units, ${rate} events a second)\n`,
  );
};

const redisBytes =
  (redis: RedisProcess) =>
  (ledger: string): number => {
    redis.cli('del', `pennon:{events:${ledger}:0}:log`);
    redis.cli('memory', 'purge');
    return Number(/^used_memory:(\d+)/m.exec(redis.cli('info', 'memory'))?.[1]);
  };

const sqliteBytes = (directory: string) => (): number => {
  const file = join(directory, 'events.db');
  const database = new DatabaseSync(file);
  database.exec('DELETE FROM log; VACUUM; PRAGMA wal_checkpoint(TRUNCATE)');
  database.close();
  return statSync(file).size;
};

const measureBoth = async (store: EventStore, name: string, bytes: Measure['bytes']) => {
  await measure({ name: `${name}, 3 values`, store, measured: MEASURED, bytes }, 'values');
  await measure({ name: `${name}, a profile`, store, measured: PROFILES, bytes }, 'profiles');
};

const redis = await startRedis();
const inRedis = await openRedis(redis.url);
const redisEvents = await openEventsOf(inRedis);
await measureBoth(redisEvents.store, 'Redis', redisBytes(redis));
await redisEvents.close();
await inRedis.close();
await redis.remove();

const directory = mkdtempSync(join(tmpdir(), 'pennon-events-'));
const inSqlite = await openSqliteStore({ directory, random: secureRandom });
const sqliteEvents = await openEventsOf(inSqlite);
await measureBoth(sqliteEvents.store, 'SQLite', sqliteBytes(directory));
await sqliteEvents.close();
await inSqlite.close();
rmSync(directory, { recursive: true });
