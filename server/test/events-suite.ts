import { readFileSync } from 'node:fs';

import { describe, expect, it } from 'vitest';

import type { Store } from '../src/store/store.ts';
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
  ...metric,
  covariate: false,
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
const sentEvents = ({ batches }: FoldCase) =>
  batches
    .flatMap(({ instance, sequence, events }) =>
      events.map((event, index) => ({ id: `${instance}-${sequence}-${index}`, event })),
    )
    .map((each, index) => ({ ...each, index, period: Math.floor(each.event.time / 10_000) }))
    .toSorted((a, b) => a.period - b.period || a.index - b.index);

const send = async (server: TestServer, clock: FakeClock, each: FoldCase): Promise<void> => {
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
        await expect.poll(isDone, { timeout: 20_000 }).toBe(true);
        expect(await momentsOf(server, clock, each)).toEqual({
          units: each.expected.health.units,
          metrics: each.expected.metrics,
        });
        await expectSameWhenSettled(server, clock, each);
      },
    );

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
      await expect.poll(isTrimmed, { timeout: 20_000 }).toBe(true);
      const left = await exportedEvents(server);
      expect(left).toBeGreaterThan(0);
      await sendLarge(server, clock);
      expect(await exportedEvents(server)).toBe(left + LARGE_EVENTS);
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
        await expect.poll(isDone, { timeout: 20_000 }).toBe(true);
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
  });
};

const LOG_BYTES = 16_384;
const LARGE_EVENTS = 60;
const ONE_METRIC = {
  startMs: 0,
  endMs: Date.parse('2027-01-01T00:00:00Z'),
  metrics: [{ key: 'bought', kind: 'count', event: 'bought', window: { toMs: 3_600_000 } }],
};

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
const momentsOf = async (server: TestServer, clock: FakeClock, { experiment, atMs }: FoldCase) => {
  await moveTo(clock, atMs);
  const at = new Date(atMs).toISOString();
  const { body, status, text } = await server.api('GET', `/experiments/ab/moments?at=${at}`);
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
  await expect.poll(isSettled, { timeout: 20_000 }).toBe(true);
  expect(await sums()).toEqual(expected);
  const after = await statesOf();
  expect(after.map(({ variant }) => variant)).toEqual(before.map(({ variant }) => variant));
};
