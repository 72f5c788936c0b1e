import { OpenFeature, ProviderStatus } from '@openfeature/web-sdk';
import { beforeEach, describe, expect, it } from 'vitest';

import type { Fault } from '../../../packages/sync/test/support/proxy.ts';
import { PennonWebProvider } from '../src/index.ts';
import { useOpenFeature } from './support/open-feature.ts';
import { greeting as flag, INIT, useFlagServer, useProxy } from './support/visitor.ts';

const client = OpenFeature.getClient();
const flags = useFlagServer();
const proxy = useProxy(flags);
useOpenFeature();

beforeEach(async () => {
  await flags.server.putFlag('greeting', flag('Hello'));
  await OpenFeature.setProviderAndWait(
    new PennonWebProvider({
      url: proxy().url,
      key: flags.key,
      storage: null,
      pollIntervalMs: 1_000,
      ...INIT,
    }),
    { targetingKey: 'ada' },
  );
});

const greeting = () => client.getStringValue('greeting', 'the default');
const PATIENCE = { timeout: 90_000, interval: 20 };

const respond = (status: number, headers = {}): Fault => ({ type: 'respond', status, headers });

describe('a network that', () => {
  it.each<[string, Fault]>([
    ['breaks every connection', { type: 'cut' }],
    ['never responds', { type: 'stall' }],
    ['truncates every response', { type: 'truncate', bytes: 20 }],
    ['responds with 429', respond(429, { 'retry-after': '1' })],
    ['responds with 500', respond(500)],
    ['responds with 503', respond(503, { 'retry-after': '1' })],
  ])('%s makes the values STALE, and missed changes arrive when it recovers', async (_, fault) => {
    proxy().injectFault(fault);
    proxy().cutConnections();
    // Until something changes, a poll may succeed without a response body, by status 304.
    await flags.server.putFlag('greeting', flag('Welcome back'));
    await expect.poll(() => client.providerStatus, PATIENCE).toBe(ProviderStatus.STALE);
    expect(greeting()).toBe('Hello');
    proxy().clearFaults();
    await expect.poll(greeting, PATIENCE).toBe('Welcome back');
    await expect.poll(() => client.providerStatus, PATIENCE).toBe(ProviderStatus.READY);
  });

  it('responds with 401 makes the values STALE, but keeps them', async () => {
    proxy().injectFault(respond(401));
    proxy().cutConnections();
    await expect.poll(() => client.providerStatus, PATIENCE).toBe(ProviderStatus.STALE);
    expect(greeting()).toBe('Hello');
  });

  it('lets only polls through keeps the values current', async () => {
    proxy().injectFault({ type: 'cut' }, /stream/);
    proxy().cutConnections();
    await flags.server.putFlag('greeting', flag('By a poll'));
    await expect.poll(greeting, PATIENCE).toBe('By a poll');
    expect(client.providerStatus).toBe(ProviderStatus.READY);
  });

  it('reorders events ends up with the values of the server', async () => {
    proxy().injectFault({ type: 'reorder' }, /stream/);
    proxy().cutConnections();
    for (const text of ['one', 'two', 'three', 'four']) {
      // oxlint-disable-next-line no-await-in-loop -- the changes must be made in order
      await flags.server.putFlag('greeting', flag(text));
    }
    proxy().clearFaults();
    await expect.poll(greeting, PATIENCE).toBe('four');
  });
});
