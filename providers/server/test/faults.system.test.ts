import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { defaultRuntime } from '@pennon/sync';
import type { Runtime } from '@pennon/sync';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { startFlagServer } from '../../../packages/sync/test/support/flag-server.ts';
import type { FlagServer } from '../../../packages/sync/test/support/flag-server.ts';
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
  await rm(directory, { recursive: true });
});

const onAndOff = { type: 'boolean', variants: { on: true, off: false } };
const switchTo = (defaultVariant: 'on' | 'off') =>
  server.putFlag('live', { ...onAndOff, defaultVariant });

const open = (options: Partial<OnlineOptions> = {}, world = defaultRuntime) =>
  openReal({ url: proxy.url, key, pollIntervalMs: 500, ...options }, world);

/** A world whose time runs ten times as fast: silence takes its time. */
const hurried: Runtime = {
  ...defaultRuntime,
  now: () => Date.now() * 10,
  setTimer: (ms, callback) => defaultRuntime.setTimer(ms / 10, callback),
};

const soon = { timeout: 30_000, interval: 10 };

const faults: [string, Fault][] = [
  ['connections are cut', { type: 'cut' }],
  ['connections are accepted and nothing is said', { type: 'stall' }],
  ['answers break off', { type: 'truncate', bytes: 40 }],
  ['the answer is 500', { type: 'respond', status: 500 }],
  ['the answer is 503', { type: 'respond', status: 503, headers: { 'retry-after': '1' } }],
  ['the answer is 429', { type: 'respond', status: 429, headers: { 'retry-after': '1' } }],
  ['the answer is somebody else’s page', { type: 'respond', status: 200, body: '<p>Welcome</p>' }],
];

describe.each(['in-process', 'remote'] as const)('%s', mode => {
  it('resolves by the server, and a change reaches it within a second', async () => {
    const { client, started, told } = open({ mode });
    expect(await started).toBe('ok');
    expect(await client.getBooleanDetails('live', false)).toMatchObject({
      value: true,
      variant: 'on',
      flagMetadata: { flagSetId: 'production', version: expect.any(Number) },
    });
    await switchTo('off');
    await expect.poll(() => client.getBooleanValue('live', true), { timeout: 1_000 }).toBe(false);
    expect(told).toEqual(['READY', 'CHANGED live']);
  });

  it.each(faults)('starts within its bound while %s, with what it has', async (_, fault) => {
    proxy.injectFault(fault);
    const before = performance.now();
    const bootstrap = { flags: { live: { enabled: true } } };
    const { client, started } = open({ mode, initTimeoutMs: 400, bootstrap });
    expect(await started).toBe('ok');
    expect(performance.now() - before).toBeLessThan(1_000);
    await expect.poll(() => client.providerStatus, soon).toBe('STALE');
    proxy.clearFaults();
    await expect.poll(() => client.providerStatus, soon).toBe('READY');
    expect(await client.getBooleanValue('live', false)).toBe(true);
  });

  it.each(faults)('serves on while %s, and catches up with what it missed', async (_, fault) => {
    const world = fault.type === 'stall' ? hurried : defaultRuntime;
    const { client, started } = open({ mode, initTimeoutMs: 20_000 }, world);
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

  it('is right in the end where messages come in the wrong order', async () => {
    proxy.injectFault({ type: 'reorder' }, /stream/);
    const { client, started } = open({ mode });
    expect(await started).toBe('ok');
    await switchTo('off');
    await server.putFlag('other', { ...onAndOff, defaultVariant: 'on' });
    await expect.poll(() => client.getBooleanValue('live', true), soon).toBe(false);
    await expect.poll(() => client.getBooleanValue('other', false), soon).toBe(true);
  });

  it('fails for good with a key that does not exist', async () => {
    const { client, started } = open({ mode, key: 'no-such-key' });
    expect(await started).toContain('PROVIDER_FATAL: the server refuses the key');
    expect(client.providerStatus).toBe('FATAL');
  });

  it('is stale when its key is revoked, says why, and serves on', async () => {
    const revoked = await server.createKey('server');
    const { client, started, provider } = open({ mode, key: revoked.secret });
    expect(await started).toBe('ok');
    await server.api('DELETE', `keys/${revoked.id}`);
    await expect.poll(() => client.providerStatus, soon).toBe('STALE');
    expect(provider.freshness().lastError?.status).toBe(401);
    expect(await client.getBooleanValue('live', false)).toBe(true);
  });

  it('starts from the last flags that were good while the server is down, and follows it when it is up', async () => {
    const cacheFile = join(directory, `${mode}.json`);
    const first = open({ mode, cacheFile });
    expect(await first.started).toBe('ok');
    await first.provider.onClose();
    await server.kill();
    const { client, started, told } = open({ mode, cacheFile, initTimeoutMs: 300 });
    expect(await started).toBe('ok');
    expect(await client.getBooleanValue('live', false)).toBe(true);
    await expect.poll(() => told, soon).toEqual(['READY', 'STALE']);
    await server.restart();
    proxy.retarget(server.url());
    await switchTo('off');
    await expect.poll(() => client.getBooleanValue('live', true), soon).toBe(false);
    await expect.poll(() => client.providerStatus, soon).toBe('READY');
  });
});

describe('remote', () => {
  it('saves 990 of 1,000 calls for ten visitors, and none is wrong after a change', async () => {
    const { client, started, told } = open({ mode: 'remote' });
    expect(await started).toBe('ok');
    const askAll = async () => {
      const values = new Set<boolean>();
      for (let call = 0; call < 1_000; call += 1) {
        values.add(
          await client.getBooleanValue('live', false, { targetingKey: `user-${call % 10}` }),
        );
      }
      return [...values];
    };
    expect(await askAll()).toEqual([true]);
    expect(proxy.count(/evaluations/)).toBe(10);
    await switchTo('off');
    await expect.poll(() => told, soon).toEqual(['READY', 'CHANGED live']);
    expect(await askAll()).toEqual([false]);
    expect(proxy.count(/evaluations/)).toBe(20);
  });

  it('works with a key that may only evaluate', async () => {
    const { secret } = await server.createKey('viewer');
    const { client, started } = open({ mode: 'remote', key: secret });
    expect(await started).toBe('ok');
    expect(await client.getBooleanValue('live', false)).toBe(true);
    expect(client.providerStatus).toBe('READY');
  });
});
