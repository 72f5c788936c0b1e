import { ProviderStatus } from '@openfeature/web-sdk';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { settle } from '../../../packages/sync/test/support/fake-runtime.ts';
import { served, startReady, values } from './support/application.ts';

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
  it('that is hidden for longer than a glance follows nothing', async () => {
    const { world, provider, stream, client, told } = await startReady({ a: true });
    await setHidden(true);
    await world.advance(5_000);
    expect(provider.freshness().mode).toBe('stopped');
    await stream.send('change', { revision: 2, evaluations: { a: served(false) } });
    expect(client.getBooleanValue('a', false)).toBe(true);
    expect(world.waiting).toEqual([]);
    expect(world.timers()).toBe(0);
    expect(told).toEqual([]);
  });

  it('that is shown again learns what it has missed, and only that is told', async () => {
    const { world, told, client } = await startReady({ a: true, b: true });
    await setHidden(true);
    await world.advance(60_000);
    await setHidden(false);
    await (await (await world.next()).open()).send('values', values(2, { a: false, b: true }));
    expect(told).toEqual([{ event: 'PROVIDER_CONFIGURATION_CHANGED', flagsChanged: ['a'] }]);
    expect(client.providerStatus).toBe(ProviderStatus.READY);
  });

  it('that is hidden for a glance only goes on', async () => {
    const { world, provider, stream, client } = await startReady({ a: true });
    await setHidden(true);
    await world.advance(4_999);
    await setHidden(false);
    await world.advance(10_000);
    expect(provider.freshness().mode).toBe('streaming');
    await stream.send('change', { revision: 2, evaluations: { a: served(false) } });
    expect(client.getBooleanValue('a', true)).toBe(false);
  });

  it('that is put aside whole lets go of its connection at once', async () => {
    const { world, provider } = await startReady({ a: true });
    page.dispatchEvent(new Event('pagehide'));
    expect(provider.freshness().mode).toBe('stopped');
    page.dispatchEvent(new Event('pageshow'));
    await (await (await world.next()).open()).send('values', values(2, { a: true }));
    expect(provider.freshness().mode).toBe('streaming');
  });

  it('that is hidden still gets the values of a new context', async () => {
    const { world, setContext, client, provider } = await startReady({ a: 'for ada' });
    await setHidden(true);
    await world.advance(5_000);
    const changing = setContext({ targetingKey: 'bob' });
    await (await (await world.next()).open()).send('values', values(1, { a: 'for bob' }));
    await changing;
    expect(client.getStringValue('a', '')).toBe('for bob');
    expect(client.providerStatus).toBe(ProviderStatus.READY);
    expect(provider.freshness().mode).toBe('stopped');
  });

  it('that is back online asks at once, and does not wait for its turn', async () => {
    const { world, client, stream } = await startReady({ a: true });
    await stream.cut();
    await world.advance(500);
    await (await world.next()).fail('network is down');
    expect(client.providerStatus).toBe(ProviderStatus.STALE);
    page.dispatchEvent(new Event('online'));
    await (await (await world.next()).open()).send('values', values(1, { a: true }));
    expect(client.providerStatus).toBe(ProviderStatus.READY);
  });

  it('that is offline says STALE at once, and not only when the silence has lasted', async () => {
    const { world, client } = await startReady({ a: true });
    page.dispatchEvent(new Event('offline'));
    await (await world.next()).fail('network is down');
    await world.advance(500);
    await (await world.next()).fail('network is down');
    expect(client.providerStatus).toBe(ProviderStatus.STALE);
  });

  it('that has closed its provider hears no events any more', async () => {
    const { world, provider } = await startReady({ a: true });
    await provider.onClose();
    page.dispatchEvent(new Event('online'));
    await setHidden(true);
    await world.advance(5_000);
    await setHidden(false);
    await settle();
    expect(world.waiting).toEqual([]);
    expect(world.timers()).toBe(0);
  });
});
