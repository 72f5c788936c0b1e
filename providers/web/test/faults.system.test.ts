import { OpenFeature, ProviderStatus } from '@openfeature/web-sdk';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import type { FlagServer } from '../../../packages/sync/test/support/flag-server.ts';
import { startFlagServer } from '../../../packages/sync/test/support/flag-server.ts';
import type { Fault, Proxy } from '../../../packages/sync/test/support/proxy.ts';
import { startProxy } from '../../../packages/sync/test/support/proxy.ts';
import { PennonWebProvider } from '../src/index.ts';

let server: FlagServer;
let key: string;
let proxy: Proxy;
const client = OpenFeature.getClient();

beforeAll(async () => {
  server = await startFlagServer();
  key = (await server.createKey('client')).secret;
});
afterAll(() => server.close());

beforeEach(async () => {
  await server.putFlag('greeting', flag('Hello'));
  proxy = await startProxy(server.url());
  await OpenFeature.setProviderAndWait(
    new PennonWebProvider({ url: proxy.url, key, storage: null, pollIntervalMs: 1_000 }),
    { targetingKey: 'ada' },
  );
});
afterEach(async () => {
  await OpenFeature.clearProviders();
  await proxy.close();
});

const flag = (text: string) => ({
  type: 'string',
  variants: { all: text },
  defaultVariant: 'all',
  clientVisible: true,
});
const greeting = () => client.getStringValue('greeting', 'the default');
const PATIENCE = { timeout: 40_000, interval: 20 };

const answer = (status: number, headers = {}): Fault => ({ type: 'answer', status, headers });

describe('a network that', () => {
  it.each<[string, Fault]>([
    ['breaks every connection', { type: 'cut' }],
    ['says nothing', { type: 'stall' }],
    ['breaks off every answer', { type: 'truncate', bytes: 20 }],
    ['answers 429', answer(429, { 'retry-after': '1' })],
    ['answers 500', answer(500)],
    ['answers 503', answer(503, { 'retry-after': '1' })],
  ])('%s makes the values STALE, and what they missed comes when it mends', async (_, fault) => {
    proxy.disturb(fault);
    proxy.cut();
    await expect.poll(() => client.providerStatus, PATIENCE).toBe(ProviderStatus.STALE);
    expect(greeting()).toBe('Hello');
    await server.putFlag('greeting', flag('Welcome back'));
    proxy.heal();
    await expect.poll(greeting, PATIENCE).toBe('Welcome back');
    await expect.poll(() => client.providerStatus, PATIENCE).toBe(ProviderStatus.READY);
  });

  it('answers 401 makes the values STALE, and does not take them away', async () => {
    proxy.disturb(answer(401));
    proxy.cut();
    await expect.poll(() => client.providerStatus, PATIENCE).toBe(ProviderStatus.STALE);
    expect(greeting()).toBe('Hello');
  });

  it('only lets polls through is current all the same', async () => {
    proxy.disturb({ type: 'cut' }, /stream/);
    proxy.cut();
    await server.putFlag('greeting', flag('By a poll'));
    await expect.poll(greeting, PATIENCE).toBe('By a poll');
    expect(client.providerStatus).toBe(ProviderStatus.READY);
  });

  it('turns events round ends with the values of the server', async () => {
    proxy.disturb({ type: 'reorder' }, /stream/);
    proxy.cut();
    for (const text of ['one', 'two', 'three', 'four']) {
      // oxlint-disable-next-line no-await-in-loop -- one change after the other
      await server.putFlag('greeting', flag(text));
    }
    proxy.heal();
    await expect.poll(greeting, PATIENCE).toBe('four');
  });
});
