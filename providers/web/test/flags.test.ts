import type { JsonValue } from '@openfeature/web-sdk';
import { ErrorCode, OpenFeature, ProviderEvents, ProviderStatus } from '@openfeature/web-sdk';
import { afterEach, describe, expect, it, vi } from 'vitest';

import { PennonWebProvider } from '../src/index.ts';
import type { PennonWebProviderOptions } from '../src/index.ts';

afterEach(async () => {
  vi.unstubAllGlobals();
  await OpenFeature.clearProviders();
});

const start = async (flags: Readonly<Record<string, JsonValue>>) => {
  const fetch = vi.fn<typeof globalThis.fetch>();
  vi.stubGlobal('fetch', fetch);
  const provider = new PennonWebProvider({ flags });
  const client = OpenFeature.getClient();
  const changes: unknown[] = [];
  client.addHandler(ProviderEvents.ConfigurationChanged, details =>
    changes.push(details?.flagsChanged),
  );
  await OpenFeature.setProviderAndWait(provider, { targetingKey: 'ada' });
  return { provider, client, changes, fetch };
};

describe('flags as an option', () => {
  it('are values, without any request', async () => {
    const { client, fetch } = await start({
      on: true,
      off: false,
      theme: 'dark',
      limit: 3,
      o: { x: 1 },
    });
    expect(client.providerStatus).toBe(ProviderStatus.READY);
    expect(client.getBooleanDetails('on', false)).toMatchObject({
      value: true,
      variant: 'on',
      reason: 'STATIC',
    });
    expect(client.getBooleanDetails('off', true)).toMatchObject({ value: false, variant: 'off' });
    expect(client.getStringValue('theme', '')).toBe('dark');
    expect(client.getNumberValue('limit', 0)).toBe(3);
    expect(client.getObjectValue('o', {})).toEqual({ x: 1 });
    expect(client.getBooleanDetails('missing', true)).toMatchObject({
      value: true,
      errorCode: ErrorCode.FLAG_NOT_FOUND,
    });
    expect(fetch).not.toHaveBeenCalled();
  });

  it('are flags in the short form, or of an export', async () => {
    const colours = { red: '#f00', blue: '#00f' };
    const { client } = await start({
      plain: { enabled: true, metadata: { team: 'shop' } },
      off: { enabled: false },
      colour: {
        enabled: true,
        type: 'string',
        variants: colours,
        defaultVariant: 'blue',
        rules: [],
      },
      mine: { enabled: true, variants: colours, defaultVariant: null },
    });
    expect(client.getBooleanDetails('plain', false)).toMatchObject({
      value: true,
      flagMetadata: { team: 'shop' },
    });
    expect(client.getBooleanDetails('off', true)).toMatchObject({
      value: true,
      reason: 'DISABLED',
    });
    expect(client.getStringDetails('colour', '')).toMatchObject({ value: '#00f', variant: 'blue' });
    expect(client.getStringDetails('mine', 'x')).toMatchObject({ value: 'x', reason: 'DEFAULT' });
  });

  it.each<[string, JsonValue, string]>([
    ['has rules', { enabled: true, rules: [{ percentage: 10 }] }, 'has rules, which only a server'],
    ['has no variants', { enabled: true, type: 'string' }, 'has no variant "on"'],
    ['has no such variant', { enabled: true, defaultVariant: 'x' }, 'has no variant "x"'],
  ])('throw if one of them %s', (_, flag, message) => {
    expect(() => new PennonWebProvider({ flags: { f: flag } })).toThrow(message);
  });

  it('are replaced by setFlags, which emits what changed', async () => {
    const { client, provider, changes } = await start({ a: true, b: 1, c: 'x' });
    provider.setFlags({ a: false, b: 1, d: 'new' });
    expect(changes).toEqual([['a', 'd', 'c']]);
    expect(client.getBooleanValue('a', true)).toBe(false);
    expect(client.getStringValue('c', 'gone')).toBe('gone');
    provider.setFlags({ a: false, b: 1, d: 'new' });
    expect(changes).toHaveLength(1);
    expect(provider.freshness()).toMatchObject({ mode: 'flags', source: 'flags', revision: 3 });
  });

  it('stay the same for another context', async () => {
    const { client } = await start({ a: true });
    await OpenFeature.setContext({ targetingKey: 'bob' });
    expect(client.getBooleanValue('a', false)).toBe(true);
  });

  it('cannot be replaced if the provider has a server', () => {
    const options: PennonWebProviderOptions = { url: 'http://flags.test', key: 'client-key' };
    expect(() => new PennonWebProvider(options).setFlags({})).toThrow(
      'requires the option "flags"',
    );
  });
});
