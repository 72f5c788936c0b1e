import { isDeepStrictEqual } from 'node:util';

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { settle } from '../../../packages/sync/test/support/fake-runtime.ts';
import type { OnlineOptions } from '../src/index.ts';
import { startFakeServer } from './support/fake-server.ts';
import type { FakeServer } from './support/fake-server.ts';
import { booleanFlag, onIf } from './support/flags.ts';
import { openOn, startOn } from './support/open.ts';

const flags = {
  f: booleanFlag('f', false, {
    rules: [onIf('plan', 'pro')],
    version: 4,
    metadata: { team: 'web' },
  }),
  g: booleanFlag('g', true),
};

const start = (options: Partial<OnlineOptions> = {}, server = startFakeServer(flags)) =>
  startOn(server, { mode: 'remote', ...options }).then(opened => ({ server, ...opened }));

const requests = (server: FakeServer) => server.count('evaluate');

/** Resolves a promise that needs time to pass. */
const after = async <Value>(
  server: FakeServer,
  ms: number,
  value: Promise<Value>,
): Promise<Value> => {
  await server.advance(ms);
  return value;
};

describe('remote mode', () => {
  it('returns the result of the server, with version and environment', async () => {
    const { client, server } = await start();
    expect(await client.getBooleanDetails('f', false, { plan: 'pro', at: new Date(0) })).toEqual({
      flagKey: 'f',
      value: true,
      variant: 'on',
      reason: 'TARGETING_MATCH',
      flagMetadata: { team: 'web', version: 4, flagSetId: 'production', ruleId: 'plan-rule' },
    });
    expect(server.contexts).toEqual([{ plan: 'pro', at: '1970-01-01T00:00:00.000Z' }]);
  });

  it('sends 1 request for 1,000 equal calls', async () => {
    const { client, server } = await start();
    for (let call = 0; call < 1_000; call += 1)
      await client.getBooleanValue('f', false, { plan: 'pro' });
    expect(requests(server)).toBe(1);
  });

  it('has the reason CACHED for a result from the cache, except for errors', async () => {
    const { client } = await start();
    const reasons = async (key: string) => {
      const first = await client.getBooleanDetails(key, false, { plan: 'pro' });
      const second = await client.getBooleanDetails(key, false, { plan: 'pro' });
      expect({ ...second, reason: first.reason }).toEqual(first);
      return [first.reason, second.reason];
    };
    expect(await reasons('f')).toEqual(['TARGETING_MATCH', 'CACHED']);
    expect(await reasons('g')).toEqual(['STATIC', 'CACHED']);
    expect(await reasons('missing')).toEqual(['ERROR', 'ERROR']);
  });

  it('sends 100 requests for 10,000 calls of a hundred users', async () => {
    const { client, server } = await start();
    for (let call = 0; call < 10_000; call += 1) {
      await client.getBooleanValue('f', false, { targetingKey: `user-${call % 100}` });
    }
    expect(requests(server)).toBe(100);
  });

  it('sends 1 request for equal calls at the same time', async () => {
    const { client, server } = await start();
    const values = await Promise.all(
      Array.from({ length: 50 }, () => client.getBooleanValue('f', false, { plan: 'pro' })),
    );
    expect(values).toEqual(Array.from({ length: 50 }, () => true));
    expect(requests(server)).toBe(1);
  });

  it('ignores the order of attributes when it compares contexts, and nothing else', async () => {
    const { client, server } = await start();
    await client.getBooleanValue('f', false, { a: 1, b: { c: 2, d: [1, 2] } });
    await client.getBooleanValue('f', false, { b: { d: [1, 2], c: 2 }, a: 1 });
    expect(requests(server)).toBe(1);
    await client.getBooleanValue('f', false, { a: 1, b: { c: 2, d: [2, 1] } });
    await client.getBooleanValue('g', false, { a: 1, b: { c: 2, d: [1, 2] } });
    expect(requests(server)).toBe(3);
  });

  it('returns a cached result for exactly the same context, and for no other one', async () => {
    const { client, server } = await start();
    const value = fc.oneof(fc.integer({ min: 0, max: 2 }), fc.constantFrom('', 'x', true, null));
    // The prototype of an object is not part of its JSON.
    const inner = fc.record({ b: value }, { noNullPrototype: true });
    const nested = fc.oneof(value, fc.array(value, { maxLength: 2 }), inner);
    const context = fc.record({ email: nested, a: nested }, { requiredKeys: [] });
    let run = 0;
    const property = fc.asyncProperty(context, context, async (first, second) => {
      run += 1;
      const before = requests(server);
      await client.getBooleanValue('f', false, { ...first, run });
      await client.getBooleanValue('f', false, { run, ...second });
      const expected = isDeepStrictEqual({ ...first }, { ...second }) ? 1 : 2;
      expect(requests(server) - before).toBe(expected);
    });
    await fc.assert(property, { numRuns: 200 });
  });

  it('caches a result for a minute by default', async () => {
    const { client, server } = await start();
    await client.getBooleanValue('f', false);
    await server.advance(59_999);
    await client.getBooleanValue('f', false);
    expect(requests(server)).toBe(1);
    await server.advance(1);
    await client.getBooleanValue('f', false);
    expect(requests(server)).toBe(2);
  });

  it('caches up to `cacheEntries` results, and evicts the least recently used', async () => {
    const { client, server } = await start({ cacheEntries: 2 });
    const evaluate = (plan: string) => client.getBooleanValue('f', false, { plan });
    await evaluate('a');
    await evaluate('b');
    await evaluate('a');
    await evaluate('c');
    expect(requests(server)).toBe(3);
    await evaluate('a');
    expect(requests(server)).toBe(3);
    await evaluate('b');
    expect(requests(server)).toBe(4);
  });

  it('caches at most 16 MiB of contexts, and evicts the least recently used', async () => {
    const { client, server } = await start();
    const evaluate = (name: string) =>
      client.getBooleanValue('f', false, { name, plan: 'pro'.padEnd(1_000_000) });
    for (const name of ['a', 'b', 'a', 'c', 'd', 'e', 'f', 'g', 'h', 'a']) await evaluate(name);
    expect(requests(server)).toBe(8);
    await evaluate('i');
    await evaluate('a');
    expect(requests(server)).toBe(9);
    await evaluate('b');
    expect(requests(server)).toBe(10);
  });

  it('caches nothing if `cacheEntries` is 0', async () => {
    const { client, server } = await start({ cacheEntries: 0 });
    await client.getBooleanValue('f', false);
    await client.getBooleanValue('f', false);
    expect(requests(server)).toBe(2);
  });

  it('drops the cached results of flags that changed, and of no others', async () => {
    const { client, server, events } = await start();
    await client.getBooleanValue('f', true);
    await client.getBooleanValue('g', true);
    await server.change({ f: booleanFlag('f', true) });
    expect(events).toEqual(['READY', 'CHANGED f']);
    expect(await client.getBooleanValue('f', false)).toBe(true);
    expect(await client.getBooleanValue('g', false)).toBe(true);
    expect(requests(server)).toBe(3);
  });

  it('does not cache a result that was requested before a change', async () => {
    const { client, server } = await start();
    const early = client.getBooleanValue('f', true);
    const changing = server.change({ f: booleanFlag('f', true) });
    await Promise.all([early, changing]);
    expect(await client.getBooleanValue('f', false)).toBe(true);
  });

  it('does not return the result of a request from before a change to callers after it', async () => {
    const { client, server } = await start();
    server.behave('silent', 'evaluate');
    const early = client.getBooleanValue('f', true);
    await server.change({ f: booleanFlag('f', true) });
    server.behave('normal', 'evaluate');
    expect(await client.getBooleanValue('f', false)).toBe(true);
    expect(requests(server)).toBe(2);
    await after(server, 2_000, early);
  });

  it('caches a result for only two seconds if the flag has just changed, because servers may lag', async () => {
    const { client, server } = await start();
    const evaluate = (key: string) => client.getBooleanValue(key, false, { plan: 'basic' });
    await server.change({ f: booleanFlag('f', true) });
    await evaluate('f');
    await evaluate('g');
    await server.advance(1_999);
    await evaluate('f');
    expect(requests(server)).toBe(2);
    await server.advance(1);
    await evaluate('f');
    await evaluate('g');
    expect(requests(server)).toBe(3);
    await server.advance(59_999);
    await evaluate('f');
    expect(requests(server)).toBe(3);
  });

  it('returns errors of the flag or its context as results, and caches them', async () => {
    const half = { id: 'r', conditions: [], percentage: 50, variant: 'on' };
    const { client, server } = await start(
      {},
      startFakeServer({
        ...flags,
        split: booleanFlag('split', false, { rules: [half] }),
        malformed: booleanFlag('malformed', true, { rules: 'all' }),
      }),
    );
    for (let call = 0; call < 2; call += 1) {
      expect(await client.getBooleanDetails('unknown', true)).toMatchObject({
        errorCode: 'FLAG_NOT_FOUND',
        errorMessage: 'there is no flag "unknown"',
      });
      expect(await client.getBooleanDetails('split', true)).toMatchObject({
        errorCode: 'TARGETING_KEY_MISSING',
      });
      expect(await client.getBooleanDetails('malformed', true)).toMatchObject({
        errorCode: 'PARSE_ERROR',
      });
    }
    expect(requests(server)).toBe(3);
    expect(client.providerStatus).toBe('READY');
    expect(await client.getBooleanValue('f', false, { plan: 'pro' })).toBe(true);
  });

  it('receives changes by polling if `stream` is false', async () => {
    const { client, server, events } = await start({ stream: false, pollIntervalMs: 5_000 });
    expect(await client.getBooleanValue('f', true)).toBe(false);
    server.replace({ ...flags, f: booleanFlag('f', true) });
    await server.advance(5_000);
    expect(events).toEqual(['READY', 'CHANGED f']);
    expect(await client.getBooleanValue('f', false)).toBe(true);
    expect(server.count('stream')).toBe(0);
  });

  it('reports unknown flags, even those named like inherited properties', async () => {
    const { client } = await start();
    for (const key of ['unknown', 'constructor', '__proto__']) {
      expect(await client.getBooleanDetails(key, true)).toMatchObject({
        errorCode: 'FLAG_NOT_FOUND',
      });
    }
  });

  it('reports a context that contains itself, because it has no JSON form', async () => {
    const { client, server } = await start();
    const endless: Record<string, never> = {};
    Object.assign(endless, { endless });
    const details = await client.getBooleanDetails('f', true, endless);
    expect(details).toMatchObject({ value: true, errorCode: 'INVALID_CONTEXT' });
    expect(requests(server)).toBe(0);
  });
});

describe('remote mode, during an outage of the evaluate route', () => {
  it.each([
    ['the server does not respond', 'silent', 2_000],
    ['the server is unreachable', 'broken', 0],
    ['the server responds with 500', { status: 500 }, 0],
  ] as const)(
    'if %s, evaluates locally on the flags that it follows (%j)',
    async (_, behavior, ms) => {
      const { client, server } = await start();
      server.behave(behavior, 'evaluate');
      const first = client.getBooleanValue('f', false, { plan: 'pro' });
      expect(await after(server, ms, first)).toBe(true);
      expect(client.providerStatus).toBe('READY');
    },
  );

  it('spares callers the timeout: after a pause, one request is the trial for all', async () => {
    const { client, server } = await start();
    server.behave('silent', 'evaluate');
    await after(server, 2_000, client.getBooleanValue('f', false, { plan: '0' }));
    for (let call = 0; call < 100; call += 1) {
      expect(await client.getBooleanValue('f', true, { plan: `${call}` })).toBe(false);
    }
    expect(requests(server)).toBe(1);
    await server.advance(1_000);
    const trial = client.getBooleanValue('f', true, { plan: 'trial' });
    expect(await client.getBooleanValue('f', true, { plan: 'another' })).toBe(false);
    expect(requests(server)).toBe(2);
    await after(server, 2_000, trial);
    server.behave('normal');
    await server.advance(30_000);
    await client.getBooleanValue('f', false, { plan: 'x' });
    await client.getBooleanValue('f', false, { plan: 'y' });
    expect(requests(server)).toBe(4);
  });

  it('sends no request until the time in Retry-After', async () => {
    const { client, server } = await start();
    server.behave({ status: 429, retryAfter: '90' }, 'evaluate');
    await client.getBooleanValue('f', true);
    await server.advance(89_999);
    await client.getBooleanValue('f', true);
    expect(requests(server)).toBe(1);
    await server.advance(1);
    await client.getBooleanValue('f', true);
    expect(requests(server)).toBe(2);
  });

  it('treats a rejected context as an error of that request alone', async () => {
    const { client, server } = await start();
    server.behave({ status: 400 }, 'evaluate');
    await client.getBooleanValue('f', true, { plan: 'x' });
    server.behave('normal');
    await client.getBooleanValue('f', true, { plan: 'y' });
    expect(requests(server)).toBe(2);
  });

  it('is stale if all routes fail, and still evaluates', async () => {
    const { client, server, events } = await start();
    server.behave('broken');
    await server.cut();
    await server.advance(1_000);
    expect(events).toEqual(['READY', 'STALE']);
    expect(await client.getBooleanValue('f', false, { plan: 'pro' })).toBe(true);
  });
});

describe('remote mode, with a key that has no access to the flag set', () => {
  const limited = () => {
    const server = startFakeServer(flags);
    server.behave({ status: 403 }, 'stream');
    server.behave({ status: 403 }, 'poll');
    return server;
  };

  it('is ready, with the version and the environment that the server returned', async () => {
    const server = limited();
    const { client, started, provider } = openOn(server, { mode: 'remote' });
    await server.advance(1_500);
    expect(await started).toBe('ok');
    expect(client.providerStatus).toBe('READY');
    expect(await client.getBooleanDetails('f', false, { plan: 'pro' })).toMatchObject({
      value: true,
      flagMetadata: { team: 'web', version: 4, flagSetId: 'production', ruleId: 'plan-rule' },
    });
    expect(provider.evaluate('f')).toMatchObject({ errorCode: 'PROVIDER_NOT_READY' });
  });

  it('notices within two heartbeats that the server is lost, although results come from the cache', async () => {
    const server = limited();
    const options = { mode: 'remote', cacheTtlMs: 3_600_000 } as const;
    const { client, started, provider } = openOn(server, options);
    await server.advance(1_500);
    await started;
    await client.getBooleanValue('f', false, { plan: 'pro' });
    await server.advance(60_000);
    expect(client.providerStatus).toBe('READY');
    server.behave('silent', 'evaluate');
    await server.advance(30_000);
    expect(client.providerStatus).toBe('STALE');
    expect(provider.freshness().mode).toBe('disconnected');
    server.behave('normal', 'evaluate');
    await server.advance(30_000);
    expect(client.providerStatus).toBe('READY');
  });

  it('returns cached results or the default value while the server is unreachable, and emits STALE', async () => {
    const server = limited();
    const { client, started, events } = openOn(server, { mode: 'remote' });
    await server.advance(1_500);
    await started;
    expect(await client.getBooleanValue('f', false, { plan: 'pro' })).toBe(true);
    await server.advance(60_000);
    server.behave('broken', 'evaluate');
    expect(await client.getBooleanValue('f', false, { plan: 'pro' })).toBe(true);
    expect(await client.getBooleanDetails('f', false, { plan: 'new' })).toMatchObject({
      value: false,
      errorCode: 'GENERAL',
      errorMessage: 'fetch failed: ECONNREFUSED',
    });
    expect(events).toEqual(['READY', 'STALE']);
    server.behave('normal', 'evaluate');
    await server.advance(30_000);
    await client.getBooleanValue('f', false, { plan: 'new' });
    await settle();
    expect(events).toEqual(['READY', 'STALE', 'READY']);
  });

  it('is ready when the server is back, without any evaluation', async () => {
    const server = limited();
    const { client, started, provider, events } = openOn(server, { mode: 'remote' });
    await server.advance(1_500);
    await started;
    server.behave('broken', 'evaluate');
    await client.getBooleanValue('f', false);
    await server.advance(90_000);
    expect(events).toEqual(['READY', 'STALE']);
    server.behave('normal', 'evaluate');
    await server.advance(30_000);
    expect(events).toEqual(['READY', 'STALE', 'READY']);
    await provider.onClose();
    expect(server.timers()).toBe(0);
  });

  it('tries to reach the server no more after it was closed', async () => {
    const server = limited();
    const { client, started, provider } = openOn(server, { mode: 'remote' });
    await server.advance(1_500);
    await started;
    server.behave('broken', 'evaluate');
    await client.getBooleanValue('f', false);
    await provider.onClose();
    await server.advance(60_000);
    expect(server.timers()).toBe(0);
  });

  it('emits STALE if there are no cached results either', async () => {
    const server = limited();
    const { client, started, events } = openOn(server, { mode: 'remote' });
    await server.advance(1_500);
    await started;
    server.behave('broken', 'evaluate');
    await client.getBooleanValue('f', false);
    expect(events).toEqual(['READY', 'STALE']);
  });

  it('does not fail fatally while it is unknown whether the server evaluates', async () => {
    const server = limited();
    server.behave('silent', 'evaluate');
    const { client, started } = openOn(server, { mode: 'remote' });
    await server.advance(2_000);
    expect(await started).toContain('GENERAL: no flags available');
    server.behave('normal', 'evaluate');
    await server.advance(120_000);
    expect(client.providerStatus).toBe('READY');
    expect(await client.getBooleanValue('f', false, { plan: 'pro' })).toBe(true);
  });

  it('fails fatally if the server does not evaluate either', async () => {
    const server = startFakeServer(flags);
    server.behave({ status: 401 });
    const { client, started } = openOn(server, { mode: 'remote' });
    await server.advance(1_500);
    expect(await started).toContain('PROVIDER_FATAL');
    expect(client.providerStatus).toBe('FATAL');
  });
});
