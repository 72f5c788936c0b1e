import { ProviderStatus } from '@openfeature/web-sdk';
import { describe, expect, it } from 'vitest';

import { PennonWebProvider } from '../src/index.ts';
import { openStream, respondToPoll, startReady, values } from './support/application.ts';
import { useOpenFeature } from './support/open-feature.ts';

useOpenFeature();

describe('after the computer has slept for a minute, a page', () => {
  it('is STALE from its first evaluation on, and READY once the values are confirmed', async () => {
    const { runtime, client, provider, emitted } = await startReady({ a: true });
    runtime.setWallTime(60_000);
    expect(client.getBooleanValue('a', false)).toBe(true);
    expect([client.providerStatus, provider.freshness().mode]).toEqual([
      ProviderStatus.STALE,
      'connecting',
    ]);
    await respondToPoll(runtime, values(2, { a: false }));
    expect(client.providerStatus).toBe(ProviderStatus.READY);
    await openStream(runtime, values(2, { a: false }));
    expect(client.getBooleanValue('a', true)).toBe(false);
    expect(emitted).toEqual([
      { event: 'PROVIDER_STALE', message: 'this process was paused for 60 s' },
      { event: 'PROVIDER_CONFIGURATION_CHANGED', flagsChanged: ['a'] },
      { event: 'PROVIDER_READY' },
    ]);
  });

  it('stays STALE while the server is away', async () => {
    const { runtime, client } = await startReady({ a: true });
    runtime.freeze(60_000);
    client.getBooleanValue('a', false);
    await (await runtime.nextRequest()).fail('ECONNREFUSED');
    expect(client.providerStatus).toBe(ProviderStatus.STALE);
  });
});

it('a clock that is set back by an hour changes nothing', async () => {
  const { runtime, client, provider, stream, emitted } = await startReady({ a: true });
  runtime.setWallTime(-3_600_000);
  await runtime.advance(3_000);
  expect(provider.freshness()).toMatchObject({ mode: 'streaming', dataAgeMs: 3_000 });
  await stream.cut();
  await runtime.advance(1_000);
  await respondToPoll(runtime, values(2, { a: false }));
  expect(client.getBooleanValue('a', true)).toBe(false);
  expect(emitted.map(({ event }) => event)).toEqual(['PROVIDER_CONFIGURATION_CHANGED']);
});

describe('a refresh', () => {
  it('resolves to true when the new values are in effect', async () => {
    const { runtime, client, provider } = await startReady({ a: true });
    const refreshed = provider.refresh();
    await respondToPoll(runtime, values(2, { a: false }));
    expect([await refreshed, client.getBooleanValue('a', true)]).toEqual([true, false]);
  });

  it('resolves to false if the server does not respond in time', async () => {
    const { runtime, provider } = await startReady({ a: true });
    const refreshed = provider.refresh({ timeoutMs: 500 });
    await runtime.advance(500);
    expect(await refreshed).toBe(false);
  });

  it('resolves to false before the start and after the end', async () => {
    const { provider } = await startReady({ a: true });
    await provider.onClose();
    expect(await provider.refresh()).toBe(false);
  });

  it('resolves to true at once with the option "flags"', async () => {
    const provider = new PennonWebProvider({ flags: { a: true } });
    await provider.initialize();
    expect(await provider.refresh()).toBe(true);
  });

  it.each<[options: object, message: string]>([
    [{ timeoutMs: 0 }, '"timeoutMs" must be a number above 0'],
    [{ timeoutMs: '500' }, '"timeoutMs" must be a number above 0'],
  ])('rejects %j', async (options, message) => {
    const { provider } = await startReady({ a: true });
    await expect(provider.refresh(options)).rejects.toThrow(message);
  });
});
