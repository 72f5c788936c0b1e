import { OpenFeature, ProviderEvents } from '@openfeature/server-sdk';
import { afterEach, describe, expect, it, vi } from 'vitest';

import { PennonProvider } from '../src/index.ts';
import type { LocalFlags } from '../src/index.ts';
import { startFakeServer } from './support/fake-server.ts';
import { booleanFlag, onIf } from './support/flags.ts';
import { openProvider, openReal, startOn } from './support/open.ts';

import { MALFORMED_FLAGS } from '../../../packages/sync/test/support/local-flags.ts';

afterEach(() => vi.unstubAllGlobals());

const start = async (flags: LocalFlags) => {
  const fetch = vi.fn<typeof globalThis.fetch>();
  vi.stubGlobal('fetch', fetch);
  const opened = openReal({ flags });
  expect(await opened.started).toBe('ok');
  return { ...opened, fetch };
};

describe('flags as an option', () => {
  it('are values, without any request', async () => {
    const { client, fetch, provider } = await start({
      on: true,
      off: false,
      theme: 'dark',
      limit: 0,
      config: { x: 1 },
    });
    expect(client.providerStatus).toBe('READY');
    expect(await client.getBooleanDetails('on', false)).toMatchObject({
      value: true,
      variant: 'on',
      reason: 'STATIC',
    });
    expect(await client.getBooleanDetails('off', true)).toMatchObject({
      value: false,
      variant: 'off',
    });
    expect(await client.getStringValue('theme', '')).toBe('dark');
    expect(await client.getNumberValue('limit', 7)).toBe(0);
    expect(await client.getObjectValue('config', {})).toEqual({ x: 1 });
    expect(provider.freshness()).toMatchObject({ mode: 'flags', source: 'flags' });
    expect(fetch).not.toHaveBeenCalled();
  });

  it('are flags in the short form, with rules', async () => {
    const { client } = await start({
      checkout: { enabled: true, rules: [{ attribute: 'plan', operator: 'equals', value: 'pro' }] },
      off: { enabled: false },
      staff: {
        enabled: true,
        rules: [{ attribute: 'mail', operator: 'matches', value: '@example\\.com$' }],
      },
    });
    expect(await client.getBooleanValue('checkout', true)).toBe(false);
    expect(await client.getBooleanValue('checkout', false, { plan: 'pro' })).toBe(true);
    expect(await client.getBooleanValue('staff', false, { mail: 'ada@example.com' })).toBe(true);
    expect(await client.getBooleanDetails('off', true)).toMatchObject({
      value: true,
      reason: 'DISABLED',
    });
  });

  it('are copied, so later changes of the object have no effect', async () => {
    const config = { x: 1 };
    const { client } = await start({ config });
    config.x = 2;
    expect(await client.getObjectValue('config', {})).toEqual({ x: 1 });
  });

  it('are replaced by setFlags, which emits what changed', async () => {
    const { client, provider, events } = await start({ a: true, b: 1, c: 'x' });
    await provider.setFlags({ a: false, b: 1, d: 'new' });
    expect(await client.getBooleanValue('a', true)).toBe(false);
    expect(await client.getStringValue('c', 'gone')).toBe('gone');
    await provider.setFlags({ a: false, b: 1, d: 'new' });
    expect(events).toEqual(['READY', 'CHANGED a,c,d']);
  });

  it('are replaced in the order of the calls, also before the start and after a restart', async () => {
    const provider = new PennonProvider({ flags: { step: 0 } });
    await provider.setFlags({ step: 1 });
    const { client, started } = openProvider(provider);
    await started;
    expect(await client.getNumberValue('step', -1)).toBe(1);
    await Promise.all([2, 3, 4].map(step => provider.setFlags({ step })));
    expect(await client.getNumberValue('step', -1)).toBe(4);
    await provider.onClose();
    await provider.initialize();
    expect(provider.evaluate('step')).toMatchObject({ value: 4 });
  });

  it.each<[unknown, string]>(MALFORMED_FLAGS)('are refused if one is %j', (flag, message) => {
    expect(() => new PennonProvider({ flags: { f: flag } })).toThrow(
      `PennonProvider: the flag "f": ${message}`,
    );
  });

  it('fail the start if one is malformed', async () => {
    const { started } = openReal({ flags: { f: { enabled: true, rules: 'all' } } });
    expect(await started).toMatch(/^GENERAL: no flags available: PennonProvider: flag "f": rules /);
  });

  it('stay in use if setFlags receives a malformed one', async () => {
    const { client, provider, events } = await start({ f: true });
    await expect(provider.setFlags({ f: { enabled: true, rules: 'all' } })).rejects.toThrow(
      'rules',
    );
    await expect(provider.setFlags({ f: null })).rejects.toThrow('the flag "f": must be a flag');
    expect(await client.getBooleanValue('f', false)).toBe(true);
    expect(events).toEqual(['READY']);
  });

  it('cannot be replaced if the provider has a server', async () => {
    const { provider } = await startOn(startFakeServer());
    await expect(provider.setFlags({})).rejects.toThrow('requires the option "flags"');
  });
});

describe('toBootstrap', () => {
  const visible = { clientVisible: true };

  it('returns what the web provider starts with: only flags that browsers may see', async () => {
    const server = startFakeServer({
      seen: booleanFlag('seen', false, { ...visible, rules: [onIf('plan', 'pro')], version: 3 }),
      hidden: booleanFlag('hidden', true),
      off: booleanFlag('off', true, { ...visible, enabled: false }),
    });
    const { provider } = await startOn(server);
    const bootstrap = provider.snapshot().toBootstrap({ targetingKey: 'ada', plan: 'pro' });
    expect(bootstrap).toEqual({
      revision: 1,
      environment: 'production',
      targetingKey: 'ada',
      evaluations: {
        off: { flagKey: 'off', enabled: false, reason: 'DISABLED', version: 1 },
        seen: {
          flagKey: 'seen',
          enabled: true,
          reason: 'TARGETING_MATCH',
          variant: 'on',
          value: true,
          version: 3,
        },
      },
    });
    expect(JSON.parse(JSON.stringify(bootstrap))).toEqual(bootstrap);
  });

  it('has no flags before there are any', () => {
    const provider = new PennonProvider({ flags: { f: true } });
    expect(provider.snapshot().toBootstrap()).toEqual({ revision: 0, evaluations: {} });
  });
});

it('an edit of a description emits nothing, and the new version is in the metadata', async () => {
  const flag = booleanFlag('f', true);
  const server = startFakeServer({ f: flag });
  const { client } = await startOn(server);
  const changes = vi.fn<() => void>();
  client.addHandler(ProviderEvents.ConfigurationChanged, changes);
  await server.change({ f: { ...flag, description: 'Another one.', version: 2 } });
  expect(changes).not.toHaveBeenCalled();
  const { flagMetadata } = await client.getBooleanDetails('f', false);
  expect(flagMetadata['version']).toBe(2);
  await OpenFeature.clearProviders();
});
