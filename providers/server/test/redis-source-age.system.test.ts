import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { eventually, startRedis } from '../../../server/test/redis/processes.ts';
import type { RedisProcess } from '../../../server/test/redis/processes.ts';
import { startProxy } from '../../../server/test/redis/proxy.ts';
import type { Proxy } from '../../../server/test/redis/proxy.ts';
import {
  production,
  removeDirectories,
  startServerOn,
} from '../../../server/test/redis/servers.ts';
import type { RedisServer } from '../../../server/test/redis/servers.ts';
import type { OnlineOptions } from '../src/index.ts';
import { openReal } from './support/open.ts';
import type { Opened } from './support/open.ts';

const NOT_READY_SECONDS = 20;

let redis: RedisProcess;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(async () => {
  await redis.remove();
  removeDirectories();
});

let proxy: Proxy;
let connected: RedisServer;
let cutOff: RedisServer;
let key: string;
beforeEach(async () => {
  redis.cli('flushall');
  proxy = await startProxy(redis.port);
  const env = { PENNON_READY_MAX_SOURCE_AGE: String(NOT_READY_SECONDS) };
  connected = await startServerOn(redis.url, env);
  cutOff = await startServerOn(`redis://127.0.0.1:${proxy.port}`, env);
  await putFlag('off');
  const body = { name: 'a key', role: 'server', environment: 'production' };
  key = (await connected.request('POST', '/api/v1/keys', { body })).body.secret;
  await eventually(async () => (await readFlagSet()) === 200);
});
afterEach(async () => {
  proxy.heal();
  await Promise.all([connected, cutOff].map(server => server.stop()));
  await proxy.close();
});

const putFlag = async (defaultVariant: 'on' | 'off'): Promise<void> => {
  const flag = { type: 'boolean', enabled: true, variants: { on: true, off: false } };
  const body = { key: 'live', ...flag, defaultVariant };
  const { status, text } = await connected.request('PUT', production('/flags/live'), { body });
  if (status >= 300) throw new Error(text);
};

const readFlagSet = async (): Promise<number> =>
  (await cutOff.request('GET', '/api/v1/flag-set', { key })).status;

const readyz = async () => (await cutOff.request('GET', '/readyz')).status;

const open = (options: Partial<OnlineOptions> = {}): Opened =>
  openReal({ url: cutOff.url, key, cacheTtlMs: 1, ...options });

const statuses = (opened: readonly Opened[]) =>
  opened.map(({ client }): string => client.providerStatus);
const modes = (opened: readonly Opened[]) =>
  opened.map(({ provider }): string => provider.freshness().mode);
const values = (opened: readonly Opened[]) =>
  Promise.all(opened.map(({ client }) => client.getBooleanValue('live', false)));

const start = async (): Promise<Opened[]> => {
  const opened = [open(), open({ stream: false, pollIntervalMs: 1_000 }), open({ mode: 'remote' })];
  await Promise.all(opened.map(({ started }) => started));
  return opened;
};

describe.each([
  ['refuses connections', () => proxy.refuse()],
  ['does not respond', () => proxy.loseReplies()],
] as const)('one of two servers whose Redis %s, while a flag changes on the other', (_, cut) => {
  it('makes its providers stale, and then is not ready, until it is connected again', async () => {
    const before = await start();
    await eventually(() => statuses(before).every(status => status === 'READY'));
    cut();
    await putFlag('on');
    await eventually(() => statuses(before).every(status => status === 'STALE'));
    const after = await start();
    const all = [...before, ...after];
    await eventually(() => statuses(after).every(status => status === 'STALE'));
    expect(await values(all)).toEqual(all.map(() => false));
    await eventually(() => modes(all).every(mode => mode === 'stale'));
    for (const { provider } of all) {
      const { dataAgeMs = 0, lastError } = provider.freshness();
      expect(dataAgeMs).toBeGreaterThan(15_000);
      expect(lastError?.message).toContain('cut off from its store');
    }
    for (const { events } of after) expect(events.at(-1)).toBe('STALE');
    await eventually(async () => (await readyz()) === 503);
    expect((await cutOff.request('GET', '/healthz')).status).toBe(200);
    expect((await connected.request('GET', '/readyz')).status).toBe(200);
    proxy.heal();
    proxy.cut();
    await eventually(async () => (await readyz()) === 200);
    await eventually(() => statuses(all).every(status => status === 'READY'));
    await eventually(async () => (await values(all)).every(Boolean));
  });
});
