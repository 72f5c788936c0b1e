import { ErrorCode, ProviderStatus } from '@openfeature/web-sdk';
import type { EvaluationContext } from '@openfeature/web-sdk';
import { describe, expect, it } from 'vitest';

import { createFakeWorld } from '../../../packages/sync/test/support/fake-runtime.ts';
import type { Keeper } from '../src/index.ts';
import { createKeeper, startApplication, startReady, values } from './support/application.ts';

/** A keeper in which the values of a first visit are. */
const visited = async (flags = { banner: 'of the first visit' }, subject = 'ada') => {
  const keeper = createKeeper();
  const { stream } = await startReady(flags, { storage: keeper }, { targetingKey: subject });
  await stream.end();
  return { keeper };
};

type Visit = {
  readonly context?: EvaluationContext;
  readonly key?: string;
  readonly url?: string;
  readonly storageMaxAgeMs?: number;
  readonly laterMs?: number;
};

/** A second visit, while the server is down. */
const visitAgain = async (storage: Keeper, visit: Visit = {}) => {
  const { context = { targetingKey: 'ada' }, laterMs = 0, ...options } = visit;
  const world = createFakeWorld();
  await world.advance(laterMs);
  const application = startApplication({ storage, ...options }, context, world);
  await world.advance(2_000);
  await application.outcome;
  return application;
};

describe('a second visit while the server is down', () => {
  it('is served with the values of the first, and is STALE', async () => {
    const { keeper } = await visited();
    const { world, client, told } = await visitAgain(keeper);
    await world.advance(0);
    expect(client.getStringValue('banner', '')).toBe('of the first visit');
    expect(client.providerStatus).toBe(ProviderStatus.STALE);
    expect(told.map(({ event }) => event)).toEqual(['PROVIDER_READY', 'PROVIDER_STALE']);
  });

  it('is told only what differs when the server is back, and READY', async () => {
    const { keeper } = await visited();
    const { world, told } = await visitAgain(keeper);
    told.length = 0;
    const stream = await (await world.next()).open();
    await stream.send('values', values(2, { banner: 'of the first visit', limit: 2 }));
    expect(told).toEqual([
      { event: 'PROVIDER_CONFIGURATION_CHANGED', flagsChanged: ['limit'] },
      { event: 'PROVIDER_READY' },
    ]);
  });

  it('is served however long ago the first was', async () => {
    const { keeper } = await visited();
    const laterMs = 10 * 365 * 86_400_000;
    const { client, provider } = await visitAgain(keeper, { laterMs });
    expect(client.getStringValue('banner', '')).toBe('of the first visit');
    const kept = { source: 'storage', revision: 1, dataAgeMs: laterMs + 2_000 };
    expect(provider.freshness()).toMatchObject(kept);
  });

  it('is not served with values older than it is told to', async () => {
    const { keeper } = await visited();
    const { client } = await visitAgain(keeper, { storageMaxAgeMs: 1_000, laterMs: 1_001 });
    expect(client.providerStatus).toBe(ProviderStatus.ERROR);
    expect(keeper.slots.size).toBe(0);
  });

  it.each([
    ['of another subject', { context: { targetingKey: 'bob' } }],
    ['of nobody in particular', { context: {} }],
  ])('%s gets nothing, and removes what the first has left', async (_, more) => {
    const { keeper } = await visited();
    const { client } = await visitAgain(keeper, more);
    expect(client.getBooleanDetails('banner', true)).toMatchObject({
      errorCode: ErrorCode.PROVIDER_NOT_READY,
    });
    expect(keeper.slots.size).toBe(0);
  });

  it.each([
    ['with another key', { key: 'another-key' }],
    ['to another server', { url: 'http://other.test' }],
  ])('%s gets nothing, and leaves it for the first', async (_, more) => {
    const { keeper } = await visited();
    const { client } = await visitAgain(keeper, more);
    expect(client.providerStatus).toBe(ProviderStatus.ERROR);
    expect(keeper.slots.size).toBe(1);
  });

  it.each(['not JSON', 'null', '7', '[]', '{}', '{"subject":"\\"ada\\"","at":0,"values":7}'])(
    'starts as a first one where somebody else has written %s',
    async text => {
      const { keeper } = await visited();
      for (const slot of keeper.slots.keys()) keeper.setItem(slot, text);
      const { client } = await visitAgain(keeper);
      expect(client.providerStatus).toBe(ProviderStatus.ERROR);
    },
  );
});

describe('a place to keep values', () => {
  it('holds the values of one subject at a time', async () => {
    const keeper = createKeeper();
    const { world, setContext } = await startReady({ a: 1 }, { storage: keeper });
    const changing = setContext({ targetingKey: 'bob' });
    await (await (await world.next()).open()).send('values', values(1, { a: 2 }));
    await changing;
    expect([...keeper.slots.values()]).toEqual([expect.stringContaining('bob')]);
  });

  it('that is full holds nothing of another subject', async () => {
    const { keeper } = await visited();
    const full = () => {
      throw new Error('the quota is exceeded');
    };
    await startReady({ a: 1 }, { storage: { ...keeper, setItem: full } }, { targetingKey: 'bob' });
    expect(keeper.slots.size).toBe(0);
  });

  it('holds nothing of another subject than the one that the page brings values of', async () => {
    const { keeper } = await visited();
    const bootstrap = values(7, { banner: 'from the page' });
    startApplication({ storage: keeper, bootstrap }, { targetingKey: 'bob' });
    expect(keeper.slots.size).toBe(0);
  });

  it('does not hold the key', async () => {
    const keeper = createKeeper();
    await startReady({ a: 1 }, { storage: keeper, key: 'pennon_client_0123456789' });
    expect(JSON.stringify([...keeper.slots])).not.toContain('pennon_client_');
  });

  it('may be full or forbidden, and nothing else changes', async () => {
    const forbid = () => {
      throw new Error('forbidden');
    };
    const { client } = await startReady(
      { a: true },
      { storage: { getItem: forbid, setItem: forbid, removeItem: forbid } },
    );
    expect(client.getBooleanValue('a', false)).toBe(true);
  });
});
