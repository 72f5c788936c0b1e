import { OpenFeature, ProviderStatus } from '@openfeature/web-sdk';
import { describe, expect, it, vi } from 'vitest';

import { createFakeRuntime, settle } from '../../../packages/sync/test/support/fake-runtime.ts';
import {
  openStream,
  respondToPoll,
  SERVER,
  served,
  startApplication,
  startReady,
  startServing,
  values,
} from './support/application.ts';
import { useOpenFeature } from './support/open-feature.ts';

useOpenFeature();

const ADA = { targetingKey: 'ada' };

/** Starts another application on the runtime of the first, as another provider of the same page. */
const startBeside = (
  { runtime }: { readonly runtime: ReturnType<typeof createFakeRuntime> },
  options: Parameters<typeof startApplication>[0] = {},
  context: Parameters<typeof startApplication>[1] = ADA,
) => startApplication(options, context, runtime);

/** Loads the package again, as a page with two bundles does. */
const loadCopy = async () => {
  vi.resetModules();
  const { PennonWebProvider } = await import('../src/index.ts');
  return PennonWebProvider;
};

describe('two providers of one page with the same options and context', () => {
  it('share one stream, and both receive the values and the changes', async () => {
    const first = await startReady({ a: 1 });
    const second = startBeside(first);
    expect(await second.outcome).toBeUndefined();
    expect(first.runtime.pending).toEqual([]);
    expect(second.client.getNumberValue('a', 0)).toBe(1);
    expect(second.provider.freshness().mode).toBe('streaming');
    await first.stream.send('change', { revision: 2, evaluations: { a: served(2) } });
    expect(first.client.getNumberValue('a', 0)).toBe(2);
    expect(second.client.getNumberValue('a', 0)).toBe(2);
    expect(second.emitted).toEqual([
      { event: 'PROVIDER_READY' },
      { event: 'PROVIDER_CONFIGURATION_CHANGED', flagsChanged: ['a'] },
    ]);
  });

  it('share the first request, even if the attributes have another order', async () => {
    const runtime = createFakeRuntime();
    const first = startApplication({}, { targetingKey: 'ada', plan: 'pro' }, runtime);
    const second = startApplication({}, { plan: 'pro', targetingKey: 'ada' }, runtime);
    await startServing(runtime, values(1, { a: 1 }));
    expect(await Promise.all([first.outcome, second.outcome])).toEqual([undefined, undefined]);
    expect(runtime.pending).toEqual([]);
  });

  it.each([
    ['address', { url: 'HTTP://Flags.test:80//' }],
    ['defaults', { stream: true, pollIntervalMs: 30_000, headers: {} }],
  ])('share one stream, even if the %s are written differently', async (_, options) => {
    const first = await startReady({ a: 1 });
    const second = startBeside(first, options);
    expect(await second.outcome).toBeUndefined();
    expect(second.provider.freshness().mode).toBe('streaming');
    expect(first.runtime.pending).toEqual([]);
  });

  it('share one stream, even if they come from two copies of the package', async () => {
    const { runtime, stream } = await startReady({ a: 1 });
    const provider = new (await loadCopy())({ ...SERVER, storage: null }, runtime);
    await provider.initialize(ADA);
    expect(runtime.pending).toEqual([]);
    await stream.send('change', { revision: 2, evaluations: { a: served(2) } });
    expect(provider.resolveNumberEvaluation('a', 0).value).toBe(2);
    await provider.onClose();
  });

  it('stay connected until both are closed', async () => {
    const { runtime, provider, stream } = await startReady({ a: 1 });
    const second = startBeside({ runtime });
    await second.outcome;
    await provider.onClose();
    expect(provider.freshness().mode).toBe('stopped');
    await stream.send('change', { revision: 2, evaluations: { a: served(2) } });
    expect(second.client.getNumberValue('a', 0)).toBe(2);
    await second.provider.onClose();
    expect(runtime.timerCount()).toBe(0);
  });

  it('part when one of them changes its context', async () => {
    const first = await startReady({ a: 'for ada' });
    const second = startBeside(first);
    await second.outcome;
    const changing = second.setContext({ targetingKey: 'bob' });
    await startServing(first.runtime, values(1, { a: 'for bob' }));
    await changing;
    expect(first.client.getStringValue('a', '')).toBe('for ada');
    expect(second.client.getStringValue('a', '')).toBe('for bob');
  });

  it('are both STALE when the server is away, even if the second starts then', async () => {
    const first = await startReady({ a: 1 });
    await first.stream.cut();
    await first.runtime.advance(500);
    await (await first.runtime.nextRequest()).fail('connection refused');
    const second = startBeside(first);
    await second.outcome;
    await first.runtime.advance(0);
    expect([first.client.providerStatus, second.client.providerStatus]).toEqual([
      ProviderStatus.STALE,
      ProviderStatus.STALE,
    ]);
    expect(second.client.getNumberValue('a', 0)).toBe(1);
  });
});

describe('providers that differ', () => {
  it.each([
    ['in the context', {}, { targetingKey: 'ada', plan: 'pro' }],
    ['in the key', { key: 'another' }, ADA],
    ['in the address', { url: 'http://other.test' }, ADA],
    ['in the headers', { headers: { tenant: 'b' } }, ADA],
  ])('%s share nothing', async (_, options, context) => {
    const first = await startReady({ a: 1 });
    const second = startBeside(first, options, context);
    await startServing(first.runtime, values(1, { a: 2 }));
    await second.outcome;
    expect(first.client.getNumberValue('a', 0)).toBe(1);
    expect(second.client.getNumberValue('a', 0)).toBe(2);
  });

  it('in `fetch` share nothing', async () => {
    const first = await startReady({ a: 1 });
    const { fetch } = createFakeRuntime();
    const second = startBeside(first, { fetch });
    await settle();
    expect(second.client.providerStatus).toBe(ProviderStatus.NOT_READY);
  });
});

describe('the third provider of a page with a context of its own', () => {
  const startThree = async () => {
    const first = await startReady({ a: 1 });
    const { runtime } = first;
    const second = startBeside(first, {}, { targetingKey: 'bob' });
    await startServing(runtime, values(1, { a: 2 }));
    await second.outcome;
    const third = startBeside(first, {}, { targetingKey: 'eve' });
    await respondToPoll(runtime, values(1, { a: 3 }));
    await third.outcome;
    return { runtime, first, second, third };
  };

  it('polls, because a page has two streams, and is READY', async () => {
    const { runtime, third } = await startThree();
    expect(third.client.providerStatus).toBe(ProviderStatus.READY);
    expect(third.provider.freshness().mode).toBe('polling');
    expect(runtime.pending).toEqual([]);
    await runtime.advance(30_000);
    await respondToPoll(runtime, values(2, { a: 4 }));
    expect(third.client.getNumberValue('a', 0)).toBe(4);
  });

  it('polls, even if it comes from another copy of the package', async () => {
    const { runtime } = await startReady({ a: 1 });
    const Copy = await loadCopy();
    const providers = ['bob', 'eve'].map(async targetingKey => {
      const provider = new Copy({ ...SERVER, storage: null }, runtime);
      await provider.initialize({ targetingKey });
      return provider;
    });
    await respondToPoll(runtime, values(1, { a: 2 }));
    await respondToPoll(runtime, values(1, { a: 3 }));
    await openStream(runtime, values(1, { a: 2 }));
    const [second, third] = await Promise.all(providers);
    expect([second?.freshness().mode, third?.freshness().mode]).toEqual(['streaming', 'polling']);
    await Promise.all([second?.onClose(), third?.onClose()]);
  });

  it('streams when another one is closed, and emits nothing', async () => {
    const { runtime, second, third } = await startThree();
    third.emitted.length = 0;
    await second.provider.onClose();
    await runtime.advance(0);
    await startServing(runtime, values(1, { a: 3 }));
    expect(third.provider.freshness().mode).toBe('streaming');
    expect(third.emitted).toEqual([]);
  });

  it('does not take the place of one that changes its context', async () => {
    const { runtime, first, third } = await startThree();
    const changing = first.setContext({ targetingKey: 'cleo' });
    await respondToPoll(runtime, values(1, { a: 5 }));
    await changing;
    await runtime.advance(0);
    await openStream(runtime, values(1, { a: 5 }));
    expect(first.provider.freshness().mode).toBe('streaming');
    expect(third.provider.freshness().mode).toBe('polling');
  });

  it('streams if the others are of another origin', async () => {
    const { runtime, first } = await startThree();
    const other = startBeside(first, { url: 'http://other.test' });
    await startServing(runtime, values(1, { a: 6 }));
    await other.outcome;
    expect(other.provider.freshness().mode).toBe('streaming');
    await OpenFeature.clearProviders();
    await runtime.advance(0);
    expect(runtime.timerCount()).toBe(0);
  });
});
