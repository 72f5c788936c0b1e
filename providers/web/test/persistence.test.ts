import { ErrorCode, ProviderStatus } from '@openfeature/web-sdk';
import type { EvaluationContext } from '@openfeature/web-sdk';
import { describe, expect, it } from 'vitest';

import { createFakeRuntime } from '../../../packages/sync/test/support/fake-runtime.ts';
import type { ValueStorage } from '../src/index.ts';
import {
  createStorage,
  respondToPoll,
  startApplication,
  startReady,
  startServing,
  values,
} from './support/application.ts';

/** Returns a storage with the values of a first visit. */
const visit = async (flags = { banner: 'of the first visit' }, targetingKey = 'ada') => {
  const storage = createStorage();
  const { stream } = await startReady(flags, { storage }, { targetingKey });
  await stream.end();
  return storage;
};

type SecondVisit = {
  readonly context?: EvaluationContext;
  readonly key?: string;
  readonly url?: string;
  readonly storageMaxAgeMs?: number;
  readonly laterMs?: number;
};

/** Starts an application with the storage of a first visit, while the server is away. */
const visitAgain = async (storage: ValueStorage, secondVisit: SecondVisit = {}) => {
  const { context = { targetingKey: 'ada' }, laterMs = 0, ...options } = secondVisit;
  const runtime = createFakeRuntime();
  await runtime.advance(laterMs);
  const application = startApplication({ storage, ...options }, context, runtime);
  await runtime.advance(2_000);
  await application.outcome;
  return application;
};

describe('a second visit while the server is away', () => {
  it('uses the values of the first, and is STALE', async () => {
    const { runtime, client, emitted } = await visitAgain(await visit());
    await runtime.advance(0);
    expect(client.getStringValue('banner', '')).toBe('of the first visit');
    expect(client.providerStatus).toBe(ProviderStatus.STALE);
    expect(emitted.map(({ event }) => event)).toEqual(['PROVIDER_READY', 'PROVIDER_STALE']);
  });

  it('emits only the differences when the server is back, and READY', async () => {
    const { runtime, emitted } = await visitAgain(await visit());
    emitted.length = 0;
    await respondToPoll(runtime, values(2, { banner: 'of the first visit', limit: 2 }));
    expect(emitted).toEqual([
      { event: 'PROVIDER_CONFIGURATION_CHANGED', flagsChanged: ['limit'] },
      { event: 'PROVIDER_READY' },
    ]);
  });

  it('uses values of any age by default', async () => {
    const laterMs = 10 * 365 * 86_400_000;
    const { client, provider } = await visitAgain(await visit(), { laterMs });
    expect(client.getStringValue('banner', '')).toBe('of the first visit');
    expect(provider.freshness()).toMatchObject({
      source: 'storage',
      revision: 1,
      dataAgeMs: laterMs + 2_000,
    });
  });

  it('does not use values that are older than storageMaxAgeMs', async () => {
    const storage = await visit();
    const { client } = await visitAgain(storage, { storageMaxAgeMs: 1_000, laterMs: 1_001 });
    expect(client.providerStatus).toBe(ProviderStatus.ERROR);
    expect(storage.slots.size).toBe(0);
  });

  it.each([
    ['by another subject', { context: { targetingKey: 'bob' } }],
    ['without a subject', { context: {} }],
  ])('%s has no values, and removes those of the first', async (_, secondVisit) => {
    const storage = await visit();
    const { client } = await visitAgain(storage, secondVisit);
    expect(client.getBooleanDetails('banner', true)).toMatchObject({
      errorCode: ErrorCode.PROVIDER_NOT_READY,
    });
    expect(storage.slots.size).toBe(0);
  });

  it.each([
    ['with another key', { key: 'another-key' }],
    ['to another server', { url: 'http://other.test' }],
  ])('%s has no values, and keeps those of the first', async (_, secondVisit) => {
    const storage = await visit();
    const { client } = await visitAgain(storage, secondVisit);
    expect(client.providerStatus).toBe(ProviderStatus.ERROR);
    expect(storage.slots.size).toBe(1);
  });

  it.each(['not JSON', 'null', '7', '[]', '{}', '{"subject":"\\"ada\\"","at":0,"values":7}'])(
    'has no values if the storage contains %s',
    async text => {
      const storage = await visit();
      for (const slot of storage.slots.keys()) storage.setItem(slot, text);
      const { client } = await visitAgain(storage);
      expect(client.providerStatus).toBe(ProviderStatus.ERROR);
    },
  );

  it('uses values that a newer release has stored, with fields that it does not know', async () => {
    const storage = await visit();
    for (const [slot, text] of storage.slots) {
      const stored = JSON.parse(text);
      stored.writtenBy = '9.0.0';
      stored.values.signature = 'x';
      stored.values.evaluations.banner.owner = 'web';
      storage.setItem(slot, JSON.stringify(stored));
    }
    const { client } = await visitAgain(storage);
    expect(client.getStringValue('banner', '')).toBe('of the first visit');
  });
});

describe('the storage', () => {
  it('has one document, with the subject, the time and the values', async () => {
    const { slots } = await visit({ banner: 'hello' });
    expect([...slots].map(([slot, text]) => [slot, JSON.parse(text)])).toEqual([
      [
        'pennon:http://flags.test:ient-key',
        {
          subject: '"ada"',
          at: Date.parse('2026-01-31T12:00:00Z'),
          values: values(1, { banner: 'hello' }),
        },
      ],
    ]);
  });

  it('has the values of one subject at a time', async () => {
    const storage = createStorage();
    const { runtime, setContext } = await startReady({ a: 1 }, { storage });
    const changing = setContext({ targetingKey: 'bob' });
    await startServing(runtime, values(1, { a: 2 }));
    await changing;
    expect([...storage.slots.values()]).toEqual([expect.stringContaining('bob')]);
  });

  it('has no values of another subject if it is full', async () => {
    const storage = await visit();
    const setItem = () => {
      throw new Error('the quota is exceeded');
    };
    await startReady({ a: 1 }, { storage: { ...storage, setItem } }, { targetingKey: 'bob' });
    expect(storage.slots.size).toBe(0);
  });

  it('has no values of another subject if the page comes with values', async () => {
    const storage = await visit();
    const bootstrap = values(7, { banner: 'from the page' });
    startApplication({ storage, bootstrap }, { targetingKey: 'bob' });
    expect(storage.slots.size).toBe(0);
  });

  it('does not contain the key', async () => {
    const storage = createStorage();
    await startReady({ a: 1 }, { storage, key: 'pennon_client_0123456789' });
    expect(JSON.stringify([...storage.slots])).not.toContain('pennon_client_');
  });

  it('may be blocked without any other effect', async () => {
    const block = () => {
      throw new Error('forbidden');
    };
    const { client } = await startReady(
      { a: true },
      { storage: { getItem: block, setItem: block, removeItem: block } },
    );
    expect(client.getBooleanValue('a', false)).toBe(true);
  });
});
