import { ErrorCode, OpenFeature, ProviderStatus } from '@openfeature/web-sdk';
import type { EvaluationContext } from '@openfeature/web-sdk';
import { describe, expect, it, vi } from 'vitest';

import { createFakeRuntime } from '../../../packages/sync/test/support/fake-runtime.ts';
import { PennonWebProvider } from '../src/index.ts';
import type { ValueStorage } from '../src/index.ts';
import {
  createStorage,
  respondToPoll,
  SERVER,
  startApplication,
  startReady,
  startServing,
  values,
} from './support/application.ts';
import { useOpenFeature } from './support/open-feature.ts';

useOpenFeature();

/** Returns a storage with the values of a first visit. */
const visit = async (flags = { banner: 'of the first visit' }, targetingKey = 'ada') => {
  const storage = createStorage();
  const { stream } = await startReady(flags, { storage, domain: 'shop' }, { targetingKey });
  await stream.end();
  await OpenFeature.clearProviders();
  return storage;
};

type SecondVisit = {
  readonly context?: EvaluationContext;
  readonly domain?: string;
  readonly key?: string;
  readonly headers?: Record<string, string>;
  readonly url?: string;
  readonly storageMaxAgeMs?: number;
  readonly laterMs?: number;
};

/** Starts an application with the storage of a first visit, while the server is away. */
const visitAgain = async (storage: ValueStorage, secondVisit: SecondVisit = {}) => {
  const { context = { targetingKey: 'ada' }, laterMs = 0, ...options } = secondVisit;
  const runtime = createFakeRuntime();
  runtime.setWallTime(laterMs);
  const shop = { storage, domain: 'shop' };
  const application = startApplication({ ...shop, ...options }, context, runtime);
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
    expect(client.getStringDetails('banner', '').reason).toBe('CACHED');
    expect(provider.freshness()).toMatchObject({
      source: 'storage',
      revision: 1,
      dataAgeMs: laterMs + 2_000,
    });
  });

  it('uses values from the future, because the clock was set back, and reports no age', async () => {
    const { client, provider } = await visitAgain(await visit(), { laterMs: -3_600_000 });
    expect(client.getStringValue('banner', '')).toBe('of the first visit');
    expect(provider.freshness()).toMatchObject({ source: 'storage', dataAgeMs: undefined });
  });

  it('does not use values from the future if storageMaxAgeMs limits their age', async () => {
    const secondVisit = { storageMaxAgeMs: 86_400_000, laterMs: -3_600_000 };
    const { client } = await visitAgain(await visit(), secondVisit);
    expect(client.providerStatus).toBe(ProviderStatus.ERROR);
  });

  it('does not use values that are older than storageMaxAgeMs', async () => {
    const storage = await visit();
    const { client } = await visitAgain(storage, { storageMaxAgeMs: 1_000, laterMs: 1_001 });
    expect(client.providerStatus).toBe(ProviderStatus.ERROR);
  });

  it.each([
    ['by another subject', { context: { targetingKey: 'bob' } }],
    ['without a subject', { context: {} }],
    ['with an empty targeting key', { context: { targetingKey: '' } }],
  ])('%s has no values, and keeps those of the first', async (_, secondVisit) => {
    const storage = await visit();
    const { client } = await visitAgain(storage, secondVisit);
    expect(client.getBooleanDetails('banner', true)).toMatchObject({
      errorCode: ErrorCode.PROVIDER_NOT_READY,
    });
    expect((await visitAgain(storage)).client.getStringValue('banner', '')).toBe(
      'of the first visit',
    );
  });

  it.each([
    ['with another key', { key: 'another-key' }],
    ['to another server', { url: 'http://other.test' }],
    ['in another domain', { domain: 'blog' }],
  ])('%s has no values, and keeps those of the first', async (_, secondVisit) => {
    const storage = await visit();
    const { client } = await visitAgain(storage, secondVisit);
    expect(client.providerStatus).toBe(ProviderStatus.ERROR);
    expect(storage.slots.size).toBe(1);
  });

  it('with other headers has no values, and keeps those of the first', async () => {
    const storage = await visit();
    const other = await visitAgain(storage, { headers: { 'x-tenant': 'b' } });
    expect(other.client.providerStatus).toBe(ProviderStatus.ERROR);
    await respondToPoll(other.runtime, values(1, { banner: 'of tenant b' }));
    await OpenFeature.clearProviders();
    const again = await visitAgain(storage, { headers: { 'X-Tenant': 'b' } });
    expect(again.client.getStringValue('banner', '')).toBe('of tenant b');
    const first = await visitAgain(storage);
    expect(first.client.getStringValue('banner', '')).toBe('of the first visit');
  });

  it.each(['not JSON', 'null', '7', '[]', '{}', '{"subjects":7}', '{"subjects":[null,{"at":0}]}'])(
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
      stored.subjects[0].values.signature = 'x';
      stored.subjects[0].values.evaluations.banner.owner = 'web';
      stored.subjects.unshift({ group: 'x' });
      storage.setItem(slot, JSON.stringify(stored));
    }
    const { client } = await visitAgain(storage);
    expect(client.getStringValue('banner', '')).toBe('of the first visit');
  });
});

describe('a second visit', () => {
  const start = (storage: ValueStorage) => startApplication({ storage, domain: 'shop' });

  it('that gets no response uses the values of the first after a moment', async () => {
    const { runtime, client, outcome } = start(await visit());
    await runtime.advance(249);
    expect(client.providerStatus).toBe(ProviderStatus.NOT_READY);
    await runtime.advance(1);
    expect(await outcome).toBeUndefined();
    await runtime.advance(0);
    expect(client.providerStatus).toBe(ProviderStatus.STALE);
    await (await runtime.nextRequest()).respond(200, JSON.stringify(values(2, { banner: 'new' })));
    expect(client.providerStatus).toBe(ProviderStatus.READY);
    expect(client.getStringDetails('banner', '')).toMatchObject({ value: 'new', reason: 'STATIC' });
  });

  it.each([400, 401, 403, 404, 429, 500, 503])(
    'uses the values of the first as soon as the server responds with %i',
    async status => {
      const { runtime, client, outcome } = start(await visit());
      await (await runtime.nextRequest()).respond(status);
      expect(await outcome).toBeUndefined();
      await runtime.advance(0);
      expect(client.providerStatus).toBe(ProviderStatus.STALE);
      expect(client.getStringValue('banner', '')).toBe('of the first visit');
    },
  );

  it('is ready with the values of the server if it responds in time, and emits READY only', async () => {
    const { runtime, client, outcome, emitted } = start(await visit());
    await runtime.advance(200);
    await startServing(runtime, values(2, { banner: 'new' }));
    await outcome;
    expect(emitted).toEqual([{ event: 'PROVIDER_READY' }]);
    expect(client.getStringValue('banner', '')).toBe('new');
  });
});

describe('the storage', () => {
  it('has one document, with the hash of the subject, the time and the values', async () => {
    const { slots } = await visit({ banner: 'hello' });
    expect([...slots].map(([slot, text]) => [slot, JSON.parse(text)])).toEqual([
      [
        expect.stringMatching(/^pennon:[\da-f]{16}$/),
        {
          subjects: [
            {
              subject: expect.stringMatching(/^[\da-f]{32}$/),
              at: Date.parse('2026-01-31T12:00:00Z'),
              values: values(1, { banner: 'hello' }),
            },
          ],
        },
      ],
    ]);
  });

  it('contains nothing of the context or the key in clear text', async () => {
    const storage = createStorage();
    const context = { mail: 'ada@example.com', name: 'Ada Lovelace' };
    await startReady({ a: 1 }, { storage, key: 'pennon_client_0123456789' }, context);
    const text = JSON.stringify([...storage.slots]);
    for (const secret of ['ada', 'Ada', 'example', 'mail', '0123456789'])
      expect(text).not.toContain(secret);
  });

  it('keeps the values of each domain, so two providers for two subjects do not overwrite them', async () => {
    const storage = createStorage();
    await startReady({ banner: 'for ada' }, { storage, domain: 'shop' }, { targetingKey: 'ada' });
    await startReady({ banner: 'for bob' }, { storage, domain: 'blog' }, { targetingKey: 'bob' });
    await OpenFeature.clearProviders();
    const shop = await visitAgain(storage, { domain: 'shop' });
    const blog = await visitAgain(storage, { domain: 'blog', context: { targetingKey: 'bob' } });
    expect(shop.client.getStringValue('banner', '')).toBe('for ada');
    expect(blog.client.getStringValue('banner', '')).toBe('for bob');
  });

  it.each<[string, EvaluationContext]>([
    ['another context', { mail: 'bob@example.com' }],
    ['no attributes', {}],
    ['an empty targeting key', { targetingKey: '', mail: 'ada@example.com' }],
  ])('has nothing of a context without a targeting key for %s', async (_, context) => {
    const storage = createStorage();
    const ada = { mail: 'ada@example.com' };
    await startReady({ banner: 'for ada' }, { storage, domain: 'shop' }, ada);
    await OpenFeature.clearProviders();
    const { client } = await visitAgain(storage, { context });
    expect(client.getStringDetails('banner', '')).toMatchObject({
      errorCode: ErrorCode.PROVIDER_NOT_READY,
    });
  });

  it('has the values of a context without a targeting key for the same context', async () => {
    const storage = createStorage();
    const context = { mail: 'ada@example.com' };
    await startReady({ banner: 'for ada' }, { storage, domain: 'shop' }, context);
    await OpenFeature.clearProviders();
    const { client } = await visitAgain(storage, { context });
    expect(client.getStringDetails('banner', '')).toMatchObject({
      value: 'for ada',
      reason: 'CACHED',
    });
  });

  it('has the values of a context without a targeting key for any order of its attributes', async () => {
    const storage = createStorage();
    const first = { mail: 'ada@example.com', address: { city: 'London', zip: '1' } };
    await startReady({ banner: 'for ada' }, { storage, domain: 'shop' }, first);
    await OpenFeature.clearProviders();
    const context = { address: { zip: '1', city: 'London' }, mail: 'ada@example.com' };
    const { client } = await visitAgain(storage, { context });
    expect(client.getStringValue('banner', '')).toBe('for ada');
  });

  it('has the values of the ten latest subjects', async () => {
    const storage = createStorage();
    for (let id = 0; id < 12; id += 1) {
      await startReady({ id }, { storage, domain: 'shop' }, { targetingKey: `user-${id}` });
      await OpenFeature.clearProviders();
    }
    const found = [];
    for (let id = 0; id < 12; id += 1) {
      const context = { targetingKey: `user-${id}` };
      const { client } = await visitAgain(storage, { context });
      found.push(client.getNumberValue('id', -1));
      await OpenFeature.clearProviders();
    }
    expect(found).toEqual([-1, -1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  });

  it('keeps the values of two tabs with different subjects, which write in turns', async () => {
    const storage = createStorage();
    const tabs = { ada: createFakeRuntime(), bob: createFakeRuntime() };
    for (const [targetingKey, runtime] of Object.entries(tabs)) {
      const provider = new PennonWebProvider({ ...SERVER, storage, stream: false }, runtime);
      const started = provider.initialize({ targetingKey }, 'shop');
      await respondToPoll(runtime, values(1, { banner: 'old' }));
      await started;
    }
    for (const [targetingKey, runtime] of Object.entries(tabs)) {
      await runtime.advance(30_000);
      await respondToPoll(runtime, values(2, { banner: `for ${targetingKey}` }));
    }
    const ada = await visitAgain(storage);
    expect(ada.client.getStringValue('banner', '')).toBe('for ada');
    await OpenFeature.clearProviders();
    const bob = await visitAgain(storage, { context: { targetingKey: 'bob' } });
    expect(bob.client.getStringValue('banner', '')).toBe('for bob');
  });

  it('that is full drops the oldest subjects, and never has values of another one', async () => {
    const storage = await visit();
    const setItem = (slot: string, text: string) => {
      if (text.length > 400) throw new Error('the quota is exceeded');
      storage.setItem(slot, text);
    };
    const full = { storage: { ...storage, setItem }, domain: 'shop' };
    await startReady({ banner: 'for bob '.repeat(20) }, full, { targetingKey: 'bob' });
    await OpenFeature.clearProviders();
    const bob = await visitAgain(storage, { context: { targetingKey: 'bob' } });
    expect(bob.client.getStringValue('banner', '')).toContain('for bob');
    await OpenFeature.clearProviders();
    expect((await visitAgain(storage)).client.getStringValue('banner', 'none')).toBe('none');
  });

  it('of the browser is not looked at outside of a page, because Node.js would print a warning', async () => {
    const read = vi.fn<() => undefined>();
    vi.stubGlobal('localStorage', undefined);
    Object.defineProperty(globalThis, 'localStorage', { get: read, configurable: true });
    const provider = new PennonWebProvider(SERVER, createFakeRuntime());
    const outcome = provider.initialize().catch((error: unknown) => error);
    await provider.onClose();
    await outcome;
    vi.unstubAllGlobals();
    expect(read).not.toHaveBeenCalled();
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
