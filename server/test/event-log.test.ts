import { createHash } from 'node:crypto';

import { expect, it } from 'vitest';

import { createMemoryEventStore } from '../src/store/memory-event-store.ts';
import type { Store } from '../src/store/store.ts';
import { createFakeClock, type FakeClock } from './support/fake-clock.ts';
import { startServer, type TestServer } from './support/server.ts';

const HOUR_MS = 3_600_000;
const HOLD_MS = 15_000;
const UNITS = Array.from({ length: 12 }, (_, number) => `user-${number}`);

const start = async (
  wrapStore: (store: Store) => Store = store => store,
  { keepsUnits = false } = {},
) => {
  const clock = createFakeClock();
  const server = await startServer({ clock, wrapStore, keepsUnits });
  await server.api('POST', '/metrics', {
    body: { key: 'bought', kind: 'count', event: 'bought', window: { toMs: HOUR_MS } },
  });
  const split = [
    { variant: 'off', weight: 1 },
    { variant: 'on', weight: 1 },
  ];
  await server.api('POST', '/flags', {
    body: { key: 'checkout', enabled: true, rules: [{ id: 'test', split }] },
  });
  const metrics = [{ metric: 'bought', role: 'primary' }];
  const experiment = { key: 'ab', flag: 'checkout', rule: 'test', control: 'off', metrics };
  await server.api('POST', '/experiments', { body: experiment });
  expect((await server.api('POST', '/experiments/ab/start')).status).toBe(200);
  return { clock, server, [Symbol.asyncDispose]: () => server.close() };
};

const variantOf = async (server: TestServer, unit: string): Promise<string> => {
  const context = { targetingKey: unit };
  return (await server.api('POST', '/evaluate', { body: { flagKey: 'checkout', context } })).body
    .variant;
};

let sequence = 0;
const send = async (
  server: TestServer,
  clock: FakeClock,
  events: readonly object[],
  hashedUnits = false,
) => {
  sequence += 1;
  const timeMs = clock.now();
  const body = {
    instance: 'instance-0123456789',
    sequence,
    sentAtMs: timeMs,
    hashedUnits,
    events: events.map(event => ({ timeMs, ...event })),
  };
  const sent = await server.api('POST', '/events', { body });
  expect([sent.status, sent.body.rejected]).toEqual([202, []]);
};

const exposure = async (server: TestServer, unit: string) => ({
  type: 'exposure',
  experiment: 'ab',
  variant: await variantOf(server, unit),
  unit,
});
const bought = (unit: string) => ({ type: 'track', name: 'bought', units: { targetingKey: unit } });

const fill = async ({ server, clock }: { server: TestServer; clock: FakeClock }) => {
  const exposures = await Promise.all(UNITS.map(unit => exposure(server, unit)));
  await send(server, clock, exposures);
  await send(server, clock, UNITS.map(bought));
};

const exported = async (server: TestServer, query = '?') => {
  const response = await server.api('GET', `/events/export${query}`);
  expect([response.status, response.text]).toEqual([200, expect.any(String)]);
  const lines = response.text
    .trim()
    .split('\n')
    .map(line => JSON.parse(line));
  return { events: lines.slice(0, -1), cursor: String(lines.at(-1).cursor) };
};

/** Resolves when the fold of what is no longer held has ended. */
const fold = async (clock: FakeClock) => {
  clock.advance(HOLD_MS);
  // A fold that has begun during the hold takes what is due in the next one.
  for (let second = 0; second < 3; second += 1) {
    clock.advance(1_000);
    await settle();
  }
};
const settle = async () => {
  for (let turn = 0; turn < 25; turn += 1) await new Promise(resolve => setImmediate(resolve));
};

it('the log is exported in order, in parts that a cursor continues', async () => {
  await using started = await start();
  const { server } = started;
  await fill(started);
  const all = await exported(server);
  expect(all.events.map(({ type }) => type)).toEqual([
    ...UNITS.map(() => 'exposure'),
    ...UNITS.map(() => 'track'),
  ]);
  expect(all.events[0]).toMatchObject({
    partition: 0,
    receivedMs: expect.any(Number),
    instance: 'instance-0123456789',
    sdk: 'unknown',
    experiment: 'ab',
    unit: expect.stringMatching(/^[\w-]{11}$/),
  });
  expect(JSON.stringify(all.events)).not.toContain('user-');
  const first = await exported(server, '?limit=1');
  const rest = await exported(server, `?after=${first.cursor}`);
  expect([...first.events, ...rest.events]).toEqual(all.events);
  expect(await exported(server, `?after=${all.cursor}`)).toEqual({
    events: [],
    cursor: all.cursor,
  });
});

it('a cursor or a limit that is not one is refused with its name', async () => {
  await using started = await start();
  for (const [query, path] of [
    ['?after=x', 'after'],
    ['?limit=0', 'limit'],
    ['?limit=1001', 'limit'],
    ['?until=1', 'until'],
  ] as const) {
    const { status, body } = await started.server.api('GET', `/events/export${query}`);
    expect([status, body.error.details[0].path]).toEqual([400, path]);
  }
});

it('a cursor that the log no longer reaches is refused with 410', async () => {
  let trimmed = '';
  const events = createMemoryEventStore();
  await using started = await start(store => ({
    ...store,
    events: {
      store: {
        ...events,
        read: (partition, after, limit) =>
          events.read(partition, after > trimmed ? after : trimmed, limit),
      },
    },
  }));
  const { server } = started;
  await fill(started);
  const { cursor } = await exported(server, '?limit=1');
  trimmed = cursor;
  const { status, body } = await server.api('GET', `/events/export?after=${cursor}`);
  expect([status, body.error.code]).toEqual([410, 'GONE']);
  const [{ path, message: oldest }] = body.error.details;
  expect(path).toBe('after');
  const { events: left } = await exported(server, `?after=${oldest}`);
  expect(left.length).toBeGreaterThan(0);
  expect(left).toEqual((await exported(server)).events);
});

it('only an administrator reads and erases events', async () => {
  await using started = await start();
  const { server } = started;
  for (const role of ['editor', 'server', 'client'] as const) {
    const key = await server.keyOf(role);
    expect((await server.api('GET', '/events/export', { key })).status).toBe(403);
    const body = { attribute: 'targetingKey', unit: 'user-1' };
    expect((await server.api('POST', '/events/erase', { key, body })).status).toBe(403);
  }
});

const find = async (server: TestServer, unit: string) => {
  const { status, body } = await server.api('POST', '/experiments/ab/unit', { body: { unit } });
  return [status, body];
};

it('a unit is looked up by its value, hashed by the sender or not', async () => {
  await using started = await start();
  const { server, clock } = started;
  await fill(started);
  await send(server, clock, [bought('user-1')]);
  const hashed = createHash('sha256').update('ada').digest('hex');
  await send(server, clock, [{ ...(await exposure(server, 'ada')), unit: hashed }], true);
  const firstAt = new Date(clock.now()).toISOString();
  const variant = await variantOf(server, 'user-1');
  expect(await find(server, 'user-1')).toEqual([
    200,
    expect.objectContaining({ attribute: 'targetingKey', assigned: variant, exposure: null }),
  ]);
  await fold(clock);
  expect(await find(server, 'user-1')).toEqual([
    200,
    {
      experiment: 'ab',
      run: expect.any(String),
      attribute: 'targetingKey',
      assigned: variant,
      exposure: { variant, firstAt, quarantined: false, settled: false },
      metrics: [{ metric: 'bought', value: 2, denominator: null, countsFrom: expect.any(String) }],
    },
  ]);
  expect((await find(server, 'ada'))[1].exposure.variant).toBe(await variantOf(server, 'ada'));
  expect(await find(server, '')).toEqual([400, expect.anything()]);
  const key = await server.keyOf('editor');
  const refused = await server.api('POST', '/experiments/ab/unit', { key, body: { unit: 'ada' } });
  expect(refused.status).toBe(403);
});

it('what a unit does counts if its exposure arrives some seconds later', async () => {
  await using started = await start();
  const { server, clock } = started;
  const exposedAt = clock.now();
  clock.advance(1_000);
  await send(server, clock, UNITS.map(bought));
  clock.advance(9_000);
  const late = { ...(await exposure(server, 'user-3')), timeMs: exposedAt };
  await send(server, clock, [late]);
  // Here the tracking event has been held long enough, and the exposure has not.
  for (let second = 0; second < 8; second += 1) {
    clock.advance(1_000);
    await settle();
  }
  await fold(clock);
  clock.jump(2 * HOUR_MS);
  const { metrics, units } = (await server.api('GET', '/experiments/ab/moments')).body;
  expect(units[late.variant]).toBe(1);
  expect(metrics.bought[late.variant].mature).toMatchObject({ n: 1, sum: 1 });
  const health = (await server.api('GET', '/experiments/ab/health')).body;
  expect(health).toMatchObject({ exposures: 1, repeats: 0, late: 0 });
});

it('an erased unit has no state and is in no export, and counts as new afterwards', async () => {
  await using started = await start();
  const { server, clock } = started;
  await fill(started);
  await fold(clock);
  const before = await exported(server);
  const erase = await server.api('POST', '/events/erase', {
    body: { attribute: 'targetingKey', unit: 'user-3' },
  });
  expect(erase.status).toBe(202);
  await fold(clock);
  const after = await exported(server);
  const erased = before.events[3].unit;
  expect(before.events.filter(({ unit }) => unit === erased)).toHaveLength(2);
  expect(after.events).toEqual(before.events.filter(({ unit }) => unit !== erased));
  await send(server, clock, [await exposure(server, 'user-3'), await exposure(server, 'user-4')]);
  await fold(clock);
  const health = (await server.api('GET', '/experiments/ab/health')).body;
  expect(health).toMatchObject({ exposures: UNITS.length + 2, repeats: 1 });
});

it('a unit is erased while nothing is measured, too', async () => {
  await using started = await start();
  const { server, clock } = started;
  await fill(started);
  await fold(clock);
  await server.api('POST', '/experiments/ab/stop');
  await server.api('DELETE', '/experiments/ab');
  expect((await server.api('DELETE', '/metrics/bought')).status).toBe(204);
  await server.api('POST', '/events/erase', {
    body: { attribute: 'targetingKey', unit: 'user-3' },
  });
  await fold(clock);
  expect((await exported(server)).events).toHaveLength(2 * (UNITS.length - 1));
});

it('a unit that its sender has hashed is erased, too', async () => {
  await using started = await start();
  const { server, clock } = started;
  const hashed = createHash('sha256').update('ada').digest('hex');
  await send(server, clock, [{ ...(await exposure(server, 'ada')), unit: hashed }], true);
  await fold(clock);
  expect((await find(server, 'ada'))[1].exposure).not.toBeNull();
  await server.api('POST', '/events/erase', { body: { attribute: 'targetingKey', unit: 'ada' } });
  await fold(clock);
  expect((await find(server, 'ada'))[1].exposure).toBeNull();
  expect((await exported(server)).events).toEqual([]);
});

it('the log has the units themselves only if it is set to, and none that was erased', async () => {
  await using started = await start(undefined, { keepsUnits: true });
  const { server, clock } = started;
  await fill(started);
  const clear = async () => (await exported(server)).events.map(event => event.clear);
  expect(await clear()).toEqual([...UNITS, ...UNITS]);
  const body = { attribute: 'targetingKey', unit: 'user-3' };
  await server.api('POST', '/events/erase', { body });
  await fold(clock);
  const others = UNITS.filter(unit => unit !== 'user-3');
  expect(await clear()).toEqual([...others, ...others]);
});

it('a unit that comes again after its values became final is still known', async () => {
  await using started = await start();
  const { server, clock } = started;
  await fill(started);
  await fold(clock);
  const lookUp = async (unit: string) =>
    (await server.api('POST', '/experiments/ab/unit', { body: { unit } })).body;
  const first = await lookUp('user-1');
  expect([first.exposure.settled, first.metrics[0].value]).toEqual([false, 1]);
  clock.jump(24 * HOUR_MS);
  await fold(clock);
  expect((await lookUp('user-1')).exposure.settled).toBe(false);
  clock.jump(4 * HOUR_MS);
  await fold(clock);
  const settled = await lookUp('user-1');
  expect(settled).toMatchObject({
    exposure: { variant: first.exposure.variant, quarantined: false, settled: true },
    metrics: [],
  });
  const moments = async () => (await server.api('GET', '/experiments/ab/moments')).body.metrics;
  const before = await moments();
  const same = await exposure(server, 'user-1');
  const other = same.variant === 'on' ? 'off' : 'on';
  await send(server, clock, [same, bought('user-1')]);
  await send(server, clock, [{ ...same, variant: other }], true);
  await fold(clock);
  expect((await server.api('GET', '/experiments/ab/health')).body).toMatchObject({
    exposures: UNITS.length + 2,
    repeats: 1,
    switchedLater: 1,
    quarantined: 0,
  });
  expect(await moments()).toEqual(before);
  await server.api('POST', '/events/erase', {
    body: { attribute: 'targetingKey', unit: 'user-1' },
  });
  await fold(clock);
  expect((await lookUp('user-1')).exposure).toBeNull();
  expect((await lookUp('user-2')).exposure.settled).toBe(true);
});

it('the health has the units of the latest days of a run that is longer than 100 days', async () => {
  await using started = await start();
  const { server, clock } = started;
  const dayOf = (at: number) => new Date(at).toISOString().slice(0, 'yyyy-mm-dd'.length);
  for (let day = 0; day <= 100; day += 1) {
    if (day > 0) clock.jump(24 * HOUR_MS);
    await send(server, clock, [await exposure(server, `unit-of-${day}`)]);
  }
  const last = dayOf(clock.now());
  clock.advance(HOLD_MS);
  await fold(clock);
  const { units } = (await server.api('GET', '/experiments/ab/health')).body;
  const days = Object.keys(units.byDay);
  expect([days.length, days.at(-1)]).toEqual([100, last]);
});

it('an erasure without its fields is refused', async () => {
  await using started = await start();
  const { status, body } = await started.server.api('POST', '/events/erase', { body: {} });
  expect(status).toBe(400);
  expect(body.error.details.map(({ path }: { path: string }) => path)).toEqual([
    'attribute',
    'unit',
  ]);
});

it.each([
  [
    5,
    /^the event must be a JSON object such as \{"type": "exposure", …\} or \{"type": "track", …\}$/,
  ],
  [{ type: 'tracked' }, /^type must be "exposure" or "track"$/],
  [{ ...bought('ada'), timeMs: 1.5 }, /^timeMs must be a whole number/],
  [{ ...bought('ada'), timeMs: 1, value: '5' }, /^value must be a number, not a string$/],
  [{ ...bought('ada'), timeMs: 1, units: {} }, /^units must have 1 to 51 units/],
  [{ ...bought('ada'), timeMs: 1, price: 5 }, /^price is an unknown field/],
])(
  'what does not have the form of an event is rejected with the remedy: %j',
  async (event, message) => {
    await using started = await start();
    const { server, clock } = started;
    const body = { instance: 'instance-0123456789', sequence: 1, sentAtMs: clock.now() };
    const sent = await server.api('POST', '/events', { body: { ...body, events: [event] } });
    expect([sent.status, sent.body.rejected]).toEqual([
      202,
      [{ index: 0, code: 'INVALID', message: expect.stringMatching(message) }],
    ]);
  },
);

it.each(['application/json', 'text/plain'])(
  'a number that is too large takes nothing from other events, in %s',
  async type => {
    await using started = await start();
    const { server, clock } = started;
    const key = await server.keyOf('client', 'production');
    const timeMs = clock.now();
    const instance = 'instance-0123456789';
    const events = [
      { ...bought('ada'), timeMs, value: 2 ** 60, attributes: { order: 2 ** 53 + 2 } },
      { ...bought('bob'), timeMs, value: 'too large' },
      { ...bought('cy'), timeMs, attributes: { order: 'too large' } },
      { ...bought('dan'), timeMs },
    ];
    const batch = { instance, sequence: 1, sentAtMs: timeMs, events };
    const isBeacon = type === 'text/plain';
    const sent = await server.request('POST', '/api/v1/events', {
      text: JSON.stringify(isBeacon ? { ...batch, key } : batch).replaceAll('"too large"', '1e999'),
      key: isBeacon ? null : key,
      headers: { 'content-type': type },
    });
    expect([sent.status, sent.body.accepted, sent.body.rejected]).toMatchObject([
      202,
      2,
      [
        { index: 1, code: 'INVALID', message: expect.stringMatching(/^value /) },
        { index: 2, code: 'INVALID', message: expect.stringMatching(/^attributes/) },
      ],
    ]);
  },
);

it.each([
  ['results', ['c', 'h']],
  ['health', ['c', 'h']],
  ['moments', ['c']],
])('what is kept of a run is read once in each partition for its %s', async (what, expected) => {
  const read: string[] = [];
  const note = (group: string) => read.push(...(group.match(/^[ch](?=:)/) ?? []));
  const events = createMemoryEventStore();
  await using started = await start(store => ({
    ...store,
    events: {
      store: {
        ...events,
        load(partition, cells) {
          for (const { group } of cells) note(group);
          return events.load(partition, cells);
        },
        loadGroup(partition, group) {
          note(group);
          return events.loadGroup(partition, group);
        },
      },
    },
  }));
  await fill(started);
  await fold(started.clock);
  read.length = 0;
  const { status, body } = await started.server.api('GET', `/experiments/ab/${what}`);
  expect([status, body.experiment]).toEqual([200, 'ab']);
  expect(read.toSorted()).toEqual(expected);
});

it('a batch of more than 500 events is refused with 413', async () => {
  await using started = await start();
  const { server, clock } = started;
  const events = Array.from({ length: 501 }, () => bought('ada'));
  const body = { instance: 'instance-0123456789', sequence: 1, sentAtMs: clock.now(), events };
  const sent = await server.api('POST', '/events', { body });
  expect([sent.status, sent.body.error]).toMatchObject([413, { details: [{ path: 'events' }] }]);
});

it('a value that no sum of squares can hold is passed over', async () => {
  await using started = await start();
  const { server, clock } = started;
  const spent = { key: 'spent', kind: 'sum', event: 'bought', window: { toMs: 60_000 } };
  await server.api('POST', '/metrics', { body: spent });
  await server.api('POST', '/experiments/ab/stop');
  const metrics = [{ metric: 'spent', role: 'primary' }];
  await server.api('PATCH', '/experiments/ab', { body: { metrics } });
  await server.api('POST', '/experiments/ab/restart');
  await send(server, clock, [await exposure(server, 'ada')]);
  await send(
    server,
    clock,
    [1e308, 3, -1e308].map(value => ({ ...bought('ada'), value })),
  );
  await fold(clock);
  clock.jump(HOUR_MS);
  const moments = await server.api('GET', '/experiments/ab/moments');
  const mature = { n: 1, sum: 3, sumSquares: 9 };
  const variant = await variantOf(server, 'ada');
  expect([moments.status, moments.body.metrics?.spent[variant]]).toMatchObject([200, { mature }]);
  expect((await server.api('GET', '/experiments/ab/health')).body.withoutValue).toBe(2);
});

it('exposures to wrong variants are counted, regardless of the names that others send', async () => {
  await using started = await start();
  const { server, clock } = started;
  const served = await exposure(server, 'ada');
  const wrong = { ...served, variant: served.variant === 'on' ? 'off' : 'on', timeMs: clock.now() };
  const sendWrong = async (sdk: string) => {
    const body = { instance: sdk.padEnd(16, '_'), sequence: 1, sentAtMs: clock.now(), sdk };
    const sent = await server.api('POST', '/events', { body: { ...body, events: [wrong] } });
    expect(sent.body.rejected).toMatchObject([{ code: 'MISMATCH' }]);
  };
  for (let number = 1; number <= 120; number += 1) await sendWrong(`made-up-${number}`);
  await fold(clock);
  const mismatched = async () =>
    (await server.api('GET', '/experiments/ab/health')).body.mismatched;
  expect(await mismatched()).toMatchObject({ 'made-up-1': 1, others: 100 });
  await server.api('POST', '/experiments/ab/stop');
  await server.api('POST', '/experiments/ab/restart');
  expect(await mismatched()).toEqual({});
  await sendWrong('old');
  await fold(clock);
  expect(await mismatched()).toEqual({ old: 1 });
});

it('exposures with hashed units are counted as unverified, by SDK', async () => {
  await using started = await start();
  const { server, clock } = started;
  const sendBy = async (sdk: string, units: readonly string[], hashedUnits: boolean) => {
    const events = await Promise.all(
      units.map(async unit => ({
        ...(await exposure(server, unit)),
        // Hashes are not checked.
        ...(hashedUnits && { variant: 'on' }),
        timeMs: clock.now(),
      })),
    );
    const instance = sdk.replaceAll(/\W/g, '_').padEnd(16, '_');
    const body = { instance, sequence: 1, sentAtMs: clock.now(), sdk, hashedUnits, events };
    const sent = await server.api('POST', '/events', { body });
    expect([sent.status, sent.body.rejected]).toEqual([202, []]);
  };
  await sendBy('web 1.0.0', ['ada', 'bob', 'eve'], true);
  await sendBy('node 1.0.0', ['fay'], true);
  await sendBy('python 1.0.0', ['gus'], false);
  await fold(clock);
  const { body } = await server.api('GET', '/experiments/ab/health');
  expect(body).toMatchObject({ exposures: 5, mismatched: {} });
  expect(body.unverified).toEqual({ 'web 1.0.0': 3, 'node 1.0.0': 1 });
});
