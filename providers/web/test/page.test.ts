import { ProviderStatus } from '@openfeature/web-sdk';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { settle } from '../../../packages/sync/test/support/fake-runtime.ts';
import { served, startReady, respondToPoll, startServing, values } from './support/application.ts';
import { useOpenFeature } from './support/open-feature.ts';

useOpenFeature();

let page: EventTarget;
let document: EventTarget & { hidden: boolean };

beforeEach(() => {
  page = new EventTarget();
  document = Object.assign(new EventTarget(), { hidden: false });
  vi.stubGlobal('document', document);
  vi.stubGlobal('addEventListener', page.addEventListener.bind(page));
});
afterEach(() => vi.unstubAllGlobals());

const setHidden = (hidden: boolean) => {
  document.hidden = hidden;
  document.dispatchEvent(new Event('visibilitychange'));
  return settle();
};

describe('a page', () => {
  it('that is hidden for 5 s disconnects', async () => {
    const { runtime, provider, stream, client, emitted } = await startReady({ a: true });
    await setHidden(true);
    await runtime.advance(5_000);
    expect(provider.freshness().mode).toBe('stopped');
    await stream.send('change', { revision: 2, evaluations: { a: served(false) } });
    expect(client.getBooleanValue('a', false)).toBe(true);
    expect(runtime.pending).toEqual([]);
    expect(runtime.timerCount()).toBe(0);
    expect(emitted).toEqual([]);
  });

  it('that is shown again loads the changes that it missed, and emits only these', async () => {
    const { runtime, emitted, client } = await startReady({ a: true, b: true });
    await setHidden(true);
    await runtime.advance(60_000);
    await setHidden(false);
    await startServing(runtime, values(2, { a: false, b: true }));
    expect(emitted).toEqual([{ event: 'PROVIDER_CONFIGURATION_CHANGED', flagsChanged: ['a'] }]);
    expect(client.providerStatus).toBe(ProviderStatus.READY);
  });

  it('that is shown again after half a minute is stale until the server responds', async () => {
    const { runtime, client, provider } = await startReady({ a: true });
    await setHidden(true);
    await runtime.advance(30_001);
    await setHidden(false);
    await runtime.advance(0);
    expect(client.providerStatus).toBe(ProviderStatus.STALE);
    expect(provider.freshness().lastError?.message).toBe('the server did not respond in time');
    await startServing(runtime, values(2, { a: true }));
    expect(client.providerStatus).toBe(ProviderStatus.READY);
  });

  it('that is shown again earlier waits for the server, but not for long', async () => {
    const { runtime, client } = await startReady({ a: true });
    await setHidden(true);
    await runtime.advance(10_000);
    await setHidden(false);
    await runtime.advance(1_999);
    expect(client.providerStatus).toBe(ProviderStatus.READY);
    await runtime.advance(1);
    expect(client.providerStatus).toBe(ProviderStatus.STALE);
  });

  it('that is hidden for less than 5 s stays connected', async () => {
    const { runtime, provider, stream, client } = await startReady({ a: true });
    await setHidden(true);
    await runtime.advance(4_999);
    await setHidden(false);
    await runtime.advance(10_000);
    expect(provider.freshness().mode).toBe('streaming');
    await stream.send('change', { revision: 2, evaluations: { a: served(false) } });
    expect(client.getBooleanValue('a', true)).toBe(false);
  });

  it('that is put into the back/forward cache disconnects at once', async () => {
    const { runtime, provider } = await startReady({ a: true });
    page.dispatchEvent(new Event('pagehide'));
    expect(provider.freshness().mode).toBe('stopped');
    page.dispatchEvent(new Event('pageshow'));
    await startServing(runtime, values(2, { a: true }));
    expect(provider.freshness().mode).toBe('streaming');
  });

  it('that is hidden still loads the values of a new context', async () => {
    const { runtime, setContext, client, provider } = await startReady({ a: 'for ada' });
    await setHidden(true);
    await runtime.advance(5_000);
    const changing = setContext({ targetingKey: 'bob' });
    await respondToPoll(runtime, values(1, { a: 'for bob' }));
    await changing;
    expect(client.getStringValue('a', '')).toBe('for bob');
    expect(client.providerStatus).toBe(ProviderStatus.READY);
    expect(provider.freshness().mode).toBe('stopped');
  });

  it('that is back online reconnects at once, without the delay of its last attempt', async () => {
    const { runtime, client, stream } = await startReady({ a: true });
    await stream.cut();
    await runtime.advance(500);
    await (await runtime.nextRequest()).fail('network is down');
    expect(client.providerStatus).toBe(ProviderStatus.STALE);
    page.dispatchEvent(new Event('online'));
    await startServing(runtime, values(1, { a: true }));
    expect(client.providerStatus).toBe(ProviderStatus.READY);
  });

  it('that goes offline becomes STALE at once, without waiting for a timeout', async () => {
    const { runtime, client } = await startReady({ a: true });
    page.dispatchEvent(new Event('offline'));
    await (await runtime.nextRequest()).fail('network is down');
    await (await runtime.nextRequest()).fail('network is down');
    expect(client.providerStatus).toBe(ProviderStatus.STALE);
  });

  it('that has closed its provider ignores all events', async () => {
    const { runtime, provider } = await startReady({ a: true });
    await provider.onClose();
    page.dispatchEvent(new Event('online'));
    await setHidden(true);
    await runtime.advance(5_000);
    await setHidden(false);
    await settle();
    expect(runtime.pending).toEqual([]);
    expect(runtime.timerCount()).toBe(0);
  });
});
