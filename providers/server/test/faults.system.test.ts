import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { defaultRuntime } from '@pennon/sync';
import type { Runtime } from '@pennon/sync';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { startFlagServer } from '../../../packages/sync/test/support/flag-server.ts';
import { settle } from '../../../packages/sync/test/support/fake-runtime.ts';
import type { FlagServer } from '../../../packages/sync/test/support/flag-server.ts';
import { steadyTime } from '../../../packages/sync/test/support/patience.ts';
import { startProxy } from '../../../packages/sync/test/support/proxy.ts';
import type { Fault, Proxy } from '../../../packages/sync/test/support/proxy.ts';
import type { OnlineOptions } from '../src/index.ts';
import { openReal } from './support/open.ts';

let server: FlagServer;
let proxy: Proxy;
let directory: string;
let key: string;

beforeAll(async () => {
  server = await startFlagServer();
  directory = await mkdtemp(join(tmpdir(), 'pennon-faults-'));
  key = (await server.createKey('server')).secret;
});
beforeEach(async () => {
  await server.putFlag('live', { defaultVariant: 'on', ...onAndOff });
  proxy = await startProxy(server.url());
});
afterEach(() => proxy.close());
afterAll(async () => {
  await server.close();
  await rm(directory, { recursive: true, maxRetries: 5 });
});

const POLL = /flag-set(\?|$)/;

const onAndOff = { type: 'boolean', variants: { on: true, off: false } };
const switchTo = (defaultVariant: 'on' | 'off') =>
  server.putFlag('live', { ...onAndOff, defaultVariant });

const realRuntime: Runtime = { ...defaultRuntime, ...steadyTime };

const open = (options: Partial<OnlineOptions> = {}, runtime = realRuntime) =>
  openReal({ url: proxy.url, key, pollIntervalMs: 500, ...options }, runtime);

/** Time runs ten times as fast, because idle timeouts are long. */
const fastRuntime: Runtime = {
  ...defaultRuntime,
  monotonic: () => performance.now() * 10,
  setTimer: (ms, callback) => defaultRuntime.setTimer(ms / 10, callback),
};

const INIT_TIMEOUT_MS = 400;

/** `timedOut` resolves shortly after the first timer with this delay has fired. */
const watchTimer = (delayMs: number) => {
  let onFired: () => void = () => undefined;
  const fired = new Promise<void>(resolve => (onFired = resolve));
  const runtime: Runtime = {
    ...realRuntime,
    setTimer: (ms, callback) =>
      realRuntime.setTimer(ms, () => {
        callback();
        if (ms === delayMs) onFired();
      }),
  };
  return { runtime, timedOut: fired.then(settle).then(() => 'timed out') };
};

const soon = { timeout: 90_000, interval: 10 };

const faults: [string, Fault][] = [
  ['connections are cut', { type: 'cut' }],
  ['connections are accepted without a response', { type: 'stall' }],
  ['responses are truncated', { type: 'truncate', bytes: 40 }],
  ['the status is 500', { type: 'respond', status: 500 }],
  ['the status is 503', { type: 'respond', status: 503, headers: { 'retry-after': '1' } }],
  ['the status is 429', { type: 'respond', status: 429, headers: { 'retry-after': '1' } }],
  ['the response is an HTML page', { type: 'respond', status: 200, body: '<p>Welcome</p>' }],
];

describe.each(['in-process', 'remote'] as const)('%s', mode => {
  it('evaluates the flags of the server, and receives a change over the stream', async () => {
    const { client, started, events } = open({ mode });
    expect(await started).toBe('ok');
    expect(await client.getBooleanDetails('live', false)).toMatchObject({
      value: true,
      variant: 'on',
      flagMetadata: { flagSetId: 'production', version: expect.any(Number) },
    });
    const polls = proxy.count(POLL);
    await switchTo('off');
    await expect.poll(() => client.getBooleanValue('live', true), soon).toBe(false);
    expect(proxy.count(POLL)).toBe(polls);
    expect(events).toEqual(['READY', 'CHANGED live']);
  });

  it.each(faults)('starts in time with its bootstrap flags while %s', async (_, fault) => {
    proxy.injectFault(fault);
    const bootstrap = { flags: { live: { enabled: true } } };
    const { runtime, timedOut } = watchTimer(INIT_TIMEOUT_MS);
    const { client, started } = open({ mode, initTimeoutMs: INIT_TIMEOUT_MS, bootstrap }, runtime);
    expect(await Promise.race([started, timedOut])).toBe('ok');
    await expect.poll(() => client.providerStatus, soon).toBe('STALE');
    proxy.clearFaults();
    await expect.poll(() => client.providerStatus, soon).toBe('READY');
    expect(await client.getBooleanValue('live', false)).toBe(true);
  });

  it.each(faults)('keeps evaluating while %s, and catches up afterwards', async (_, fault) => {
    const runtime = fault.type === 'stall' ? fastRuntime : realRuntime;
    const { client, started } = open({ mode, initTimeoutMs: 200_000 }, runtime);
    expect(await started).toBe('ok');
    proxy.injectFault(fault);
    proxy.cutConnections();
    await switchTo('off');
    await expect.poll(() => client.providerStatus, soon).toBe('STALE');
    expect(await client.getBooleanValue('live', false)).toBe(true);
    proxy.clearFaults();
    await expect.poll(() => client.getBooleanValue('live', true), soon).toBe(false);
    await expect.poll(() => client.providerStatus, soon).toBe('READY');
  });

  it('is correct in the end if messages arrive in the wrong order', async () => {
    proxy.injectFault({ type: 'reorder' }, /stream/);
    const { client, started } = open({ mode });
    expect(await started).toBe('ok');
    await switchTo('off');
    await server.putFlag('other', { ...onAndOff, defaultVariant: 'on' });
    await expect.poll(() => client.getBooleanValue('live', true), soon).toBe(false);
    await expect.poll(() => client.getBooleanValue('other', false), soon).toBe(true);
  });

  it('fails fatally with a key that does not exist', async () => {
    const { client, started } = open({ mode, key: 'no-such-key' });
    expect(await started).toContain('PROVIDER_FATAL: the server rejected the key');
    expect(client.providerStatus).toBe('FATAL');
  });

  it('is stale after its key was revoked, reports why, and keeps evaluating', async () => {
    const revoked = await server.createKey('server');
    const { client, started, provider } = open({ mode, key: revoked.secret });
    expect(await started).toBe('ok');
    await server.api('DELETE', `keys/${revoked.id}`);
    await expect.poll(() => client.providerStatus, soon).toBe('STALE');
    expect(provider.freshness().lastError?.status).toBe(401);
    expect(await client.getBooleanValue('live', false)).toBe(true);
  });

  it('starts from its cache file while the server is down, and follows the server once it is up', async () => {
    const cacheFile = join(directory, `${mode}.json`);
    const first = open({ mode, cacheFile });
    expect(await first.started).toBe('ok');
    await first.provider.onClose();
    await server.kill();
    const { client, started, events } = open({ mode, cacheFile, initTimeoutMs: 3_000 });
    expect(await started).toBe('ok');
    expect(await client.getBooleanValue('live', false)).toBe(true);
    await expect.poll(() => events, soon).toEqual(['READY', 'STALE']);
    await server.restart();
    proxy.retarget(server.url());
    await switchTo('off');
    await expect.poll(() => client.getBooleanValue('live', true), soon).toBe(false);
    await expect.poll(() => client.providerStatus, soon).toBe('READY');
  });
});

describe('remote', () => {
  it('sends 10 requests for 1,000 calls of ten users, and returns no old result after a change', async () => {
    const { client, started, events } = open({ mode: 'remote', requestTimeoutMs: 90_000 });
    expect(await started).toBe('ok');
    const evaluateForAll = async () => {
      const values = new Set<boolean>();
      for (let call = 0; call < 1_000; call += 1) {
        values.add(
          await client.getBooleanValue('live', false, { targetingKey: `user-${call % 10}` }),
        );
      }
      return [...values];
    };
    expect(await evaluateForAll()).toEqual([true]);
    expect(proxy.count(/evaluate/)).toBe(10);
    await switchTo('off');
    await expect.poll(() => events, soon).toEqual(['READY', 'CHANGED live']);
    expect(await evaluateForAll()).toEqual([false]);
    expect(proxy.count(/evaluate/)).toBe(20);
  });

  it('works with a key without access to the flag set', async () => {
    const { secret } = await server.createKey('viewer');
    const { client, started } = open({
      mode: 'remote',
      key: secret,
      requestTimeoutMs: 90_000,
    });
    expect(await started).toBe('ok');
    expect(await client.getBooleanValue('live', false)).toBe(true);
    expect(client.providerStatus).toBe('READY');
  });
});
