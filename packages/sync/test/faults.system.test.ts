import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';

import { followFlagSet, followValues, defaultRuntime } from '../src/index.ts';
import type { FlagSet, Follower, Values, Runtime } from '../src/index.ts';
import { startFlagServer } from './support/flag-server.ts';
import type { FlagServer } from './support/flag-server.ts';
import { steadyTime } from './support/patience.ts';
import { startProxy } from './support/proxy.ts';
import type { Fault, Proxy } from './support/proxy.ts';

let server: FlagServer;
let proxy: Proxy;
let serverKey: string;
let clientKey: string;
let follower: Follower<unknown> | undefined;

beforeAll(async () => {
  server = await startFlagServer();
  serverKey = (await server.createKey('server')).secret;
  clientKey = (await server.createKey('client')).secret;
});
beforeEach(async () => {
  proxy = await startProxy(server.url());
});
afterEach(async () => {
  follower?.stop();
  await proxy.close();
});
afterAll(() => server.close());

let flagCount = 0;
/** Creates a flag, and returns its key. */
const change = async (): Promise<string> => {
  flagCount += 1;
  await server.putFlag(`flag-${flagCount}`, { clientVisible: true });
  return `flag-${flagCount}`;
};

const PATIENCE = { timeout: 90_000, interval: 10 };
const until = (holds: () => boolean) => vi.waitUntil(holds, PATIENCE);

const STREAM = /stream/;
const steadyRuntime: Runtime = { ...defaultRuntime, ...steadyTime };
/** A runtime with a clock that is forty times as fast, for tests of long timeouts. */
const fastRuntime: Runtime = {
  ...defaultRuntime,
  monotonic: () => performance.now() * 40,
  setTimer: (ms, callback) => defaultRuntime.setTimer(ms / 40, callback),
};

const hasFlag = (following: Follower<FlagSet>, key: string) =>
  following.data()?.flags[key] !== undefined;
const hasValue = (following: Follower<Values>, key: string) =>
  following.data()?.evaluations[key] !== undefined;

/** Starts a follower of each resource. `has` returns whether it knows a flag. */
const starters = {
  'the flag set': (runtime = steadyRuntime) => {
    const following = followFlagSet(
      { url: proxy.url, key: serverKey, pollIntervalMs: 500 },
      runtime,
    );
    follower = following;
    return { has: (key: string) => hasFlag(following, key) };
  },
  'the values of a context': (runtime = steadyRuntime) => {
    const options = {
      url: proxy.url,
      key: clientKey,
      pollIntervalMs: 500,
      context: { plan: 'pro' },
    };
    const following = followValues(options, runtime);
    follower = following;
    return { has: (key: string) => hasValue(following, key) };
  },
};

const mode = () => follower?.status().mode;

describe.each(Object.entries(starters))('%s', (_, start) => {
  it('receives every change over the stream, without another poll', async () => {
    const { has } = start();
    await until(() => mode() === 'streaming');
    const { length } = proxy.requests;
    const key = await change();
    await until(() => has(key));
    expect([mode(), proxy.requests.length]).toEqual(['streaming', length]);
  });

  const faults: [string, Fault][] = [
    ['connections that are cut', { type: 'cut' }],
    ['responses that are cut off', { type: 'truncate', bytes: 40 }],
    ['the status 500', { type: 'respond', status: 500 }],
    ['the status 503', { type: 'respond', status: 503, headers: { 'retry-after': '1' } }],
    ['the status 429', { type: 'respond', status: 429, headers: { 'retry-after': '1' } }],
    ['a web page as the response', { type: 'respond', status: 200, body: '<p>Welcome</p>' }],
  ];
  it.each(faults)(
    'recovers from %s, including the changes that it missed',
    async (_name, fault) => {
      const { has } = start();
      await until(() => mode() === 'streaming');
      proxy.injectFault(fault);
      proxy.cutConnections();
      await until(() => mode() !== 'streaming');
      const key = await change();
      expect(has(key)).toBe(false);
      proxy.clearFaults();
      await until(() => has(key) && mode() === 'streaming');
    },
  );

  const streamFaults: [string, Fault][] = [
    ['is unavailable', { type: 'respond', status: 503 }],
    ['is forbidden', { type: 'respond', status: 403 }],
    ['is cut', { type: 'cut' }],
    ['is cut off', { type: 'truncate', bytes: 40 }],
  ];
  it.each(streamFaults)('is polled while the stream %s', async (_name, fault) => {
    proxy.injectFault(fault, STREAM);
    const { has } = start();
    await until(() => mode() === 'polling');
    const key = await change();
    await until(() => has(key));
    expect(mode()).toBe('polling');
  });

  it('has its data from the first poll if a proxy buffers the stream', async () => {
    const key = await change();
    proxy.injectFault({ type: 'stall' }, STREAM);
    const { has } = start();
    await until(() => mode() === 'polling');
    expect(has(key)).toBe(true);
  });

  it('recovers from a stream that stops sending without an end', async () => {
    const { has } = start(fastRuntime);
    await until(() => mode() === 'streaming');
    proxy.freeze();
    const { length } = proxy.requests;
    const key = await change();
    await until(() => has(key));
    // No stream that was open has delivered it.
    expect(proxy.requests.length).toBeGreaterThan(length);
  });

  it('ends up with the right data if events arrive in the wrong order', async () => {
    proxy.injectFault({ type: 'reorder' }, STREAM);
    const { has } = start();
    const keys = [await change(), await change(), await change()];
    await expect.poll(() => keys.every(has), PATIENCE).toBe(true);
  });

  it.each([401, 403])(
    'reports a key that is rejected with %i, and continues once it is accepted',
    async status => {
      proxy.injectFault({
        type: 'respond',
        status,
        body: '{"error":{"code":"UNAUTHORIZED","message":"no"}}',
      });
      start(fastRuntime);
      await until(() => mode() === 'disconnected');
      await expect.poll(() => follower?.status().lastError, PATIENCE).toMatchObject({ status });
      proxy.clearFaults();
      await until(() => follower?.status().revision !== undefined);
    },
  );

  it('reconnects after the server was killed and restarted elsewhere', async () => {
    const { has } = start();
    await until(() => mode() === 'streaming');
    await server.kill();
    await until(() => mode() === 'disconnected');
    await server.restart();
    proxy.retarget(server.url());
    const key = await change();
    await expect.poll(() => has(key) && mode(), PATIENCE).toBe('streaming');
  });

  it('has no request in flight after it was stopped', async () => {
    start();
    await until(() => mode() === 'streaming');
    await expect.poll(() => proxy.inFlight(), PATIENCE).toBe(1);
    follower?.stop();
    await expect.poll(() => proxy.inFlight(), PATIENCE).toBe(0);
  });
});
