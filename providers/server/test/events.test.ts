import { OpenFeature, ProviderEvents } from '@openfeature/server-sdk';
import { describe, expect, it } from 'vitest';

import { settle } from '../../../packages/sync/test/support/fake-runtime.ts';
import { startFakeServer } from './support/fake-server.ts';
import { booleanFlag, onIf } from './support/flags.ts';
import { startOn } from './support/open.ts';

const a = booleanFlag('a', true);
const b = booleanFlag('b', true);

it('the code of an error that ends the stream is in freshness(), and the provider continues', async () => {
  const server = startFakeServer({ a });
  const { provider, events } = await startOn(server);
  await server.send('error', { error: { code: 'INTERNAL_SERVER_ERROR', message: 'try again' } });
  expect(provider.freshness()).toMatchObject({
    mode: 'connecting',
    lastError: { message: 'the server ended the stream with INTERNAL_SERVER_ERROR: try again' },
  });
  await server.advance(1_000);
  expect([provider.freshness().mode, ...events]).toEqual(['streaming', 'READY']);
});

describe('a change', () => {
  it('is reported with the flags that were changed, added and removed, once it is in effect', async () => {
    const server = startFakeServer({ a, b, untouched: booleanFlag('untouched', true) });
    const { client, events } = await startOn(server);
    const seen: boolean[] = [];
    client.addHandler(ProviderEvents.ConfigurationChanged, async () => {
      seen.push(await client.getBooleanValue('a', true));
    });
    await server.change({ a: booleanFlag('a', false), b: null, c: booleanFlag('c', true) });
    expect(events).toEqual(['READY', 'CHANGED a,b,c']);
    expect(seen).toEqual([false]);
  });

  it('of a segment is reported with the flags that use it, also in groups, and all that depend on those', async () => {
    const inSegment = { id: 'r', conditions: [{ any: [{ segment: 's' }] }], variant: 'on' };
    const dependsOn = (flag: string) => ({
      id: 'r',
      conditions: [{ flag, variants: ['on'] }],
      variant: 'on',
    });
    const server = startFakeServer({
      user: booleanFlag('user', false, { rules: [inSegment] }),
      dependent: booleanFlag('dependent', false, { rules: [dependsOn('user')] }),
      third: booleanFlag('third', false, { rules: [dependsOn('dependent')] }),
      alone: booleanFlag('alone', false, { rules: [onIf('plan', 'pro')] }),
    });
    const { events, client } = await startOn(server);
    const pro = { conditions: [{ attribute: 'plan', operator: 'equals', value: 'pro' }] };
    await server.change({}, { s: pro });
    expect(events).toEqual(['READY', 'CHANGED dependent,third,user']);
    expect(await client.getBooleanValue('third', false, { plan: 'pro' })).toBe(true);
  });

  it('of only the version of a flag is not an event, but its metadata has the new version', async () => {
    const dependent = booleanFlag('dependent', false, {
      rules: [{ id: 'r', conditions: [{ flag: 'a', variants: ['on'] }], variant: 'on' }],
    });
    const server = startFakeServer({ a, dependent });
    const { events, client } = await startOn(server);
    await server.change({ a: { ...a, version: 2 } });
    expect(events).toEqual(['READY']);
    const { flagMetadata } = await client.getBooleanDetails('a', false);
    expect(flagMetadata['version']).toBe(2);
    await server.change({ a: { ...a, version: 3, defaultVariant: 'off' } });
    expect(events).toEqual(['READY', 'CHANGED a,dependent']);
  });

  it('of only the version of a flag is not an event either if the whole flag set arrives', async () => {
    const server = startFakeServer({ a, b });
    const { events, client } = await startOn(server);
    server.replace({ a: { ...a, version: 2 }, b: { ...b, version: 2, defaultVariant: 'off' } });
    await server.cut();
    await server.advance(2_000);
    expect(events).toEqual(['READY', 'CHANGED b']);
    const { flagMetadata } = await client.getBooleanDetails('a', false);
    expect(flagMetadata['version']).toBe(2);
  });

  it('of fields that no result depends on is not an event', async () => {
    const server = startFakeServer({ a });
    const { events, provider } = await startOn(server);
    await server.change({ a: { ...a, archived: true, description: 'Another one.' } });
    expect(events).toEqual(['READY']);
    expect(provider.freshness().revision).toBe(2);
  });

  it('that arrives while the previous one is processed is reported with both', async () => {
    const many = Array.from({ length: 500 }, (_, index) => booleanFlag(`flag-${index}`, true));
    const server = startFakeServer({ a, b });
    const { events, client } = await startOn(server);
    const changes = [
      server.change(Object.fromEntries(many.map(flag => [flag.key, flag]))),
      server.change({ a: booleanFlag('a', false) }),
      server.change({ b: null }),
    ];
    await Promise.all(changes);
    await expect.poll(() => events.join()).toContain('CHANGED a,b');
    expect(await client.getBooleanValue('a', true)).toBe(false);
    expect(await client.getBooleanDetails('b', true)).toMatchObject({
      errorCode: 'FLAG_NOT_FOUND',
    });
  });

  it('of an unused segment is not an event', async () => {
    const server = startFakeServer({ a });
    const { events, provider } = await startOn(server);
    await server.change({}, { unused: { conditions: [] } });
    expect(events).toEqual(['READY']);
    expect(provider.freshness().revision).toBe(2);
  });

  it('made while the stream was down is reported after the reconnect, with only what differs', async () => {
    const server = startFakeServer({ a, b });
    const { events } = await startOn(server);
    server.replace({ a: structuredClone(a), c: booleanFlag('c', true) });
    await server.cut();
    await server.advance(2_000);
    expect(events).toEqual(['READY', 'CHANGED b,c']);
  });

  it('that needs regular expressions is reported once they are loaded, and nothing is stale until then', async () => {
    const server = startFakeServer({ a });
    const { events, client } = await startOn(server);
    const staff = {
      id: 'r',
      conditions: [{ attribute: 'mail', operator: 'matches', value: '@example\\.com$' }],
      variant: 'on',
    };
    await server.change({ b: booleanFlag('b', false, { rules: [staff] }) });
    await expect.poll(() => events).toEqual(['READY', 'CHANGED b']);
    expect(await client.getBooleanValue('b', false, { mail: 'ada@example.com' })).toBe(true);
    expect(await client.getBooleanValue('b', true, { mail: 'ada@example.org' })).toBe(false);
  });

  it('does not make the provider stale while many flags are processed', async () => {
    const many = Array.from({ length: 2_000 }, (_, index) => booleanFlag(`flag-${index}`, true));
    const server = startFakeServer({
      a,
      ...Object.fromEntries(many.map(flag => [flag.key, flag])),
    });
    const { events, client } = await startOn(server, { mode: 'remote' });
    await expect.poll(() => events).toEqual(['READY']);
    server.behave('broken', 'evaluate');
    const changed = server.change({ a: booleanFlag('a', false) });
    await client.getBooleanValue('flag-7', false);
    await changed;
    await expect.poll(() => events).toContain('CHANGED a');
    await settle();
    expect(events).toEqual(['READY', 'CHANGED a']);
  });

  it('is reported only to the clients of its own provider', async () => {
    const [one, other] = [startFakeServer({ a }), startFakeServer({ a })];
    const [first, second] = [await startOn(one), await startOn(other)];
    await one.change({ a: booleanFlag('a', false) });
    expect(first.events).toEqual(['READY', 'CHANGED a']);
    expect(second.events).toEqual(['READY']);
    expect(await first.client.getBooleanValue('a', true)).toBe(false);
    expect(await second.client.getBooleanValue('a', false)).toBe(true);
  });
});

describe('an outage of the server', () => {
  it('emits STALE as soon as neither stream nor poll works, and READY when one does', async () => {
    const server = startFakeServer({ a });
    const { client, events } = await startOn(server);
    server.behave('broken');
    await server.cut();
    expect(client.providerStatus).toBe('READY');
    await server.advance(1_000);
    expect(client.providerStatus).toBe('STALE');
    expect(await client.getBooleanValue('a', false)).toBe(true);
    server.behave('normal', 'poll');
    await server.advance(30_000);
    expect(client.providerStatus).toBe('READY');
    expect(events).toEqual(['READY', 'STALE', 'READY']);
  });

  it('does not emit STALE if the next connection succeeds at once', async () => {
    const server = startFakeServer({ a });
    const { events } = await startOn(server);
    await server.cut();
    await server.advance(60_000);
    expect(events).toEqual(['READY']);
  });

  it('is explained in the message of the event', async () => {
    const server = startFakeServer({ a });
    const { client } = await startOn(server);
    const messages: unknown[] = [];
    client.addHandler(ProviderEvents.Stale, details => messages.push(details?.message));
    server.behave({ status: 401 });
    await server.cut();
    await server.advance(1_000);
    expect(messages).toEqual(['the server responded with 401: rejected with 401']);
    expect(await client.getBooleanValue('a', false)).toBe(true);
  });
});

describe('flags in a format that this release cannot read', () => {
  it('change nothing: the previous flags stay in use and are STALE until newer ones arrive', async () => {
    const server = startFakeServer({ a });
    const { client, events, provider } = await startOn(server);
    await server.send(
      'set',
      { formatVersion: 2, id: 'x', revision: 9, flags: {}, segments: {} },
      'x',
    );
    expect(events).toEqual(['READY', 'STALE']);
    expect(await client.getBooleanValue('a', false)).toBe(true);
    expect(provider.freshness().lastError?.message).toContain('format version');
    server.replace({ a: booleanFlag('a', false) });
    await server.cut();
    await server.advance(2_000);
    expect(events).toEqual(['READY', 'STALE', 'CHANGED a', 'READY']);
  });

  it('do not hide changes: the next flags are compared with those in use', async () => {
    const server = startFakeServer({ a, b });
    const { events, client } = await startOn(server);
    await server.send(
      'set',
      { formatVersion: 2, id: 'x', revision: 9, flags: {}, segments: {} },
      'x',
    );
    const change = { previous: 'x', revision: 10, flags: { b: null }, segments: {} };
    await server.send('change', change, 'y');
    expect(events).toEqual(['READY', 'STALE']);
    const set = { formatVersion: 1, id: 'z', revision: 11, flags: { b }, segments: {} };
    await server.send('set', set, 'z');
    expect(events).toEqual(['READY', 'STALE', 'CHANGED a', 'READY']);
    expect(await client.getBooleanValue('b', false)).toBe(true);
  });
});

it('a provider that was replaced emits no events and has no connection', async () => {
  const server = startFakeServer({ a });
  const { events, client } = await startOn(server);
  await OpenFeature.clearProviders();
  await server.change({ a: booleanFlag('a', false) });
  expect(events).toEqual(['READY']);
  expect(client.providerStatus).not.toBe('READY');
  expect([server.openStreams(), server.timers()]).toEqual([0, 0]);
});

describe('a flag set with regular expressions that are too large together', () => {
  it('is refused, and the last good flags stay in use', async () => {
    const server = startFakeServer({ a: booleanFlag('a', true) });
    const { client, provider } = await startOn(server);
    const matches = { attribute: 'a', operator: 'matches', value: `(${'.'.repeat(249)}){100}` };
    const rules = [{ id: 'r', conditions: [matches], variant: 'off' }];
    const flags = Object.fromEntries(
      Array.from({ length: 41 }, (_, at) => [`f${at}`, booleanFlag(`f${at}`, true, { rules })]),
    );
    await server.send('set', { formatVersion: 1, id: 'x', revision: 9, flags, segments: {} }, 'x');
    expect(await client.getBooleanValue('a', false)).toBe(true);
    expect(provider.freshness().lastError?.message).toContain('at most 1000000 is possible');
  });
});
