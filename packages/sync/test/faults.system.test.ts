import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';

import { followFlagSet, followValues, defaultRuntime } from '../src/index.ts';
import type { FlagSet, Follower, Values, Runtime } from '../src/index.ts';
import { startFlagServer } from './support/flag-server.ts';
import type { FlagServer } from './support/flag-server.ts';
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

let flags = 0;
/** Changes something, and answers the key of the flag that is there now. */
const change = async (): Promise<string> => {
  flags += 1;
  await server.putFlag(`flag-${flags}`, { clientVisible: true });
  return `flag-${flags}`;
};

const PATIENCE = { timeout: 30_000, interval: 10 };
const until = (holds: () => boolean) => vi.waitUntil(holds, PATIENCE);

const STREAM = /stream/;
/** A world whose time runs forty times as fast, for what takes minutes. */
const hurried: Runtime = {
  ...defaultRuntime,
  now: () => Date.now() * 40,
  setTimer: (ms, callback) => defaultRuntime.setTimer(ms / 40, callback),
};

const hasFlag = (following: Follower<FlagSet>, key: string) =>
  following.data()?.flags[key] !== undefined;
const hasValue = (following: Follower<Values>, key: string) =>
  following.data()?.evaluations[key] !== undefined;

/** Both kinds, seen the same way: which flags there are. */
const kinds = {
  'the flag set': (world?: Runtime) => {
    const following = followFlagSet({ url: proxy.url, key: serverKey, pollIntervalMs: 500 }, world);
    follower = following;
    return { has: (key: string) => hasFlag(following, key) };
  },
  'the values of a context': (world?: Runtime) => {
    const options = {
      url: proxy.url,
      key: clientKey,
      pollIntervalMs: 500,
      context: { plan: 'pro' },
    };
    const following = followValues(options, world);
    follower = following;
    return { has: (key: string) => hasValue(following, key) };
  },
};

const mode = () => follower?.status().mode;

describe.each(Object.entries(kinds))('%s', (_, start) => {
  it('comes live, every change within a second', async () => {
    const { has } = start();
    await until(() => mode() === 'streaming');
    const key = await change();
    const before = Date.now();
    await until(() => has(key));
    expect(Date.now() - before).toBeLessThan(1_000);
  });

  const faults: [string, Fault][] = [
    ['connections that are cut', { type: 'cut' }],
    ['answers that break off', { type: 'truncate', bytes: 40 }],
    ['the answer 500', { type: 'answer', status: 500 }],
    ['the answer 503', { type: 'answer', status: 503, headers: { 'retry-after': '1' } }],
    ['the answer 429', { type: 'answer', status: 429, headers: { 'retry-after': '1' } }],
    ['a page of somebody else', { type: 'answer', status: 200, body: '<p>Welcome</p>' }],
  ];
  it.each(faults)(
    'survives %s, and loses nothing that happened meanwhile',
    async (_name, fault) => {
      const { has } = start();
      await until(() => mode() === 'streaming');
      proxy.disturb(fault);
      proxy.cut();
      await until(() => mode() !== 'streaming');
      const key = await change();
      expect(has(key)).toBe(false);
      proxy.heal();
      await until(() => has(key) && mode() === 'streaming');
    },
  );

  const streamFaults: [string, Fault][] = [
    ['is refused', { type: 'answer', status: 503 }],
    ['is forbidden', { type: 'answer', status: 403 }],
    ['is cut', { type: 'cut' }],
    ['breaks off', { type: 'truncate', bytes: 40 }],
  ];
  it.each(streamFaults)('is polled while the stream %s', async (_name, fault) => {
    proxy.disturb(fault, STREAM);
    const { has } = start();
    await until(() => mode() === 'polling');
    const key = await change();
    await until(() => has(key));
    expect(mode()).toBe('polling');
  });

  it('is there after a second where a proxy holds the stream back', async () => {
    const key = await change();
    proxy.disturb({ type: 'stall' }, STREAM);
    const { has } = start();
    await until(() => mode() === 'polling');
    expect(has(key)).toBe(true);
  });

  it('is followed on after a stream that fell silent without an end', async () => {
    const { has } = start(hurried);
    await until(() => mode() === 'streaming');
    proxy.freeze();
    const key = await change();
    expect(has(key)).toBe(false);
    await until(() => has(key));
  });

  it('is right in the end where messages come in the wrong order', async () => {
    proxy.disturb({ type: 'reorder' }, STREAM);
    const { has } = start();
    const keys = [await change(), await change(), await change()];
    await expect.poll(() => keys.every(has), PATIENCE).toBe(true);
  });

  it.each([401, 403])(
    'says that its key is refused by %i, and goes on once it is not',
    async status => {
      proxy.disturb({ type: 'answer', status });
      start(hurried);
      await until(() => mode() === 'disconnected');
      expect(follower?.status().lastError).toMatchObject({ status });
      proxy.heal();
      await until(() => follower?.status().revision !== undefined);
    },
  );

  it('outlives the server: killed, started again elsewhere, and followed on', async () => {
    const { has } = start();
    await until(() => mode() === 'streaming');
    await server.kill();
    await until(() => mode() === 'disconnected');
    await server.restart();
    proxy.retarget(server.url());
    const key = await change();
    await expect.poll(() => has(key) && mode(), PATIENCE).toBe('streaming');
  });

  it('leaves no request behind when it is stopped', async () => {
    start();
    await until(() => mode() === 'streaming');
    expect(proxy.underWay()).toBe(1);
    follower?.stop();
    await until(() => proxy.underWay() === 0);
  });
});
