import { readFileSync } from 'node:fs';

import { describe, expect, it } from 'vitest';

import { profileCell, settledCell, stateCell, unitsKeyOf, GROUPS } from '../src/events/groups.ts';
import { entryCell } from '../src/events/inventory.ts';
import { covariateName } from '../src/events/measured-runs.ts';
import { bytesOfUnit } from '../src/events/units.ts';
import {
  afterChange,
  type EventStore,
  type GroupNames,
  type Partition,
} from '../src/store/event-store.ts';
import { CONTROL_LEDGER, type Store } from '../src/store/store.ts';
import { openEventsOf } from './support/event-store.ts';
import { createFakeClock, type FakeClock } from './support/fake-clock.ts';
import { startServer, type TestServer } from './support/server.ts';

type Batch = { instance: string; sequence: number; events: FoldEvent[] };
type FoldEvent = Record<string, unknown> & { type: string; unit: string; time: number };
type FoldCase = {
  id: string;
  why: string;
  experiment: { startMs: number; endMs: number; metrics: Record<string, unknown>[] };
  batches: Batch[];
  atMs: number;
  expected: {
    health: {
      units: Record<string, number>;
      quarantined: number;
      outside: number;
      withoutValue: number;
      switchedLater: number;
    };
    metrics: Record<string, unknown>;
  };
};

const FOLDS = new URL('../../packages/statistics/test/vectors/folds.json', import.meta.url);
const { cases }: { cases: FoldCase[] } = JSON.parse(readFileSync(FOLDS, 'utf8'));

const HOLD_MS = 15_000;
const DAY_MS = 86_400_000;

/** Returns a metric as the API takes it. */
const metricOf = ({ where, ...metric }: Record<string, unknown>) => ({
  covariate: false,
  ...metric,
  ...(where !== undefined && {
    where: Object.entries(Object(where)).map(([attribute, value]) => ({
      attribute,
      operator: 'equals',
      value,
    })),
  }),
});

/** Moves the clock, and waits until what this causes is done. */
const moveTo = async (clock: FakeClock, time: number): Promise<void> => {
  if (time <= clock.now()) return;
  clock.jump(time - clock.now());
  await settle();
};

const settle = async (): Promise<void> => {
  for (let turn = 0; turn < TURNS; turn += 1) await new Promise(resolve => setImmediate(resolve));
};
const TURNS = 30;

const start = async (
  server: TestServer,
  { experiment }: Pick<FoldCase, 'experiment'>,
): Promise<void> => {
  for (const metric of experiment.metrics)
    expect((await server.api('POST', '/metrics', { body: metricOf(metric) })).text).toContain(
      'key',
    );
  const split = ['control', 'treatment'].map(variant => ({ variant, weight: 1 }));
  const flag = {
    key: 'checkout',
    type: 'string',
    enabled: true,
    variants: { control: 'a', treatment: 'b' },
    defaultVariant: 'control',
    rules: [{ id: 'test', split }],
  };
  expect((await server.api('POST', '/flags', { body: flag })).status).toBe(201);
  const body = {
    key: 'ab',
    flag: 'checkout',
    rule: 'test',
    control: 'control',
    metrics: experiment.metrics.map(({ key }) => ({ metric: key, role: 'primary' })),
    plan: { end: new Date(experiment.endMs).toISOString(), units: 100 },
  };
  expect((await server.api('POST', '/experiments', { body })).status).toBe(201);
  const started = await server.api('POST', '/experiments/ab/start');
  expect([started.status, started.text]).toEqual([200, expect.any(String)]);
};

/** A log of days is sent as it happens, so each event is a batch. Inside of some seconds its order stays. */
const sentEvents = ({ batches }: Pick<FoldCase, 'batches'>) =>
  batches
    .flatMap(({ instance, sequence, events }) =>
      events.map((event, index) => ({ id: `${instance}-${sequence}-${index}`, event })),
    )
    .map((each, index) => ({ ...each, index, period: Math.floor(each.event.time / 10_000) }))
    .toSorted((a, b) => a.period - b.period || a.index - b.index);

const send = async (
  server: TestServer,
  clock: FakeClock,
  each: Pick<FoldCase, 'batches'>,
): Promise<void> => {
  for (const { id, event } of sentEvents(each)) {
    await moveTo(clock, event.time);
    const { time, unit, ...fields } = event;
    const who =
      event.type === 'exposure' ? { experiment: 'ab', unit } : { units: { targetingKey: unit } };
    const body = {
      instance: id.padEnd(16, '_'),
      sequence: 1,
      sentAtMs: clock.now(),
      hashedUnits: true,
      events: [{ ...fields, ...who, timeMs: time }],
    };
    const sent = await server.api('POST', '/events', { body });
    expect([sent.status, sent.body]).toEqual([202, { accepted: 1, rejected: [] }]);
  }
};

/** Opens an empty store. Its log has about so many bytes in each partition. */
type Open = (logBytes?: number) => Promise<Store>;

/** The logs of the fold, sent over HTTP, and folded by a server. */
export const describeEvents = (name: string, open: Open): void => {
  describe(`events in ${name}`, () => {
    it.each(cases.map(each => [each.id, each.why, each] as const))(
      'of the log %s: %s',
      async (_, __, each) => {
        const clock = createFakeClock(each.experiment.startMs);
        await using server = await startServer({ clock, store: await open() });
        await start(server, each);
        await send(server, clock, each);
        clock.jump(HOLD_MS + 1_000);
        const isDone = () => {
          clock.jump(1_000);
          return isFolded(server);
        };
        await expect.poll(isDone).toBe(true);
        expect(await momentsOf(server, clock, each)).toEqual({
          units: each.expected.health.units,
          metrics: each.expected.metrics,
        });
        const { quarantined, outside, withoutValue, switchedLater } = each.expected.health;
        expect((await server.api('GET', '/experiments/ab/health')).body).toMatchObject({
          quarantined,
          outside,
          withoutValue,
          switchedLater,
        });
        await expectSameWhenSettled(server, clock, each);
      },
    );

    it('before the first exposure of a unit are its covariate, in which what is a week older counts half', async () => {
      const clock = createFakeClock();
      await using server = await startServer({ clock, store: await open() });
      const experiment = { ...ONE_METRIC, metrics: [REVENUE] };
      await start(server, { experiment });
      const startMs = clock.now();
      const batches = [{ instance: 'i', sequence: 1, events: PURCHASES.map(at(startMs)) }];
      await send(server, clock, { batches });
      await foldAll(server, clock);
      const atMs = startMs + 30 * DAY_MS;
      const { metrics } = await momentsOf(server, clock, { experiment, atMs });
      const before = [100 * 2 ** (-10 / 7) + 20 / 2, 0, 30 / 2];
      const after = [7, 5, 3];
      const total = (f: (unit: number) => number) => [0, 1, 2].reduce((sum, x) => sum + f(x), 0);
      expect(metrics).toMatchObject({
        revenue: {
          mature: {
            control: {
              n: 3,
              sum: 15,
              sumCovariate: expect.closeTo(total(x => before[x] ?? 0)),
              sumSquaresCovariate: expect.closeTo(total(x => (before[x] ?? 0) ** 2)),
              sumProductsCovariate: expect.closeTo(total(x => (before[x] ?? 0) * (after[x] ?? 0))),
            },
          },
        },
      });
    });

    it('leave the log when they are folded and it is too large, and not before', async () => {
      const clock = createFakeClock();
      await using server = await startServer({ clock, store: await open(LOG_BYTES) });
      await start(server, { experiment: ONE_METRIC });
      await sendLarge(server, clock);
      expect(await exportedEvents(server)).toBe(LARGE_EVENTS);
      clock.jump(HOLD_MS + 1_000);
      const isTrimmed = async () => {
        clock.jump(1_000);
        return (await isFolded(server)) && (await exportedEvents(server)) < 20;
      };
      await expect.poll(isTrimmed).toBe(true);
      const left = await exportedEvents(server);
      expect(left).toBeGreaterThan(0);
      await sendLarge(server, clock);
      expect(await exportedEvents(server)).toBe(left + LARGE_EVENTS);
    });

    it('are exported after each cursor of an export, and after no other one', async () => {
      const clock = createFakeClock();
      await using server = await startServer({ clock, store: await open() });
      await start(server, { experiment: ONE_METRIC });
      await buyAfterExposure(server, clock, ['ada', 'bob', 'carol']);
      const { text } = await server.api('GET', '/events/export');
      const { cursor } = JSON.parse(text.trim().split('\n').at(-1) ?? '');
      const after = async (position: string) =>
        server.api('GET', `/events/export?after=${position}`);
      expect(JSON.parse((await after(cursor)).text)).toEqual({ cursor });
      for (const unknown of [plusOne(cursor), cursor.replaceAll(/\d+/g, '9'.repeat(19))]) {
        const { status, body } = await after(unknown);
        expect([status, body.error.details]).toEqual([
          400,
          [
            {
              path: 'after',
              message: expect.stringContaining('leave it out to export from the start'),
            },
          ],
        ]);
      }
    });

    it('are missed by the start of a run if none came in the last 7 days', async () => {
      const clock = createFakeClock();
      await using server = await startServer({ clock, store: await open() });
      await start(server, { experiment: ONE_METRIC });
      const begin = async () => {
        expect((await server.api('POST', '/experiments/ab/stop')).status).toBe(200);
        return (await server.api('POST', '/experiments/ab/restart')).body.warnings;
      };
      const message = expect.stringContaining('event "bought" was not seen in the last 7 days');
      const missed = [{ path: 'metrics.0.metric', code: 'eventNotSeen', message }];
      expect(await begin()).toEqual(missed);
      const buy = async (unit: string, event: string) => {
        const timeMs = clock.now();
        const units = { targetingKey: unit };
        const body = {
          instance: `instance-of-${unit}-${timeMs}`,
          sequence: 1,
          sentAtMs: timeMs,
          events: [{ type: 'track', name: event, timeMs, units }],
        };
        await server.api('POST', '/events', { body });
        clock.jump(HOLD_MS + 1_000);
        const isDone = () => {
          clock.jump(1_000);
          return isFolded(server);
        };
        await expect.poll(isDone).toBe(true);
      };
      await buy('ada', 'bougth');
      expect(await begin()).toEqual(missed);
      await buy('ada', 'bought');
      expect(await begin()).toBeUndefined();
      clock.jump(4 * DAY_MS);
      await buy('bob', 'bought');
      clock.jump(4 * DAY_MS);
      expect(await begin()).toBeUndefined();
      clock.jump(4 * DAY_MS);
      expect(await begin()).toEqual(missed);
    });

    it('leave nothing of an erased unit, and of earlier runs nothing after 25 hours', async () => {
      const clock = createFakeClock();
      const store = await open();
      await using server = await startServer({ clock, store, keepsUnits: true });
      const body = { key: 'visits', kind: 'count', event: 'bought', window: { toMs: 3_600_000 } };
      expect((await server.api('POST', '/metrics', { body })).status).toBe(201);
      await start(server, { experiment: ONE_METRIC });
      const opened = await openEventsOf(store);
      const events = { store: opened.store, ledger: await ledgerOf(store) };
      await buyAfterExposure(server, clock, ['ada', 'bob']);
      clock.jump(27 * HOUR_MS);
      await buyAfterExposure(server, clock, ['carol', 'dave']);
      const units = await hashedUnits(server);
      const stored = () => storedOf(events, units);
      const storedLater = () => {
        clock.jump(MINUTE_MS);
        return stored();
      };
      await expect.poll(storedLater).toEqual({
        ada: ['settled', 'profile'],
        bob: ['settled', 'profile'],
        carol: ['state', 'profile'],
        dave: ['state', 'profile'],
      });

      expect((await server.api('POST', '/experiments/ab/stop')).status).toBe(200);
      expect((await server.api('POST', '/experiments/ab/restart')).status).toBe(200);
      expect((await server.api('DELETE', '/metrics/visits')).status).toBe(204);
      for (const unit of ['ada', 'carol']) {
        const erased = { attribute: 'targetingKey', unit };
        expect((await server.api('POST', '/events/erase', { body: erased })).status).toBe(202);
      }
      await foldAll(server, clock);
      const left = { ada: [], bob: ['settled', 'profile'], carol: [], dave: ['state', 'profile'] };
      await expect.poll(storedLater).toEqual(left);

      const foundUnusedAt = () => {
        clock.jump(MINUTE_MS);
        return unusedSince(events, units);
      };
      await expect.poll(foundUnusedAt).toBeGreaterThan(0);
      // The clock has passed on since then.
      clock.jump((await unusedSince(events, units)) + 24 * HOUR_MS - clock.now());
      await sweep(server, clock);
      await expect.poll(stored).toEqual(left);
      clock.jump(HOUR_MS);
      const after = { ada: [], bob: ['profile'], carol: [], dave: ['profile'] };
      const allLater = async () => ({
        ...(await storedLater()),
        cohorts: await cohortsOf(events, units),
      });
      await expect.poll(allLater).toEqual({ ...after, cohorts: 0 });
      clock.jump(90 * DAY_MS);
      const none = { ada: [], bob: [], carol: [], dave: [], cohorts: 0 };
      await expect.poll(allLater).toEqual(none);
      await opened.close();
    });

    it('are found without an inventory, and in an environment without a metric', async () => {
      const clock = createFakeClock();
      const store = await open();
      await using server = await startServer({ clock, store, keepsUnits: true });
      await start(server, { experiment: ONE_METRIC });
      const opened = await openEventsOf(store);
      const events = { store: opened.store, ledger: await ledgerOf(store) };
      await buyAfterExposure(server, clock, ['ada', 'bob']);
      const units = await hashedUnits(server);
      for (const each of Object.values(units)) await makeEarlier(events, each);
      expect((await server.api('POST', '/experiments/ab/stop')).status).toBe(200);
      expect((await server.api('DELETE', '/experiments/ab')).status).toBe(204);
      expect((await server.api('DELETE', '/metrics/bought')).status).toBe(204);

      const erased = { attribute: 'targetingKey', unit: 'ada' };
      expect((await server.api('POST', '/events/erase', { body: erased })).status).toBe(202);
      const storedLater = () => {
        clock.jump(HOLD_MS);
        return storedOf(events, units);
      };
      await expect.poll(storedLater).toEqual({ ada: [], bob: ['state'] });
      const old = { ...units['ada'], run: SUPERSEDED } as HashedUnit;
      expect(await storedOf(events, { ada: old })).toEqual({ ada: [] });

      const groupsLater = async () => {
        clock.jump(5 * HOUR_MS);
        return (await groupsOfUnits(events, units)).length;
      };
      expect(await groupsLater()).toBeGreaterThan(OLD_GROUPS);
      await expect.poll(groupsLater).toBe(0);
      await opened.close();
    });
  });
};

/** A run that was restarted before partitions had an inventory. */
const SUPERSEDED = 'superseded';
/** More than are read at once. */
const OLD_GROUPS = 1_200;

/** Makes the partition of a unit one that an earlier version has written, with another run of the unit. */
const makeEarlier = async (
  { store, ledger }: Events,
  { unit, number }: HashedUnit,
): Promise<void> => {
  const partition = { ledger, number };
  const expected = await store.cursor(partition);
  const cells = [
    stateCell(SUPERSEDED, unit),
    ...Array.from({ length: OLD_GROUPS }, (_, bucket) => ({
      group: GROUPS.states(SUPERSEDED, bucket),
      field: 'another1',
    })),
  ];
  const isWritten = await store.write(partition, {
    expected,
    cursor: afterChange(expected),
    values: cells.map(cell => ({ ...cell, value: 'a state' })),
    removed: [],
    removedGroups: [GROUPS.inventory],
  });
  expect(isWritten).toBe(true);
};

/** Returns the groups in which the partitions of units have anything of units. */
const groupsOfUnits = async (
  { store, ledger }: Events,
  units: Record<string, HashedUnit>,
): Promise<string[]> => {
  const names: string[] = [];
  for (const { number } of Object.values(units)) {
    let from: string | undefined = '';
    while (from !== undefined) {
      const page: GroupNames = await store.groups({ ledger, number }, from);
      names.push(...page.names);
      from = page.next;
    }
  }
  return names.filter(name => unitsKeyOf(name) !== undefined);
};

const VISITS = covariateName('targetingKey', 'visits');
const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;

const foldAll = async (server: TestServer, clock: FakeClock): Promise<void> => {
  clock.jump(HOLD_MS + 1_000);
  const isDone = () => {
    clock.jump(1_000);
    return isFolded(server);
  };
  await expect.poll(isDone).toBe(true);
};

/** Moves the clock until the fold has checked several times what to settle or remove. */
const sweep = async (server: TestServer, clock: FakeClock): Promise<void> => {
  for (let minute = 0; minute < 3; minute += 1) {
    clock.jump(MINUTE_MS);
    await foldAll(server, clock);
  }
};

/** Sends an exposure and an event of each unit. */
const buyAfterExposure = async (
  server: TestServer,
  clock: FakeClock,
  units: readonly string[],
): Promise<void> => {
  const timeMs = clock.now();
  const events = await Promise.all(
    units.map(async unit => {
      const context = { targetingKey: unit };
      const { body } = await server.api('POST', '/evaluate', {
        body: { flagKey: 'checkout', context },
      });
      return [
        { type: 'exposure', experiment: 'ab', variant: body.variant, unit, timeMs },
        { type: 'track', name: 'bought', timeMs, units: context },
      ];
    }),
  );
  const instance = `instance-at-${timeMs}`;
  const body = { instance, sequence: 1, sentAtMs: timeMs, events: events.flat() };
  const sent = await server.api('POST', '/events', { body });
  expect([sent.status, sent.body.rejected]).toEqual([202, []]);
  await foldAll(server, clock);
};

/** Returns a cursor with the next id in each partition that has entries. */
const plusOne = (cursor: string): string =>
  cursor.replaceAll(/\d+(?=\.|$)/g, number =>
    String(BigInt(number) + 1n).padStart(number.length, '0'),
  );

type HashedUnit = { readonly unit: string; readonly number: number; readonly run: string };

/** Returns the units of the exposures in the log, by the units that were sent. */
const hashedUnits = async (server: TestServer): Promise<Record<string, HashedUnit>> => {
  const { text } = await server.api('GET', '/events/export?limit=1000');
  const lines = text
    .trim()
    .split('\n')
    .map(line => JSON.parse(line));
  return Object.fromEntries(
    lines
      .filter(({ type }) => type === 'exposure')
      .map(({ clear, unit, partition, run }) => [clear, { unit, number: partition, run }]),
  );
};

type Events = { readonly store: EventStore; readonly ledger: Partition['ledger'] };

const ledgerOf = async (store: Store): Promise<Partition['ledger']> => {
  const control = await store.read(CONTROL_LEDGER);
  const id = control?.records.environments.get('production')?.document.ledger ?? '';
  return { kind: 'flagSet', id };
};

/** Returns what the store has of each unit. */
const storedOf = async (
  { store, ledger }: Events,
  units: Record<string, HashedUnit>,
): Promise<Record<string, string[]>> => {
  const kinds = ['state', 'settled', 'profile'] as const;
  const found = await Promise.all(
    Object.entries(units).map(async ([name, { unit, number, run }]) => {
      const values = await store.load({ ledger, number }, [
        stateCell(run, unit),
        settledCell(run, bytesOfUnit(unit), store.partitions),
        profileCell(VISITS, unit),
      ]);
      return [name, kinds.filter((_, at) => (values[at] ?? '') !== '')] as const;
    }),
  );
  return Object.fromEntries(found);
};

/** Returns since when the run and the covariate of the units are known to be unused, which is 0 while one is not. */
const unusedSince = async (
  { store, ledger }: Events,
  units: Record<string, HashedUnit>,
): Promise<number> => {
  const cells = (run: string) =>
    (
      [
        { kind: 'run', name: run },
        { kind: 'covariate', name: VISITS },
      ] as const
    ).map(entryCell);
  const found = await Promise.all(
    Object.values(units).map(({ number, run }) => store.load({ ledger, number }, cells(run))),
  );
  return Math.min(...found.flat().map(text => Number(text ?? 0)));
};

const cohortsOf = async (
  { store, ledger }: Events,
  units: Record<string, HashedUnit>,
): Promise<number> => {
  const groups = await Promise.all(
    Object.values(units).map(({ number, run }) =>
      store.loadGroup({ ledger, number }, GROUPS.cohorts(run)),
    ),
  );
  return groups.reduce((sum, { size }) => sum + size, 0);
};

const LOG_BYTES = 16_384;
const LARGE_EVENTS = 60;
const ONE_METRIC = {
  startMs: 0,
  endMs: Date.parse('2027-01-01T00:00:00Z'),
  metrics: [{ key: 'bought', kind: 'count', event: 'bought', window: { toMs: 3_600_000 } }],
};

const REVENUE = {
  key: 'revenue',
  kind: 'sum',
  event: 'bought',
  window: { toMs: DAY_MS },
  covariate: true,
};

/** The days of what three units bought, before and after their first exposures. */
const PURCHASES = [
  { type: 'track', unit: 'ada', name: 'bought', day: 0, value: 100 },
  { type: 'track', unit: 'ada', name: 'bought', day: 3, value: 20 },
  { type: 'exposure', unit: 'ada', variant: 'control', day: 10 },
  { type: 'track', unit: 'ada', name: 'bought', day: 10.5, value: 7 },
  { type: 'exposure', unit: 'ada', variant: 'control', day: 10.75 },
  { type: 'exposure', unit: 'bob', variant: 'control', day: 11 },
  { type: 'track', unit: 'bob', name: 'bought', day: 11.5, value: 5 },
  { type: 'track', unit: 'cy', name: 'bought', day: 5, value: 30 },
  { type: 'track', unit: 'cy', name: 'bought', day: 6 },
  { type: 'track', unit: 'cy', name: 'bought', day: 12, value: 3 },
  { type: 'exposure', unit: 'cy', variant: 'control', day: 12 },
  { type: 'track', unit: 'cy', name: 'bought', day: 14, value: 9 },
];

const at =
  (startMs: number) =>
  ({ day, ...event }: (typeof PURCHASES)[number]): FoldEvent => ({
    ...event,
    time: startMs + day * DAY_MS,
  });

/** Sends one event in each batch, all of one unit, which are more than the log may have. */
const sendLarge = async (server: TestServer, clock: FakeClock): Promise<void> => {
  const attributes = { text: 'x'.repeat(1_000) };
  for (let sequence = 1; sequence <= LARGE_EVENTS; sequence += 1) {
    const timeMs = clock.now();
    const units = { targetingKey: 'ada' };
    const body = {
      instance: `large-${timeMs}-${sequence}`,
      sequence: 1,
      sentAtMs: timeMs,
      events: [{ type: 'track', name: 'bought', timeMs, attributes, units }],
    };
    expect((await server.api('POST', '/events', { body })).body.accepted).toBe(1);
  }
};

const exportedEvents = async (server: TestServer): Promise<number> => {
  const { text } = await server.api('GET', '/events/export?limit=1000');
  return text.trim().split('\n').length - 1;
};

const isFolded = async (server: TestServer): Promise<boolean> =>
  (await server.api('GET', '/experiments/ab/moments')).body.lagSeconds === 0;

/** Returns what the server has, as `folds.json` has it. */
const momentsOf = async (
  server: TestServer,
  clock: FakeClock,
  { experiment, atMs }: Pick<FoldCase, 'experiment' | 'atMs'>,
) => {
  await moveTo(clock, atMs);
  const path = `/experiments/ab/moments?at=${new Date(atMs).toISOString()}`;
  const { body, status, text } = await server.api('GET', path);
  expect([status, text]).toEqual([200, expect.any(String)]);
  const { units, quarantined, metrics } = body;
  const byVariant = <Value>(f: (variant: string) => Value) => ({
    control: f('control'),
    treatment: f('treatment'),
  });
  return {
    units: byVariant(variant => units[variant] - quarantined[variant]),
    metrics: Object.fromEntries(
      experiment.metrics.map(({ key, kind }) => [
        key,
        {
          mature: byVariant(variant => metrics[String(key)][variant].mature),
          ...(kind === 'conversion' && {
            soFar: byVariant(variant => metrics[String(key)][variant].soFar),
          }),
        },
      ]),
    ),
  };
};

/** No event changes the values of a unit so long after the last one. */
const SETTLED_MS = 100 * 86_400_000;

/** Compares all moments with those after the states of units were replaced, and cohorts merged. */
const expectSameWhenSettled = async (
  server: TestServer,
  clock: FakeClock,
  each: FoldCase,
): Promise<void> => {
  const units = [
    ...new Set(
      each.batches.flatMap(({ events }) =>
        events.flatMap(({ type, unit }) => (type === 'exposure' ? [unit] : [])),
      ),
    ),
  ];
  const statesOf = async () => {
    const found = await Promise.all(
      units.map(unit => server.api('POST', '/experiments/ab/unit', { body: { unit } })),
    );
    return found.flatMap(({ body: { exposure } }) => (exposure === null ? [] : [exposure]));
  };
  const before = await statesOf();
  const sums = () => momentsOf(server, clock, { ...each, atMs: clock.now() });
  clock.jump(SETTLED_MS);
  const expected = await sums();
  const isSettled = async () => {
    clock.jump(1_000);
    return (await statesOf()).every(({ settled }) => settled);
  };
  await expect.poll(isSettled).toBe(true);
  expect(await sums()).toEqual(expected);
  const after = await statesOf();
  expect(after.map(({ variant }) => variant)).toEqual(before.map(({ variant }) => variant));
};
