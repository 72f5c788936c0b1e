import { OpenFeature, ProviderEvents } from '@openfeature/server-sdk';
import { describe, expect, it } from 'vitest';

import { settle } from '../../../packages/sync/test/support/fake-runtime.ts';
import { startFakeServer } from './support/fake-server.ts';
import { booleanFlag, onWhere } from './support/flags.ts';
import { startOn } from './support/open.ts';

const a = booleanFlag('a', true);
const b = booleanFlag('b', true);

describe('a change', () => {
  it('is told with the flags that were written, added and removed, when they answer already', async () => {
    const server = startFakeServer({ a, b, untouched: booleanFlag('untouched', true) });
    const { client, told } = await startOn(server);
    const seen: boolean[] = [];
    client.addHandler(ProviderEvents.ConfigurationChanged, async () => {
      seen.push(await client.getBooleanValue('a', true));
    });
    await server.change({ a: booleanFlag('a', false), b: null, c: booleanFlag('c', true) });
    expect(told).toEqual(['READY', 'CHANGED a,b,c']);
    expect(seen).toEqual([false]);
  });

  it('of a segment names the flags that use it, in groups too, and all that ask those flags', async () => {
    const inSegment = { id: 'r', conditions: [{ any: [{ segment: 's' }] }], variant: 'on' };
    const asks = (flag: string) => ({
      id: 'r',
      conditions: [{ flag, variants: ['on'] }],
      variant: 'on',
    });
    const server = startFakeServer({
      user: booleanFlag('user', false, { rules: [inSegment] }),
      asker: booleanFlag('asker', false, { rules: [asks('user')] }),
      third: booleanFlag('third', false, { rules: [asks('asker')] }),
      alone: booleanFlag('alone', false, { rules: [onWhere('plan', 'pro')] }),
    });
    const { told, client } = await startOn(server);
    const pro = { conditions: [{ attribute: 'plan', operator: 'equals', value: 'pro' }] };
    await server.change({}, { s: pro });
    expect(told).toEqual(['READY', 'CHANGED asker,third,user']);
    expect(await client.getBooleanValue('third', false, { plan: 'pro' })).toBe(true);
  });

  it('of a segment that nobody uses is no event', async () => {
    const server = startFakeServer({ a });
    const { told, provider } = await startOn(server);
    await server.change({}, { unused: { conditions: [] } });
    expect(told).toEqual(['READY']);
    expect(provider.freshness().revision).toBe(2);
  });

  it('that came while the stream was down is told when it is back, and only what differs', async () => {
    const server = startFakeServer({ a, b });
    const { told } = await startOn(server);
    server.replace({ a: structuredClone(a), c: booleanFlag('c', true) });
    await server.cut();
    await server.advance(2_000);
    expect(told).toEqual(['READY', 'CHANGED b,c']);
  });

  it('that only regular expressions can decide is told when they are loaded, and nothing is stale', async () => {
    const server = startFakeServer({ a });
    const { told, client } = await startOn(server);
    const staff = {
      id: 'r',
      conditions: [{ attribute: 'mail', operator: 'matches', value: '@example\\.com$' }],
      variant: 'on',
    };
    await server.change({ b: booleanFlag('b', false, { rules: [staff] }) });
    await expect.poll(() => told).toEqual(['READY', 'CHANGED b']);
    expect(await client.getBooleanValue('b', false, { mail: 'ada@example.com' })).toBe(true);
    expect(await client.getBooleanValue('b', true, { mail: 'ada@example.org' })).toBe(false);
  });

  it('makes nothing stale while many flags are taken over, whatever else is looked at then', async () => {
    const many = Array.from({ length: 2_000 }, (_, at) => booleanFlag(`flag-${at}`, true));
    const server = startFakeServer({
      a,
      ...Object.fromEntries(many.map(flag => [flag.key, flag])),
    });
    const { told, client } = await startOn(server, { mode: 'remote' });
    await expect.poll(() => told).toEqual(['READY']);
    server.behave('broken', 'evaluations');
    const changed = server.change({ a: booleanFlag('a', false) });
    await client.getBooleanValue('flag-7', false);
    await changed;
    await expect.poll(() => told).toContain('CHANGED a');
    await settle();
    expect(told).toEqual(['READY', 'CHANGED a']);
  });

  it('reaches the clients of its own provider and nobody else', async () => {
    const [one, other] = [startFakeServer({ a }), startFakeServer({ a })];
    const [first, second] = [await startOn(one), await startOn(other)];
    await one.change({ a: booleanFlag('a', false) });
    expect(first.told).toEqual(['READY', 'CHANGED a']);
    expect(second.told).toEqual(['READY']);
    expect(await first.client.getBooleanValue('a', true)).toBe(false);
    expect(await second.client.getBooleanValue('a', false)).toBe(true);
  });
});

describe('the loss of the server', () => {
  it('is STALE as soon as neither stream nor poll answers, and READY when one does', async () => {
    const server = startFakeServer({ a });
    const { client, told } = await startOn(server);
    server.behave('broken');
    await server.cut();
    expect(client.providerStatus).toBe('READY');
    await server.advance(1_000);
    expect(client.providerStatus).toBe('STALE');
    expect(await client.getBooleanValue('a', false)).toBe(true);
    server.behave('well', 'poll');
    await server.advance(30_000);
    expect(client.providerStatus).toBe('READY');
    expect(told).toEqual(['READY', 'STALE', 'READY']);
  });

  it('is not even STALE where the next connection stands at once', async () => {
    const server = startFakeServer({ a });
    const { told } = await startOn(server);
    await server.cut();
    await server.advance(60_000);
    expect(told).toEqual(['READY']);
  });

  it('says why in the message of the event', async () => {
    const server = startFakeServer({ a });
    const { client } = await startOn(server);
    const messages: unknown[] = [];
    client.addHandler(ProviderEvents.Stale, details => messages.push(details?.message));
    server.behave({ status: 401 });
    await server.cut();
    await server.advance(1_000);
    expect(messages).toEqual(['the server responded with 401: refused with 401']);
    expect(await client.getBooleanValue('a', false)).toBe(true);
  });
});

describe('flags of a format that this release cannot read', () => {
  it('change nothing: the last ones serve on and are STALE, until there are others', async () => {
    const server = startFakeServer({ a });
    const { client, told, provider } = await startOn(server);
    await server.send(
      'set',
      { formatVersion: 2, id: 'x', revision: 9, flags: {}, segments: {} },
      'x',
    );
    expect(told).toEqual(['READY', 'STALE']);
    expect(await client.getBooleanValue('a', false)).toBe(true);
    expect(provider.freshness().lastError?.message).toContain('format version');
    server.replace({ a: booleanFlag('a', false) });
    await server.cut();
    await server.advance(2_000);
    expect(told).toEqual(['READY', 'STALE', 'CHANGED a', 'READY']);
  });
});

it('a provider that was replaced tells nothing any more, and holds no connection', async () => {
  const server = startFakeServer({ a });
  const { told, client } = await startOn(server);
  await OpenFeature.clearProviders();
  await server.change({ a: booleanFlag('a', false) });
  expect(told).toEqual(['READY']);
  expect(client.providerStatus).not.toBe('READY');
  expect([server.openStreams(), server.timers()]).toEqual([0, 0]);
});
