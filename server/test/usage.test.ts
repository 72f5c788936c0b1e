import { expect, it } from 'vitest';

import { secureRandom } from '../src/random.ts';
import { emptyUsage } from '../src/store/memory-usage.ts';
import { openMemoryStore } from '../src/store/memory.ts';
import { StoreError, type Store } from '../src/store/store.ts';
import type { UsageStore } from '../src/store/usage-store.ts';
import { createFakeClock, type FakeClock } from './support/fake-clock.ts';
import { startServer, type TestServer } from './support/server.ts';

const CHECKOUT = {
  key: 'checkout',
  type: 'boolean',
  enabled: true,
  variants: { on: true, off: false },
  defaultVariant: 'off',
  rules: [
    {
      id: 'pro',
      conditions: [{ attribute: 'plan', operator: 'equals', value: 'pro' }],
      variant: 'on',
    },
  ],
  clientVisible: true,
};

const start = async (wrapStore?: (store: Store) => Store) => {
  const clock = createFakeClock();
  const server = await startServer({ clock, ...(wrapStore === undefined ? {} : { wrapStore }) });
  for (const flag of [CHECKOUT, { ...CHECKOUT, key: 'hidden', clientVisible: false }])
    expect((await server.api('POST', '/flags', { body: flag })).status).toBe(201);
  return { clock, server, [Symbol.asyncDispose]: () => server.close() };
};

/** Resolves once a flush has begun and ended. */
const flush = async (clock: FakeClock) => {
  clock.advance(10_000);
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
  await new Promise(resolve => setImmediate(resolve));
};

const countsOf = async (server: TestServer, flag = 'checkout', query = '&resolution=hour') => {
  const { body } = await server.api('GET', `/usage?flag=${flag}${query}`);
  return body.counts.map(
    ({ variant, reason, count }: { variant: string | null; reason: string; count: number }) =>
      [variant, reason, count] as const,
  );
};

const evaluate = (server: TestServer, flagKey: string, context: object, more: object = {}) =>
  server.api('POST', '/evaluate', { body: { flagKey, context, ...more } });

const PRO = { targetingKey: 'ada', plan: 'pro' };
const FREE = { targetingKey: 'bob' };

const report = (change: object = {}) => ({
  instance: 'instance-0123456789',
  sequence: 1,
  from: '2026-01-31T11:59:10.000Z',
  until: '2026-01-31T12:00:00.000Z',
  counts: [['checkout', 'on', 'TARGETING_MATCH', 7]],
  sdk: 'test 1',
  ...change,
});

it('single evaluations over REST, OFREP and tRPC count, by variant and reason', async () => {
  await using started = await start();
  const { server, clock } = started;
  await evaluate(server, 'checkout', PRO);
  await evaluate(server, 'checkout', PRO);
  await evaluate(server, 'checkout', FREE);
  await server.request('POST', '/ofrep/v1/evaluate/flags/checkout?environment=production', {
    body: { context: PRO },
  });
  const input = { environment: 'production', flagKey: 'checkout', context: FREE };
  await server.request('POST', '/trpc/evaluation.evaluate', { body: input });
  await flush(clock);
  expect(await countsOf(server)).toEqual([
    ['on', 'TARGETING_MATCH', 3],
    ['off', 'DEFAULT', 2],
  ]);
  const query = JSON.stringify({ environment: 'production', flag: 'checkout' });
  const read = await server.request('GET', `/trpc/usage.get?input=${encodeURIComponent(query)}`);
  const usage = read.body.result.data;
  expect([usage.total, usage.lastEvaluated]).toEqual([5, '2026-01-31T12:00:00.000Z']);
});

it('the last 24 hours of several flags are added up over the environments of the caller', async () => {
  await using started = await start();
  const { server, clock } = started;
  await server.request('POST', '/api/v1/environments', { body: { key: 'staging' } });
  await server.request('POST', '/api/v1/flags?environment=staging', { body: CHECKOUT });
  await server.request('POST', '/api/v1/usage?environment=staging', { body: report() });
  await evaluate(server, 'checkout', PRO);
  await flush(clock);
  clock.advance(60 * 60_000);
  await evaluate(server, 'checkout', FREE);
  await flush(clock);
  const input = { flags: ['checkout', 'hidden', 'absent', 'checkout'] };
  const path = `/trpc/usage.recent?input=${encodeURIComponent(JSON.stringify(input))}`;
  const recent = async (key?: string) =>
    (await server.request('GET', path, key === undefined ? {} : { key })).body.result.data;
  const { from, flags } = await recent();
  expect(from).toBe('2026-01-30T14:00:00.000Z');
  const none = { total: 0, hours: Array.from({ length: 24 }, () => 0) };
  expect(flags).toEqual({
    checkout: { total: 9, hours: [...none.hours.slice(3), 7, 1, 1] },
    hidden: none,
    absent: none,
  });
  const inStaging = await recent(await server.keyOf('viewer', 'staging'));
  expect(inStaging.flags.checkout.total).toBe(7);
});

it('bulk evaluations, flag sets and evaluations with a trace do not count', async () => {
  await using started = await start();
  const { server, clock } = started;
  await server.api('POST', '/evaluations', { body: { context: PRO } });
  await server.request('POST', '/ofrep/v1/evaluate/flags?environment=production', {
    body: { context: PRO },
  });
  await server.api('GET', '/flag-set');
  await evaluate(server, 'checkout', PRO, { explain: true });
  await flush(clock);
  expect(await countsOf(server)).toEqual([]);
});

it('a failed evaluation counts as ERROR, and an unknown key is listed until there is such a flag', async () => {
  await using started = await start();
  const { server, clock } = started;
  await server.api('PATCH', '/flags/checkout', {
    body: { rules: [{ id: 'half', percentage: 50, variant: 'on', conditions: [] }] },
  });
  expect((await evaluate(server, 'checkout', {})).status).toBe(400);
  await evaluate(server, 'gone', PRO);
  await evaluate(server, 'later', PRO);
  await flush(clock);
  expect(await countsOf(server)).toEqual([[null, 'ERROR', 1]]);
  expect((await server.api('GET', '/usage/unknown')).body.keys).toEqual(['gone', 'later']);
  await server.api('POST', '/flags', { body: { ...CHECKOUT, key: 'later' } });
  expect((await server.api('GET', '/usage/unknown')).body.keys).toEqual(['gone']);
});

it('counts are those of a minute, an hour or a day, in a range', async () => {
  await using started = await start();
  const { server, clock } = started;
  await evaluate(server, 'checkout', PRO);
  await flush(clock);
  clock.advance(90 * 60_000);
  await evaluate(server, 'checkout', PRO);
  await flush(clock);
  const at = async (query: string) =>
    (await server.api('GET', `/usage?flag=checkout&${query}`)).body.counts.map(
      (each: { at: string }) => each.at.slice(11, 16),
    );
  expect(await at('resolution=minute')).toEqual(['12:00', '13:30']);
  expect(await at('resolution=hour')).toEqual(['12:00', '13:00']);
  expect(await at('resolution=day')).toEqual(['00:00']);
  expect(await at('resolution=minute&from=2026-01-31T13:00:00Z')).toEqual(['13:30']);
  expect(await at('resolution=minute&until=2026-01-31T13:00:00Z')).toEqual(['12:00']);
  expect(await at('resolution=hour&variant=off')).toEqual([]);
  expect(await at('resolution=hour&reason=SPLIT')).toEqual([]);
  const wrong = 'from=2026-01-31T13:00:00Z&until=2026-01-31T12:00:00Z';
  const { status, body } = await server.api('GET', `/usage?flag=checkout&${wrong}`);
  expect([status, body.error.details]).toEqual([
    400,
    [{ path: 'until', message: 'must be after "from"' }],
  ]);
});

it('a report counts once, however often it arrives', async () => {
  await using started = await start();
  const { server, clock } = started;
  const key = await server.keyOf('server');
  const send = (body: object) => server.request('POST', '/api/v1/usage', { key, body });
  expect(await send(report())).toMatchObject({
    status: 202,
    body: { accepted: 1, rejected: [] },
  });
  await send(report());
  await flush(clock);
  await send(report());
  await send(report({ sequence: 2 }));
  await flush(clock);
  expect(await countsOf(server)).toEqual([['on', 'TARGETING_MATCH', 14]]);
});

it('the overview has the minute of the last evaluation', async () => {
  await using started = await start();
  const { server, clock } = started;
  await evaluate(server, 'checkout', PRO);
  await flush(clock);
  const { body } = await server.request('GET', '/api/v1/overview');
  const last = body.flags.map(
    ({ key, cells }: { key: string; cells: Record<string, { lastEvaluated: string } | null> }) => [
      key,
      cells['production']?.lastEvaluated,
    ],
  );
  expect(last).toEqual([
    ['checkout', '2026-01-31T12:00:00.000Z'],
    ['hidden', null],
  ]);
});

it('a report of a client key has visible flags and small counts only', async () => {
  await using started = await start();
  const { server, clock } = started;
  const key = await server.keyOf('client');
  const send = (counts: unknown[]) =>
    server.request('POST', '/api/v1/usage', { key, body: report({ counts }) });
  const large = await send([
    ['checkout', 'on', 'SPLIT', 1],
    ['checkout', 'off', 'SPLIT', 10_001],
  ]);
  expect([large.status, large.body.error.details]).toEqual([
    400,
    [
      {
        path: 'counts.1.3',
        message: 'must be at most 10000 with a client key; send the rest in the next report',
      },
    ],
  ]);
  const { body } = await send([
    ['hidden', 'on', 'SPLIT', 1],
    ['checkout', 'on', 'SPLIT', 10_000],
  ]);
  expect(body).toEqual({
    accepted: 1,
    rejected: [{ index: 0, code: 'FLAG_NOT_FOUND', message: 'there is no flag "hidden"' }],
  });
  await flush(clock);
  expect(await countsOf(server)).toEqual([['on', 'SPLIT', 10_000]]);
  expect(await countsOf(server, 'hidden')).toEqual([]);
  expect((await server.api('GET', '/usage/unknown')).body.keys).toEqual([]);
});

it('a page that is closed reports in plain text, with its key in the body', async () => {
  await using started = await start();
  const { server, clock } = started;
  const key = await server.keyOf('client', 'production', {
    allowedOrigins: ['https://shop.example'],
  });
  const beacon = (body: unknown, origin = 'https://shop.example') =>
    server.request('POST', '/api/v1/usage', {
      key: null,
      text: typeof body === 'string' ? body : JSON.stringify(body),
      headers: { 'content-type': 'text/plain;charset=UTF-8', origin },
    });
  const sent = await beacon({ key, ...report() });
  expect([sent.status, sent.headers['access-control-allow-origin']]).toEqual([202, '*']);
  const statusOf = async (...args: Parameters<typeof beacon>) => (await beacon(...args)).status;
  expect(await statusOf({ key, ...report({ sequence: 2 }) }, 'https://evil.example')).toBe(403);
  expect(await statusOf(report())).toBe(400);
  expect(await statusOf({ key: 'unknown', ...report() })).toBe(401);
  expect(await statusOf('{')).toBe(400);
  const serverKey = await server.keyOf('server');
  const refused = await beacon({ key: serverKey, ...report({ sequence: 3 }) });
  expect(refused.status).toBe(403);
  expect(refused.text).not.toContain(serverKey);
  const viewer = await server.keyOf('viewer');
  expect(await statusOf({ key: viewer, ...report() })).toBe(403);
  await flush(clock);
  expect(await countsOf(server)).toEqual([['on', 'TARGETING_MATCH', 7]]);
  expect(
    (await server.api('POST', '/flags', { text: '{}', headers: { 'content-type': 'text/plain' } }))
      .status,
  ).toBe(415);
});

it.each([
  ['counts.0.2', { counts: [['checkout', 'on', 'LUCK', 1]] }],
  ['counts.0.3', { counts: [['checkout', 'on', 'SPLIT', 0]] }],
  ['counts', { counts: Array.from({ length: 2_001 }, () => ['checkout', 'on', 'SPLIT', 1]) }],
  ['instance', { instance: 'short' }],
  ['sequence', { sequence: 0 }],
  ['until', { until: '2026-01-31T10:00:00Z' }],
  ['bogus', { bogus: 1 }],
])('a report with an invalid %s is refused as a whole', async (path, change) => {
  await using started = await start();
  const { server } = started;
  const { status, body } = await server.api('POST', '/usage', { body: report(change) });
  expect([status, body.error.details.map((each: { path: string }) => each.path)]).toEqual([
    400,
    [path],
  ]);
});

it('a report larger than 64 KiB is refused', async () => {
  await using started = await start();
  const { server } = started;
  const unknown = Array.from({ length: 1_000 }, (_, index) => `${index}`.padEnd(99, 'x'));
  expect((await server.api('POST', '/usage', { body: report({ unknown }) })).status).toBe(413);
});

it('a report of a provider with a wrong clock counts at the time of its receipt', async () => {
  await using started = await start();
  const { server, clock } = started;
  const times = [
    ['2026-01-31T11:50:00Z', '2026-01-31T11:51:00Z'],
    ['2026-01-31T18:00:00Z', '2026-01-31T18:01:00Z'],
    ['2020-01-31T18:00:00Z', '2020-01-31T18:01:00Z'],
  ];
  for (const [index, [from, until]] of times.entries())
    await server.api('POST', '/usage', { body: report({ sequence: index + 1, from, until }) });
  await flush(clock);
  const { body } = await server.api('GET', '/usage?flag=checkout&resolution=minute');
  expect(body.counts.map(({ at, count }: { at: string; count: number }) => [at, count])).toEqual([
    ['2026-01-31T11:50:00.000Z', 7],
    ['2026-01-31T12:00:00.000Z', 14],
  ]);
});

/** A store whose usage can be away. */
const withUsageAway = () => {
  const state: { isAway: boolean; losesReplies: boolean } = { isAway: false, losesReplies: false };
  const wrap = (store: Store): Store => {
    const guarded = async <Value>(run: () => Promise<Value>): Promise<Value> => {
      if (state.isAway) throw new StoreError('unavailable', 'away');
      const value = await run();
      if (state.losesReplies) throw new StoreError('unavailable', 'the reply is lost');
      return value;
    };
    const usage: UsageStore = {
      ...store.usage,
      add: input => guarded(() => store.usage.add(input)),
      claim: input => guarded(() => store.usage.claim(input)),
    };
    return { ...store, usage };
  };
  return { state, wrap };
};

it('while the store is away, counts and reports are kept, and then stored once', async () => {
  const { state, wrap } = withUsageAway();
  await using started = await start(wrap);
  const { server, clock } = started;
  await evaluate(server, 'checkout', PRO);
  await server.api('POST', '/usage', { body: report() });
  state.losesReplies = true;
  await flush(clock);
  state.losesReplies = false;
  state.isAway = true;
  await evaluate(server, 'checkout', PRO);
  await flush(clock);
  await flush(clock);
  expect(await countsOf(server)).toEqual([]);
  state.isAway = false;
  await flush(clock);
  await flush(clock);
  const sum = (await countsOf(server)).reduce(
    (all: number, [, , count]: readonly [unknown, unknown, number]) => all + count,
    0,
  );
  expect(sum).toBe(9);
  expect(server.logs().match(/usage counts are not stored/g)).toHaveLength(1);
  expect(server.logs().match(/usage counts are stored again/g)).toHaveLength(1);
});

it('while the store is away for long, what waits is bounded, and the loss is logged', async () => {
  const { state, wrap } = withUsageAway();
  await using started = await start(wrap);
  const { server, clock } = started;
  state.isAway = true;
  const counts = Array.from({ length: 900 }, (_, index) => ['checkout', `v${index}`, 'SPLIT', 1]);
  let status = 202;
  for (let sequence = 1; status === 202 && sequence <= 200; sequence += 1)
    ({ status } = await server.api('POST', '/usage', { body: report({ sequence, counts }) }));
  expect(status).toBe(503);
  const refused = await server.api('POST', '/usage', { body: report({ sequence: 999, counts }) });
  expect(refused.headers['retry-after']).toBe('10');
  state.isAway = false;
  await flush(clock);
  expect(
    (await server.api('POST', '/usage', { body: report({ sequence: 999, counts }) })).status,
  ).toBe(202);
});

it('a server that is closed stores what it has counted', async () => {
  const clock = createFakeClock();
  const store = openMemoryStore({ random: secureRandom });
  const server = await startServer({ clock, store: { ...store, close: async () => {} } });
  await server.api('POST', '/flags', { body: CHECKOUT });
  await evaluate(server, 'checkout', PRO);
  await server.close();
  await using again = await startServer({ clock, store });
  expect(await countsOf(again)).toEqual([['on', 'TARGETING_MATCH', 1]]);
});

it('an environment of the name of a deleted one begins without counts, and a purge removes the old ones', async () => {
  const usage = emptyUsage();
  const store = openMemoryStore({ random: secureRandom, usage });
  await using started = await start(() => store);
  const { server, clock } = started;
  await evaluate(server, 'checkout', PRO);
  await flush(clock);
  expect(await countsOf(server)).toHaveLength(1);
  const path = '/api/v1/environments/production?confirm=production';
  expect((await server.request('DELETE', path)).status).toBeLessThan(300);
  await server.request('POST', '/api/v1/environments', { body: { key: 'production' } });
  await expect.poll(() => countsOf(server)).toEqual([]);
  expect(usage.byLedger.size).toBe(1);
  clock.jump(31 * 86_400_000);
  await expect.poll(() => usage.byLedger.size).toBe(0);
});
