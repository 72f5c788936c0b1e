import { describe, expect, it } from 'vitest';

import { StoreError, type Store } from '../src/store/store.ts';
import { createFakeClock } from './support/fake-clock.ts';
import { ADMIN_KEY, startServer, type TestResponse } from './support/server.ts';
import { openSse } from './support/sse.ts';

type Failure = 'refuses' | 'is silent';

/** A store that can be cut off from the server, with an error or without any response. */
const createBreakable = () => {
  let failure: Failure | undefined;
  let breakFeeds = new AbortController();
  const check = async (): Promise<void> => {
    if (failure === 'refuses') throw new StoreError('unavailable', 'the store is away');
    if (failure === 'is silent') await new Promise(() => undefined);
  };
  const wrap = (store: Store): Store => ({
    ...store,
    async head(ledger) {
      await check();
      return store.head(ledger);
    },
    async read(ledger) {
      await check();
      return store.read(ledger);
    },
    async *follow(ledger, after, signal) {
      await check();
      const ended = AbortSignal.any([signal, breakFeeds.signal]);
      yield* store.follow(ledger, after, ended);
    },
  });
  return {
    wrap,
    fail(next: Failure) {
      failure = next;
      // A silent store does not even end its feeds.
      if (next === 'refuses') breakFeeds.abort();
    },
    heal() {
      failure = undefined;
      breakFeeds = new AbortController();
    },
  };
};

const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 5; turn += 1) await new Promise(resolve => setImmediate(resolve));
};

const open = async (limits = {}) => {
  const clock = createFakeClock();
  const store = createBreakable();
  const server = await startServer({ clock, limits, wrapStore: store.wrap, isStoreShared: true });
  const advance = async (seconds: number) => {
    for (let second = 0; second < seconds; second += 1) {
      clock.advance(1_000);
      await settle();
    }
  };
  const ready = async () => {
    const { status, body } = await server.request('GET', '/readyz');
    return { status, body };
  };
  return { ...server, store, advance, ready };
};

const ageIn = ({ headers }: TestResponse): number => Number(headers['pennon-source-age-ms']);

/** The responses of all routes that provide flags or their values. */
const responses = async (server: Awaited<ReturnType<typeof open>>): Promise<TestResponse[]> => {
  const context = { targetingKey: 'ada' };
  const flagSet = await server.api('GET', '/flag-set');
  const values = await server.api('POST', '/evaluations', { body: { context } });
  const tagOf = ({ headers }: TestResponse) => ({ 'if-none-match': String(headers['etag']) });
  return [
    flagSet,
    values,
    await server.api('GET', '/flag-set', { headers: tagOf(flagSet) }),
    await server.api('POST', '/evaluations', { body: { context }, headers: tagOf(values) }),
    await server.api('POST', '/evaluate', { body: { flagKey: 'missing', context } }),
  ];
};

it('the age stays below 6 s while the store responds, in all responses', async () => {
  await using server = await open();
  for (let count = 0; count < 13; count += 1) {
    await server.advance(1);
    for (const response of await responses(server)) expect(ageIn(response)).toBeLessThan(6_000);
  }
  expect((await responses(server)).map(({ status }) => status)).toEqual([200, 200, 304, 304, 404]);
});

describe.each(['refuses', 'is silent'] as const)('a store that %s', failure => {
  it('is reported by the age in all responses, which have the same bodies and entity tags', async () => {
    await using server = await open();
    const before = await responses(server);
    server.store.fail(failure);
    await server.advance(48);
    const after = await responses(server);
    for (const response of after) expect(ageIn(response)).toBeGreaterThan(42_000);
    expect(after.map(({ text }) => text)).toEqual(before.map(({ text }) => text));
    expect(after.map(({ headers }) => headers['etag'])).toEqual(
      before.map(({ headers }) => headers['etag']),
    );
    server.store.heal();
    await server.advance(10);
    for (const response of await responses(server)) expect(ageIn(response)).toBeLessThan(6_000);
  });

  it('makes the server not ready after a minute, and ready again, but it always runs', async () => {
    await using server = await open();
    expect(await server.ready()).toEqual({ status: 200, body: { status: 'ready' } });
    server.store.fail(failure);
    await server.advance(50);
    expect(await server.ready()).toMatchObject({ status: 200, body: { status: 'degraded' } });
    await server.advance(20);
    const { status, body } = await server.ready();
    expect({ status, ...body }).toMatchObject({ status: 'degraded' });
    expect(status).toBe(503);
    expect(body.degradedSeconds).toBeGreaterThan(60);
    expect((await server.request('GET', '/healthz')).status).toBe(200);
    const metrics = (await server.request('GET', '/metrics')).text;
    expect(Number(/^pennon_source_age_seconds (.*)$/m.exec(metrics)?.[1])).toBeGreaterThan(60);
    server.store.heal();
    await server.advance(10);
    expect((await server.ready()).status).toBe(200);
  });

  it('leaves the server ready if the limit is 0', async () => {
    await using server = await open({ readySourceAgeSeconds: 0 });
    server.store.fail(failure);
    await server.advance(200);
    expect(await server.ready()).toMatchObject({ status: 200, body: { status: 'degraded' } });
  });

  it('makes the server refuse writes that change nothing, as any others', async () => {
    await using server = await open();
    const put = () => server.api('PUT', '/flags/f', { body: { enabled: true } });
    expect((await put()).status).toBe(201);
    expect((await put()).status).toBe(200);
    server.store.fail('refuses');
    const refused = await put();
    expect([refused.status, refused.headers['retry-after']]).toEqual([503, '1']);
    server.store.heal();
    await server.advance(10);
    expect((await put()).status).toBe(200);
  });

  it('is reported to open streams at once, and to new ones', async () => {
    await using server = await open();
    const url = await server.listen();
    const key = await server.keyOf('server');
    const stream = await openSse(`${url}/api/v1/flag-set/stream`, { key });
    await stream.next();
    server.store.fail(failure);
    await server.advance(16);
    expect((await stream.next())?.data.sourceAgeMs).toBeGreaterThan(10_000);
    await server.advance(6);
    expect((await stream.next())?.data.sourceAgeMs).toBeGreaterThan(15_000);
    const body = { context: {} };
    const values = await openSse(`${url}/api/v1/evaluations/stream`, { key, body });
    expect(Number(values.response.headers.get('pennon-source-age-ms'))).toBeGreaterThan(15_000);
    server.store.heal();
    await server.advance(8);
    expect((await stream.next())?.data.sourceAgeMs).toBeLessThan(6_000);
    for (const each of [stream, values]) each.close();
  });
});

describe('the degraded time counts from when the server last stopped following its store', () => {
  type OpenServer = Awaited<ReturnType<typeof open>>;
  const inReadiness = async (server: OpenServer) => (await server.ready()).body.degradedSeconds;
  const inMetrics = async (server: OpenServer) => {
    const { text } = await server.request('GET', '/metrics');
    return Math.round(Number(/^pennon_degraded_seconds (.*)$/m.exec(text)?.[1]));
  };
  const inStatus = async (server: OpenServer) =>
    (await server.request('GET', '/api/v1/status')).body.servers[0].degradedSeconds;

  it('also if it followed for a few seconds only', async () => {
    await using server = await open();
    server.store.fail('refuses');
    await server.advance(20);
    expect(await inReadiness(server)).toBeGreaterThan(15);
    server.store.heal();
    await server.advance(4);
    expect([await inMetrics(server), await inStatus(server)]).toEqual([0, 0]);
    server.store.fail('refuses');
    await server.advance(4);
    const seconds = await inReadiness(server);
    expect(seconds).toBeGreaterThan(0);
    expect(seconds).toBeLessThanOrEqual(4);
    expect([await inMetrics(server), await inStatus(server)]).toEqual([seconds, seconds]);
  });

  it('also if the store is silent', async () => {
    await using server = await open();
    server.store.fail('is silent');
    await server.advance(16);
    const seconds = await inReadiness(server);
    expect(seconds).toBeGreaterThan(15);
    expect(await inMetrics(server)).toBe(seconds);
  });
});

it('responses over tRPC have the age, in a batch that of the oldest flag set', async () => {
  await using server = await open();
  const context = { targetingKey: 'ada' };
  const input = { environment: 'production', flagKey: 'missing', context };
  const all = { environment: 'development', context };
  const call = (path: string, body: object) => server.request('POST', `/trpc/${path}`, { body });
  const batch = 'evaluation.evaluate,evaluation.evaluateAll?batch=1';
  const send = async () => [
    await call('evaluation.evaluate', input),
    await call('evaluation.evaluateAll', all),
    await call(batch, { 0: input, 1: all }),
  ];
  for (const response of await send()) expect(ageIn(response)).toBeLessThan(6_000);
  server.store.fail('refuses');
  await server.advance(48);
  for (const response of await send()) expect(ageIn(response)).toBeGreaterThan(42_000);
  const streamed = await fetch(`${await server.listen()}/trpc/${batch}`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${ADMIN_KEY}`,
      'content-type': 'application/json',
      'trpc-accept': 'application/jsonl',
    },
    body: JSON.stringify({ 0: input, 1: all }),
  });
  expect(Number(streamed.headers.get('pennon-source-age-ms'))).toBeGreaterThan(42_000);
  expect(await streamed.text()).toContain('FLAG_NOT_FOUND');
  const other = await server.request('GET', '/trpc/environments.list');
  expect(other.headers).not.toHaveProperty('pennon-source-age-ms');
});

it('a change of the wall clock does not change the age', async () => {
  await using server = await open();
  server.store.fail('refuses');
  await server.advance(20);
  const [response] = await responses(server);
  expect(response && ageIn(response)).toBeLessThan(26_000);
});

it('a store that is part of the server has the age 0', async () => {
  const clock = createFakeClock();
  await using server = await startServer({ clock });
  clock.advance(20_000);
  expect(ageIn(await server.api('GET', '/flag-set'))).toBe(0);
});
