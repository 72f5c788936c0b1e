import { ErrorCode, OpenFeature, ProviderStatus } from '@openfeature/web-sdk';
import type { JsonValue } from '@openfeature/web-sdk';
import { describe, expect, it } from 'vitest';

import { settle } from '../../../packages/sync/test/support/fake-runtime.ts';
import {
  createKeeper,
  served,
  startApplication,
  startReady,
  values,
} from './support/application.ts';

const errorBody = (code: string) => JSON.stringify({ error: { code, message: `it is ${code}` } });

describe('at the start', () => {
  it('names itself, and where it runs', () => {
    const { client, provider } = startApplication();
    expect(client.metadata.providerMetadata).toEqual({ name: 'pennon-web' });
    expect(provider.runsOn).toBe('client');
  });

  it('the provider is ready with the values of its context, and READY is told once', async () => {
    const { world, client, told, outcome } = startApplication();
    expect(client.providerStatus).toBe(ProviderStatus.NOT_READY);
    const call = await world.next();
    expect(JSON.parse(call.body ?? '')).toEqual({ context: { targetingKey: 'ada' } });
    expect(call.headers.get('authorization')).toBe('Bearer client-key');
    await (await call.open()).send('values', values(1, { banner: true }));
    expect(await outcome).toBeUndefined();
    expect(client.getBooleanValue('banner', false)).toBe(true);
    expect(told).toEqual([{ event: 'PROVIDER_READY' }]);
  });

  it('waits no longer than 2 s for a server that says nothing', async () => {
    const { world, client, outcome, told } = startApplication();
    await world.advance(1_999);
    expect(client.providerStatus).toBe(ProviderStatus.NOT_READY);
    await world.advance(1);
    expect(await outcome).toMatchObject({
      code: ErrorCode.GENERAL,
      message: 'the server did not answer in time',
    });
    expect(client.providerStatus).toBe(ProviderStatus.ERROR);
    expect(told).toEqual([
      { event: 'PROVIDER_ERROR', message: 'the server did not answer in time' },
    ]);
    expect(client.getBooleanDetails('banner', true)).toMatchObject({
      value: true,
      errorCode: ErrorCode.PROVIDER_NOT_READY,
    });
  });

  it('waits as long as it is told to', async () => {
    const { world, outcome } = startApplication({ initTimeoutMs: 50 });
    await world.advance(50);
    expect(await outcome).toBeInstanceOf(Error);
  });

  it('does not wait for a server that fails', async () => {
    const { world, outcome, client } = startApplication();
    await (await world.next()).fail('connection refused');
    await world.advance(500);
    await (await world.next()).fail('connection refused');
    expect(await outcome).toMatchObject({ message: expect.stringContaining('connection refused') });
    expect(client.providerStatus).toBe(ProviderStatus.ERROR);
  });

  it.each([401, 403])('a key that is refused with %i makes the provider FATAL', async status => {
    const { world, outcome, client } = startApplication();
    await (await world.next()).answer(status, errorBody('UNAUTHORIZED'));
    await world.advance(500);
    await (await world.next()).answer(status, errorBody('UNAUTHORIZED'));
    expect(await outcome).toMatchObject({ code: ErrorCode.PROVIDER_FATAL });
    expect(client.providerStatus).toBe(ProviderStatus.FATAL);
  });

  it('a provider that failed becomes ready when the server answers after all', async () => {
    const { world, client, told, outcome } = startApplication();
    const call = await world.next();
    await world.advance(2_000);
    await outcome;
    told.length = 0;
    await (await call.open()).send('values', values(1, { banner: true, limit: 3 }));
    expect(client.providerStatus).toBe(ProviderStatus.READY);
    expect(client.getNumberValue('limit', 0)).toBe(3);
    expect(told).toEqual([
      { event: 'PROVIDER_CONFIGURATION_CHANGED', flagsChanged: ['banner', 'limit'] },
      { event: 'PROVIDER_READY' },
    ]);
  });

  it('polls where no stream is wanted', async () => {
    const { world, client, outcome } = startApplication({ stream: false, pollIntervalMs: 5_000 });
    const poll = await world.next();
    expect(poll.url).toBe('http://flags.test/api/v1/evaluations');
    await poll.answer(200, JSON.stringify(values(1, { banner: true })));
    await outcome;
    await world.advance(5_000);
    await (await world.next()).answer(200, JSON.stringify(values(2, { banner: false })));
    expect(client.getBooleanValue('banner', true)).toBe(false);
  });
});

describe('options that can never work', () => {
  it.each([
    ['{"url":null}', '"url" must be'],
    ['{"key":null}', '"key" must be'],
    ['{"key":""}', '"key" must be'],
    ['{"key":"a key\\n"}', '"key" must be'],
  ])('%s are refused where they are written', (text, message) => {
    expect(() => startApplication(JSON.parse(text))).toThrow(message);
  });
});

describe('live changes', () => {
  it('are resolved at once and told with exactly the flags that changed, removed ones too', async () => {
    const { client, told, stream } = await startReady({ a: true, b: 'red', c: 1, d: { x: 1 } });
    await stream.send('change', {
      revision: 2,
      evaluations: {
        a: served(false),
        b: served('red'),
        c: null,
        d: served({ x: 1 }),
        e: served('new'),
      },
    });
    expect(told.map(({ event }) => event)).toEqual(['PROVIDER_CONFIGURATION_CHANGED']);
    expect(told[0]?.flagsChanged?.toSorted()).toEqual(['a', 'c', 'e']);
    expect(client.getBooleanValue('a', true)).toBe(false);
    expect(client.getNumberDetails('c', 7)).toMatchObject({
      value: 7,
      errorCode: ErrorCode.FLAG_NOT_FOUND,
    });
    expect(client.getStringValue('e', '')).toBe('new');
  });

  it('are told to nobody who listens to another provider', async () => {
    const other = await startReady({ a: true });
    const { told, stream } = await startReady({ a: true });
    await stream.send('change', { revision: 2, evaluations: { a: null } });
    expect(told).toHaveLength(1);
    expect(other.told).toEqual([]);
  });

  it('of which none concerns this context are not told', async () => {
    const { told, stream } = await startReady({ a: true });
    await stream.send('heartbeat', { revision: 9 });
    await stream.send('values', values(9, { a: true }));
    expect(told).toEqual([]);
  });

  it('STALE is told once the server is lost, and READY when it is back', async () => {
    const { world, client, told, stream } = await startReady({ a: true });
    await stream.cut();
    expect(told).toEqual([]);
    await world.advance(500);
    await (await world.next()).fail('connection refused');
    expect(told).toEqual([
      { event: 'PROVIDER_STALE', message: expect.stringContaining('connection refused') },
    ]);
    expect(client.providerStatus).toBe(ProviderStatus.STALE);
    expect(client.getBooleanValue('a', false)).toBe(true);
    told.length = 0;
    await world.advance(500);
    await (await (await world.next()).open()).send('values', values(2, { a: false }));
    expect(told).toEqual([
      { event: 'PROVIDER_CONFIGURATION_CHANGED', flagsChanged: ['a'] },
      { event: 'PROVIDER_READY' },
    ]);
    expect(client.providerStatus).toBe(ProviderStatus.READY);
  });
});

describe('a change of context', () => {
  it('is reconciled with the values of the new context', async () => {
    const { world, setContext, client, told, stream } = await startReady({ a: 'for ada' });
    const changing = setContext({ targetingKey: 'bob' });
    expect(client.providerStatus).toBe(ProviderStatus.RECONCILING);
    expect(client.getStringValue('a', '')).toBe('for ada');
    const call = await world.next();
    expect(JSON.parse(call.body ?? '')).toEqual({ context: { targetingKey: 'bob' } });
    await (await call.open()).send('values', values(1, { a: 'for bob' }));
    await changing;
    expect(client.getStringValue('a', '')).toBe('for bob');
    expect(told).toEqual([
      { event: 'PROVIDER_RECONCILING' },
      { event: 'PROVIDER_CONTEXT_CHANGED' },
    ]);
    await stream.send('change', { revision: 2, evaluations: { a: served('late, for ada') } });
    expect(client.getStringValue('a', '')).toBe('for bob');
  });

  it('drops the late answer of an older context', async () => {
    const { world, setContext, client, told } = await startReady({ a: 'for ada' });
    const first = setContext({ targetingKey: 'bob' });
    const forBob = await world.next();
    const second = setContext({ targetingKey: 'eve' });
    const forEve = await world.next();
    expect(forBob.aborted()).toBe(true);
    await (await forEve.open()).send('values', values(1, { a: 'for eve' }));
    await (await forBob.open()).send('values', values(1, { a: 'for bob' }));
    await Promise.all([first, second]);
    expect(client.getStringValue('a', '')).toBe('for eve');
    expect(client.providerStatus).toBe(ProviderStatus.READY);
    expect(told.filter(({ event }) => event === 'PROVIDER_CONTEXT_CHANGED')).toHaveLength(1);
  });

  it('is not over for the first of two while the second has no answer', async () => {
    const { world, setContext, client } = await startReady({ a: 'for ada' });
    const changing = [setContext({ targetingKey: 'bob' }), setContext({ targetingKey: 'eve' })];
    await settle();
    expect(client.providerStatus).toBe(ProviderStatus.RECONCILING);
    await world.next();
    await (await (await world.next()).open()).send('values', values(1, { a: 'for eve' }));
    await Promise.all(changing);
    expect(client.providerStatus).toBe(ProviderStatus.READY);
  });

  it('of the same subject keeps its values where the server is away, and is STALE', async () => {
    const { world, setContext, client, told } = await startReady({ a: true });
    const changing = setContext({ targetingKey: 'ada', plan: 'pro' });
    await world.advance(2_000);
    await changing;
    expect(client.getBooleanValue('a', false)).toBe(true);
    await world.advance(0);
    expect(client.providerStatus).toBe(ProviderStatus.STALE);
    expect(told.at(-1)?.event).toBe('PROVIDER_STALE');
  });

  it('of the subject never serves the values of another, also where the server is away', async () => {
    const keeper = createKeeper();
    const { world, setContext, client } = await startReady({ a: true }, { storage: keeper });
    const changing = setContext({ targetingKey: 'bob' });
    await world.advance(2_000);
    await changing;
    expect(client.providerStatus).toBe(ProviderStatus.ERROR);
    expect(client.getBooleanDetails('a', false)).toMatchObject({
      value: false,
      errorCode: ErrorCode.PROVIDER_NOT_READY,
    });
    expect(keeper.slots.size).toBe(0);
  });

  it('to one that cannot be sent serves nothing of another subject, and the next one is followed', async () => {
    const { world, setContext, client } = await startReady({ a: 'for ada' });
    const endless: Record<string, JsonValue> = {};
    endless['endless'] = endless;
    await setContext({ targetingKey: 'bob', ...endless });
    expect(client.providerStatus).toBe(ProviderStatus.ERROR);
    expect(client.getStringDetails('a', '')).toMatchObject({
      errorCode: ErrorCode.PROVIDER_NOT_READY,
    });
    const changing = setContext({ targetingKey: 'cleo' });
    await (await (await world.next()).open()).send('values', values(2, { a: 'for cleo' }));
    await changing;
    expect(client.providerStatus).toBe(ProviderStatus.READY);
    expect(client.getStringValue('a', '')).toBe('for cleo');
  });

  it('to one that says the same asks nothing', async () => {
    const { world, setContext, client, provider } = await startReady({ a: true });
    await setContext({ targetingKey: 'ada' });
    expect(world.waiting).toEqual([]);
    expect(client.providerStatus).toBe(ProviderStatus.READY);
    expect(provider.freshness().mode).toBe('streaming');
  });

  it('while the provider starts decides what it is ready with', async () => {
    const { world, setContext, client, outcome } = startApplication();
    await world.next();
    const changing = setContext({ targetingKey: 'bob' });
    await (await (await world.next()).open()).send('values', values(1, { a: 'for bob' }));
    await Promise.all([outcome, changing]);
    expect(client.getStringValue('a', '')).toBe('for bob');
  });

  it('sends dates as UTC text', async () => {
    const { world, setContext } = await startReady({});
    void setContext({ since: new Date('2026-01-31T12:00:00+01:00') });
    const { body } = await world.next();
    expect(JSON.parse(body ?? '')).toEqual({ context: { since: '2026-01-31T11:00:00.000Z' } });
  });
});

describe('values that the page brings', () => {
  const bootstrap = values(7, { banner: 'from the page' });

  it('are there before anything is painted, and nothing is told twice', async () => {
    const { client, told, outcome } = startApplication({ bootstrap });
    expect(client.providerStatus).toBe(ProviderStatus.READY);
    expect(client.getStringValue('banner', '')).toBe('from the page');
    await outcome;
    expect(told).toEqual([{ event: 'PROVIDER_READY' }]);
  });

  it('are replaced by what the server says, and only the difference is told', async () => {
    const { world, client, told, outcome } = startApplication({ bootstrap });
    await outcome;
    told.length = 0;
    const stream = await (await world.next()).open();
    await stream.send('values', values(8, { banner: 'from the page', limit: 3 }));
    expect(told).toEqual([{ event: 'PROVIDER_CONFIGURATION_CHANGED', flagsChanged: ['limit'] }]);
    expect(client.getNumberValue('limit', 0)).toBe(3);
  });

  it.each(['null', '{"error":{"code":"NOT_FOUND"}}', '{"revision":7,"evaluations":null}', '[]'])(
    'are waited for where the page brings %s',
    async text => {
      const { world, client, provider, outcome } = startApplication({
        bootstrap: JSON.parse(text),
      });
      expect(client.providerStatus).toBe(ProviderStatus.NOT_READY);
      expect(provider.freshness()).toMatchObject({ source: 'none' });
      await (await (await world.next()).open()).send('values', values(8, { banner: 'live' }));
      await outcome;
      expect(client.getStringValue('banner', '')).toBe('live');
    },
  );

  it('are STALE where the server is away', async () => {
    const { world, client, outcome } = startApplication({ bootstrap });
    await outcome;
    await (await world.next()).fail('connection refused');
    await world.advance(500);
    await (await world.next()).fail('connection refused');
    expect(client.providerStatus).toBe(ProviderStatus.STALE);
    expect(client.getStringValue('banner', '')).toBe('from the page');
  });
});

describe('the end', () => {
  it('leaves no timer, no connection and no values, however often it is told', async () => {
    const { world, provider, client } = await startReady({ a: true });
    await OpenFeature.close();
    await provider.onClose();
    expect(world.timers()).toBe(0);
    expect(world.waiting).toEqual([]);
    expect(client.getBooleanDetails('a', false)).toMatchObject({
      errorCode: ErrorCode.PROVIDER_NOT_READY,
    });
  });

  it('while it starts leaves no timer either, and says that it did not', async () => {
    const { world, provider, outcome } = startApplication();
    await world.next();
    await provider.onClose();
    expect(await outcome).toBeInstanceOf(Error);
    expect(world.timers()).toBe(0);
  });

  it('is none for good: a provider may be set again', async () => {
    const { world, setProvider, client } = await startReady({ a: true });
    await OpenFeature.clearProviders();
    const outcome = setProvider();
    await (await (await world.next()).open()).send('values', values(1, { a: true }));
    await outcome;
    expect(client.getBooleanValue('a', false)).toBe(true);
  });
});

describe('the freshness of a provider', () => {
  it('says how current the values are, and why', async () => {
    const { world, provider } = await startReady({ a: true });
    await world.advance(3_000);
    expect(provider.freshness()).toMatchObject({
      mode: 'streaming',
      revision: 1,
      source: 'stream',
      dataAgeMs: 3_000,
    });
  });
  it('of values that the page brought is the age of the page, until the server answers', async () => {
    const { world, provider } = startApplication({ bootstrap: values(7, { a: true }) });
    const call = await world.next();
    await world.advance(500);
    const known = { mode: 'connecting', revision: 7, source: 'bootstrap', dataAgeMs: 500 };
    expect(provider.freshness()).toMatchObject(known);
    await (await call.open()).send('values', values(8, { a: true }));
    expect(provider.freshness()).toMatchObject({
      mode: 'streaming',
      revision: 8,
      source: 'stream',
    });
  });
});
