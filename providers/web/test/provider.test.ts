import { ErrorCode, OpenFeature, ProviderStatus } from '@openfeature/web-sdk';
import type { JsonValue, Logger } from '@openfeature/web-sdk';
import { describe, expect, it } from 'vitest';

import { settle } from '../../../packages/sync/test/support/fake-runtime.ts';
import { PennonWebProvider } from '../src/index.ts';
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

const errorBody = (code: string) => JSON.stringify({ error: { code, message: `it is ${code}` } });

describe('starting', () => {
  it('has a name and runs on the client', () => {
    const { client, provider } = startApplication();
    expect(client.metadata.providerMetadata).toEqual({ name: 'pennon-web' });
    expect(provider.runsOn).toBe('client');
  });

  it('makes the provider ready with the values of its context, and emits READY once', async () => {
    const { runtime, client, emitted, outcome } = startApplication();
    expect(client.providerStatus).toBe(ProviderStatus.NOT_READY);
    const poll = await runtime.nextRequest();
    expect(JSON.parse(poll.body ?? '')).toEqual({ context: { targetingKey: 'ada' } });
    expect(poll.headers.get('authorization')).toBe('Bearer client-key');
    await poll.respond(200, JSON.stringify(values(1, { banner: true })));
    expect(await outcome).toBeUndefined();
    expect(client.getBooleanValue('banner', false)).toBe(true);
    await openStream(runtime, values(1, { banner: true }));
    expect(emitted).toEqual([{ event: 'PROVIDER_READY' }]);
  });

  it('succeeds by the stream if the first poll fails', async () => {
    const { runtime, client, emitted, outcome } = startApplication();
    await (await runtime.nextRequest()).fail('connection refused');
    expect(client.providerStatus).toBe(ProviderStatus.NOT_READY);
    await openStream(runtime, values(1, { banner: true }));
    expect(await outcome).toBeUndefined();
    expect(client.getBooleanValue('banner', false)).toBe(true);
    expect(emitted).toEqual([{ event: 'PROVIDER_READY' }]);
  });

  it('waits no longer than 2 s for a server that does not respond', async () => {
    const { runtime, client, outcome, emitted } = startApplication();
    await runtime.advance(1_999);
    expect(client.providerStatus).toBe(ProviderStatus.NOT_READY);
    await runtime.advance(1);
    expect(await outcome).toMatchObject({
      code: ErrorCode.GENERAL,
      message: 'the server did not respond in time',
    });
    expect(client.providerStatus).toBe(ProviderStatus.ERROR);
    expect(emitted).toEqual([
      { event: 'PROVIDER_ERROR', message: 'the server did not respond in time' },
    ]);
    expect(client.getBooleanDetails('banner', true)).toMatchObject({
      value: true,
      errorCode: ErrorCode.PROVIDER_NOT_READY,
    });
  });

  it('waits no longer than initTimeoutMs', async () => {
    const { runtime, outcome } = startApplication({ initTimeoutMs: 50 });
    await runtime.advance(50);
    expect(await outcome).toBeInstanceOf(Error);
  });

  it.each([400, 404])(
    'fails at once if the server rejects the request with %i, and continues to try',
    async status => {
      const { runtime, outcome, client } = startApplication();
      await (await runtime.nextRequest()).respond(status, errorBody('NOT_FOUND'));
      expect(await outcome).toMatchObject({
        code: ErrorCode.GENERAL,
        message: `the server responded with ${status}: it is NOT_FOUND`,
      });
      expect(client.providerStatus).toBe(ProviderStatus.ERROR);
      await openStream(runtime, values(1, { banner: true }));
      expect(client.providerStatus).toBe(ProviderStatus.READY);
    },
  );

  it('fails as soon as both the first poll and the stream have failed', async () => {
    const { runtime, outcome, client } = startApplication();
    await (await runtime.nextRequest()).fail('connection refused');
    await (await runtime.nextRequest()).fail('connection refused');
    expect(await outcome).toMatchObject({ message: expect.stringContaining('connection refused') });
    expect(client.providerStatus).toBe(ProviderStatus.ERROR);
  });

  it.each([401, 403])(
    'with a key that is rejected with %i makes the provider FATAL',
    async status => {
      const { runtime, outcome, client } = startApplication();
      await (await runtime.nextRequest()).respond(status, errorBody('UNAUTHORIZED'));
      expect(await outcome).toMatchObject({ code: ErrorCode.PROVIDER_FATAL });
      expect(client.providerStatus).toBe(ProviderStatus.FATAL);
    },
  );

  it('that a gateway refuses in its own form makes the provider no more than ERROR', async () => {
    const { runtime, outcome, client } = startApplication();
    const body = JSON.stringify({ error: { code: 403, message: 'denied' } });
    await (await runtime.nextRequest()).respond(403, body);
    await (await runtime.nextRequest()).respond(403, body);
    expect(await outcome).toMatchObject({ message: expect.stringContaining('proxy or gateway') });
    expect(client.providerStatus).toBe(ProviderStatus.ERROR);
  });

  it('that failed is made up for when the server responds later', async () => {
    const { runtime, client, emitted, outcome } = startApplication();
    const poll = await runtime.nextRequest();
    await runtime.advance(2_000);
    await outcome;
    emitted.length = 0;
    await poll.respond(200, JSON.stringify(values(1, { banner: true, limit: 3 })));
    expect(client.providerStatus).toBe(ProviderStatus.READY);
    expect(client.getNumberValue('limit', 0)).toBe(3);
    expect(emitted).toEqual([
      { event: 'PROVIDER_CONFIGURATION_CHANGED', flagsChanged: ['banner', 'limit'] },
      { event: 'PROVIDER_READY' },
    ]);
  });

  it('without a stream polls at the interval', async () => {
    const { runtime, client, outcome } = startApplication({ stream: false, pollIntervalMs: 5_000 });
    const poll = await runtime.nextRequest();
    expect(poll.url).toBe('http://flags.test/api/v1/evaluations');
    await poll.respond(200, JSON.stringify(values(1, { banner: true })));
    await outcome;
    await runtime.advance(5_000);
    await respondToPoll(runtime, values(2, { banner: false }));
    expect(client.getBooleanValue('banner', true)).toBe(false);
  });
});

describe('invalid options', () => {
  it.each([
    ['{"key":null}', '"key" must be'],
    ['{"key":"${KEY}"}', '"key" must be an API key, without quotes and variables'],
    ['{"url":"flags.test"}', '"url" must be the http or https URL of a server'],
    ['{"url":"https://%VITE_URL%"}', '"url" must be the http or https URL of a server'],
    ['{"initTimeoutMs":0}', '"initTimeoutMs" must be a number above 0'],
    ['{"events":{"queue":"many"}}', '"queue" must be a number above 0'],
  ])('%s are rejected by the constructor', (text, message) => {
    expect(() => startApplication(JSON.parse(text))).toThrow(message);
  });

  it.each(['undefined', 'null', '"http://flags.test"'])(
    '%s instead of options is rejected',
    text => {
      const options = text === 'undefined' ? undefined : JSON.parse(text);
      const create = () => Reflect.construct(PennonWebProvider, [options]);
      expect(create).toThrow('PennonWebProvider: "url" must be the http or https URL of a server');
    },
  );
});

describe('the options for the network', () => {
  it.each([
    ['x-key', 's3cret\nof the gateway'],
    ['x-key', 's3cret of the gateway: €'],
    ['s3cret name', 'a'],
  ])('cannot have the header %j with an invalid value, which is not repeated', (name, value) => {
    const create = () => new PennonWebProvider({ ...SERVER, headers: { [name]: value } });
    expect(create).toThrow(/^PennonWebProvider: "headers" must be ASCII text by name$/);
  });

  it('add headers to each request', async () => {
    const { runtime } = startApplication({ headers: { 'X-Tenant': 'shop' } });
    const request = await runtime.nextRequest();
    expect(request.headers.get('x-tenant')).toBe('shop');
    expect(request.headers.get('authorization')).toBe('Bearer client-key');
  });

  it('replace fetch', async () => {
    const fetch = () => Promise.resolve(Response.json(values(1, { banner: 'by my own fetch' })));
    const { client, outcome } = startApplication({ fetch, stream: false });
    await outcome;
    expect(client.getStringValue('banner', '')).toBe('by my own fetch');
  });
});

describe('the logger', () => {
  const startStale = async (logger?: Logger) => {
    const { runtime, outcome } = startApplication({
      bootstrap: values(7, { banner: true }),
      ...(logger && { logger }),
    });
    const warnings: unknown[] = [];
    const silent = { error() {}, info() {}, debug() {}, warn() {} };
    OpenFeature.setLogger({ ...silent, warn: (message: unknown) => warnings.push(message) });
    await outcome;
    await (await runtime.nextRequest()).fail('connection refused');
    await (await runtime.nextRequest()).fail('connection refused');
    OpenFeature.setLogger(silent);
    return warnings;
  };

  it('of OpenFeature receives a warning when the values may be out of date', async () => {
    expect(await startStale()).toEqual([
      'Pennon: the values may be out of date: fetch failed: connection refused',
    ]);
  });

  it('of the options receives it instead', async () => {
    const warnings: unknown[] = [];
    const warn = (message: unknown) => void warnings.push(message);
    expect(await startStale({ error() {}, info() {}, debug() {}, warn })).toEqual([]);
    expect(warnings).toHaveLength(1);
  });
});

describe('two domains', () => {
  it('cannot share an instance, whose values are those of one context', async () => {
    const { provider, client } = await startReady({ a: 'for ada' });
    const bind = () => OpenFeature.setProviderAndWait('another', provider, { targetingKey: 'bob' });
    await expect(async () => bind()).rejects.toThrow('to more than one domain');
    await expect(async () => OpenFeature.setProviderAndWait(provider)).rejects.toThrow(
      'to more than one domain',
    );
    expect(client.getStringValue('a', '')).toBe('for ada');
    expect(OpenFeature.getClient('another').getStringValue('a', 'mine')).toBe('mine');
  });

  it('may use an instance one after the other, without the values of the first', async () => {
    const { runtime, provider } = await startReady({ a: 'for ada' });
    await OpenFeature.clearProviders();
    const context = { targetingKey: 'bob' };
    const outcome = OpenFeature.setProviderAndWait('another', provider, context);
    expect(OpenFeature.getClient('another').getStringValue('a', 'mine')).toBe('mine');
    await startServing(runtime, values(1, { a: 'for bob' }));
    await outcome;
    expect(OpenFeature.getClient('another').getStringValue('a', '')).toBe('for bob');
  });
});

describe('changes', () => {
  it('apply at once and are emitted with exactly the flags that changed, including removed ones', async () => {
    const { client, emitted, stream } = await startReady({ a: true, b: 'red', c: 1, d: { x: 1 } });
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
    expect(emitted.map(({ event }) => event)).toEqual(['PROVIDER_CONFIGURATION_CHANGED']);
    expect(emitted[0]?.flagsChanged?.toSorted()).toEqual(['a', 'c', 'e']);
    expect(client.getBooleanValue('a', true)).toBe(false);
    expect(client.getNumberDetails('c', 7)).toMatchObject({
      value: 7,
      errorCode: ErrorCode.FLAG_NOT_FOUND,
    });
    expect(client.getStringValue('e', '')).toBe('new');
  });

  it('are not emitted to the handlers of another provider', async () => {
    const other = await startReady({ a: true });
    const { emitted, stream } = await startReady({ a: true });
    await stream.send('change', { revision: 2, evaluations: { a: null } });
    expect(emitted).toHaveLength(1);
    expect(other.emitted).toEqual([]);
  });

  it('that do not affect this context are not emitted', async () => {
    const { emitted, stream } = await startReady({ a: true });
    await stream.send('heartbeat', { revision: 9 });
    await stream.send('values', values(9, { a: true }));
    expect(emitted).toEqual([]);
  });

  it('of only the version are not emitted, but the version is the new one', async () => {
    const { client, emitted, stream } = await startReady({ a: true });
    const evaluations = { a: served(true, { version: 2 }) };
    await stream.send('change', { revision: 2, evaluations });
    await stream.send('values', { revision: 3, environment: 'production', evaluations });
    expect(emitted).toEqual([]);
    expect(client.getBooleanDetails('a', false).flagMetadata).toEqual({
      version: 2,
      flagSetId: 'production',
    });
  });

  it('emits STALE when the server is lost, and READY when it is back', async () => {
    const { runtime, client, emitted, stream } = await startReady({ a: true });
    await stream.cut();
    expect(emitted).toEqual([]);
    await runtime.advance(500);
    await (await runtime.nextRequest()).fail('connection refused');
    expect(emitted).toEqual([
      { event: 'PROVIDER_STALE', message: expect.stringContaining('connection refused') },
    ]);
    expect(client.providerStatus).toBe(ProviderStatus.STALE);
    expect(client.getBooleanValue('a', false)).toBe(true);
    emitted.length = 0;
    await runtime.advance(500);
    await openStream(runtime, values(2, { a: false }));
    expect(emitted).toEqual([
      { event: 'PROVIDER_CONFIGURATION_CHANGED', flagsChanged: ['a'] },
      { event: 'PROVIDER_READY' },
    ]);
    expect(client.providerStatus).toBe(ProviderStatus.READY);
  });
});

describe('a server from the future', () => {
  const fields = { owner: 'web', trace: [{ step: 1 }], expiresAt: '2030-01-01' };
  const newer = {
    revision: 1,
    evaluations: { banner: served('new', fields), limit: served(3, fields) },
    signature: 'x',
    projects: { shop: ['banner'] },
  };

  it('may add fields to polled values and to every evaluation', async () => {
    const { runtime, client, outcome, provider } = startApplication();
    await respondToPoll(runtime, newer);
    expect(await outcome).toBeUndefined();
    expect(client.getStringDetails('banner', '')).toEqual({
      flagKey: 'banner',
      value: 'new',
      variant: 'on',
      reason: 'STATIC',
      flagMetadata: {},
    });
    expect(client.getNumberValue('limit', 0)).toBe(3);
    expect(provider.freshness()).toMatchObject({ mode: 'polling', lastError: undefined });
  });

  it('may add fields and events to the stream', async () => {
    const { runtime, client, emitted, provider, stream } = await startReady({ banner: 'old' });
    await stream.send('values', { ...newer, revision: 2 });
    await stream.send('projects', { shop: [] });
    const evaluations = { limit: served(4, fields) };
    await stream.send('change', { revision: 3, evaluations, author: 'ada' });
    await stream.send('heartbeat', { revision: 3, load: 0.5 });
    expect(client.getStringValue('banner', '')).toBe('new');
    expect(client.getNumberValue('limit', 0)).toBe(4);
    expect(emitted).toEqual([
      { event: 'PROVIDER_CONFIGURATION_CHANGED', flagsChanged: ['banner', 'limit'] },
      { event: 'PROVIDER_CONFIGURATION_CHANGED', flagsChanged: ['limit'] },
    ]);
    expect(runtime.pending).toEqual([]);
    expect(provider.freshness()).toMatchObject({ mode: 'streaming', lastError: undefined });
  });

  it('may add fields to the values that a page comes with', () => {
    const { client } = startApplication({ bootstrap: newer });
    expect(client.providerStatus).toBe(ProviderStatus.READY);
    expect(client.getStringValue('banner', '')).toBe('new');
  });
});

describe('a change of context', () => {
  it('is reconciled with the values of the new context', async () => {
    const { runtime, setContext, client, emitted, stream } = await startReady({ a: 'for ada' });
    const changing = setContext({ targetingKey: 'bob' });
    expect(client.providerStatus).toBe(ProviderStatus.RECONCILING);
    // Not for a moment the values of the previous subject.
    expect(client.getStringDetails('a', '')).toMatchObject({
      value: '',
      errorCode: ErrorCode.PROVIDER_NOT_READY,
    });
    const poll = await runtime.nextRequest();
    expect(JSON.parse(poll.body ?? '')).toEqual({ context: { targetingKey: 'bob' } });
    await poll.respond(200, JSON.stringify(values(1, { a: 'for bob' })));
    await changing;
    expect(client.getStringValue('a', '')).toBe('for bob');
    expect(emitted).toEqual([
      { event: 'PROVIDER_RECONCILING' },
      { event: 'PROVIDER_CONTEXT_CHANGED' },
    ]);
    await stream.send('change', { revision: 2, evaluations: { a: served('late, for ada') } });
    expect(client.getStringValue('a', '')).toBe('for bob');
  });

  it('discards the late response for the previous context', async () => {
    const { runtime, setContext, client, emitted } = await startReady({ a: 'for ada' });
    const first = setContext({ targetingKey: 'bob' });
    const forBob = await runtime.nextRequest();
    const second = setContext({ targetingKey: 'eve' });
    const forEve = await runtime.nextRequest();
    expect(forBob.isAborted()).toBe(true);
    await forEve.respond(200, JSON.stringify(values(1, { a: 'for eve' })));
    await forBob.respond(200, JSON.stringify(values(1, { a: 'for bob' })));
    await Promise.all([first, second]);
    expect(client.getStringValue('a', '')).toBe('for eve');
    expect(client.providerStatus).toBe(ProviderStatus.READY);
    expect(emitted.filter(({ event }) => event === 'PROVIDER_CONTEXT_CHANGED')).toHaveLength(1);
  });

  it('does not complete before a later one that was made in the meantime', async () => {
    const { runtime, setContext, client } = await startReady({ a: 'for ada' });
    const changing = [setContext({ targetingKey: 'bob' }), setContext({ targetingKey: 'eve' })];
    await settle();
    expect(client.providerStatus).toBe(ProviderStatus.RECONCILING);
    await runtime.nextRequest();
    await respondToPoll(runtime, values(1, { a: 'for eve' }));
    await Promise.all(changing);
    expect(client.providerStatus).toBe(ProviderStatus.READY);
  });

  it('of the same subject waits for its values, and does not serve older ones after a moment', async () => {
    const { runtime, setContext, client } = await startReady({ a: 'free' });
    const changing = setContext({ targetingKey: 'ada', plan: 'pro' });
    await runtime.advance(1_000);
    expect(client.providerStatus).toBe(ProviderStatus.RECONCILING);
    await startServing(runtime, values(1, { a: 'pro' }));
    await changing;
    expect(client.getStringValue('a', '')).toBe('pro');
  });

  it('of the same subject keeps its values at once if the first request fails', async () => {
    const { runtime, setContext, client } = await startReady({ a: 'free' });
    const changing = setContext({ targetingKey: 'ada', plan: 'pro' });
    await (await runtime.nextRequest()).fail('connection refused');
    await changing;
    await runtime.advance(0);
    expect(client.providerStatus).toBe(ProviderStatus.STALE);
    expect(client.getStringValue('a', '')).toBe('free');
  });

  it('without targeting keys never serves the values of another context', async () => {
    const { runtime, setContext, client } = await startReady({ a: 1 }, {}, { mail: 'ada@x.test' });
    const changing = setContext({ mail: 'bob@x.test' });
    await runtime.advance(2_000);
    await changing;
    expect(client.getNumberDetails('a', 0)).toMatchObject({
      value: 0,
      errorCode: ErrorCode.PROVIDER_NOT_READY,
    });
  });

  it('is STALE as soon as it is over if the server is cut off from its store, as a start is', async () => {
    const { runtime, outcome, setContext, client } = startApplication();
    const respond = async () => {
      const request = await runtime.nextRequest();
      const cutOff = { 'pennon-source-age-ms': '48000' };
      return request.respond(200, '{"revision":1,"evaluations":{}}', cutOff);
    };
    const atStart = outcome.then(() => client.providerStatus);
    await respond();
    expect(await atStart).toBe(ProviderStatus.STALE);
    await runtime.nextRequest();
    const afterChange = setContext({ targetingKey: 'bob' }).then(() => client.providerStatus);
    await respond();
    expect(await afterChange).toBe(ProviderStatus.STALE);
  });

  it('of the same subject keeps its values if the server is away, and emits STALE', async () => {
    const { runtime, setContext, client, emitted } = await startReady({ a: true });
    const changing = setContext({ targetingKey: 'ada', plan: 'pro' });
    expect(client.providerStatus).toBe(ProviderStatus.RECONCILING);
    expect(client.getBooleanValue('a', false)).toBe(true);
    await runtime.advance(2_000);
    await changing;
    expect(client.getBooleanValue('a', false)).toBe(true);
    await runtime.advance(0);
    expect(client.providerStatus).toBe(ProviderStatus.STALE);
    expect(emitted.at(-1)?.event).toBe('PROVIDER_STALE');
  });

  it('to another subject never serves the values of the previous one, even if the server is away', async () => {
    const { runtime, setContext, client } = await startReady({ a: true });
    const changing = setContext({ targetingKey: 'bob' });
    await runtime.advance(2_000);
    await changing;
    expect(client.providerStatus).toBe(ProviderStatus.ERROR);
    expect(client.getBooleanDetails('a', false)).toMatchObject({
      value: false,
      errorCode: ErrorCode.PROVIDER_NOT_READY,
    });
  });

  it('that cannot be serialized serves nothing of another subject, and does not affect the next one', async () => {
    const { runtime, setContext, client } = await startReady({ a: 'for ada' });
    const circular: Record<string, JsonValue> = {};
    circular['circular'] = circular;
    await setContext({ targetingKey: 'bob', ...circular });
    expect(client.providerStatus).toBe(ProviderStatus.ERROR);
    expect(client.getStringDetails('a', '')).toMatchObject({
      errorCode: ErrorCode.PROVIDER_NOT_READY,
    });
    const changing = setContext({ targetingKey: 'cleo' });
    await startServing(runtime, values(2, { a: 'for cleo' }));
    await changing;
    expect(client.providerStatus).toBe(ProviderStatus.READY);
    expect(client.getStringValue('a', '')).toBe('for cleo');
  });

  it('to an equal context sends no request', async () => {
    const context = { targetingKey: 'ada', plan: 'pro' };
    const { runtime, setContext, client, provider } = await startReady({ a: true }, {}, context);
    await setContext({ plan: 'pro', targetingKey: 'ada' });
    expect(runtime.pending).toEqual([]);
    expect(client.providerStatus).toBe(ProviderStatus.READY);
    expect(provider.freshness().mode).toBe('streaming');
  });

  it('while the provider starts decides which values it is ready with', async () => {
    const { runtime, setContext, client, outcome } = startApplication();
    await runtime.nextRequest();
    const changing = setContext({ targetingKey: 'bob' });
    await respondToPoll(runtime, values(1, { a: 'for bob' }));
    await Promise.all([outcome, changing]);
    expect(client.getStringValue('a', '')).toBe('for bob');
  });

  it('sends dates as UTC text', async () => {
    const { runtime, setContext } = await startReady({});
    void setContext({ since: new Date('2026-01-31T12:00:00+01:00') });
    const { body } = await runtime.nextRequest();
    expect(JSON.parse(body ?? '')).toEqual({ context: { since: '2026-01-31T11:00:00.000Z' } });
  });
});

describe('the values that a page comes with', () => {
  const bootstrap = values(7, { banner: 'from the page' });

  it('are available before the first paint, and READY is emitted once', async () => {
    const { client, emitted, outcome } = startApplication({ bootstrap });
    expect(client.providerStatus).toBe(ProviderStatus.READY);
    expect(client.getStringValue('banner', '')).toBe('from the page');
    await outcome;
    expect(emitted).toEqual([{ event: 'PROVIDER_READY' }]);
  });

  it('are replaced by those of the server, and only the differences are emitted', async () => {
    const { runtime, client, emitted, outcome } = startApplication({ bootstrap });
    await outcome;
    emitted.length = 0;
    await startServing(runtime, values(8, { banner: 'from the page', limit: 3 }));
    expect(emitted).toEqual([{ event: 'PROVIDER_CONFIGURATION_CHANGED', flagsChanged: ['limit'] }]);
    expect(client.getNumberValue('limit', 0)).toBe(3);
  });

  it.each([
    'null',
    '{}',
    '{"error":{"code":"NOT_FOUND"}}',
    '{"revision":"7","evaluations":{}}',
    '{"revision":7,"evaluations":null}',
    '{"revision":7,"evaluations":{"banner":null}}',
    '{"revision":7,"evaluations":{"banner":"from the page"}}',
    '[]',
  ])('are ignored if they are %s', async text => {
    const { runtime, client, provider, outcome } = startApplication({
      bootstrap: JSON.parse(text),
    });
    expect(client.providerStatus).toBe(ProviderStatus.NOT_READY);
    expect(provider.freshness()).toMatchObject({ source: 'none' });
    await startServing(runtime, values(8, { banner: 'live' }));
    await outcome;
    expect(client.getStringValue('banner', '')).toBe('live');
  });

  it('are ignored with a warning if they are for another targeting key', async () => {
    const forBob = { ...bootstrap, targetingKey: 'bob' };
    const warnings: unknown[] = [];
    const warn = (message: unknown) => void warnings.push(message);
    const logger = { error() {}, info() {}, debug() {}, warn };
    const { client } = startApplication({ bootstrap: forBob, logger });
    expect(client.providerStatus).toBe(ProviderStatus.NOT_READY);
    expect(warnings).toEqual([expect.stringContaining('of the context of the page')]);
    const bob = startApplication({ bootstrap: forBob }, { targetingKey: 'bob' });
    expect(bob.client.getStringValue('banner', '')).toBe('from the page');
  });

  it('are not used for another subject if the provider is set again', async () => {
    const { runtime, provider } = startApplication({ bootstrap });
    await OpenFeature.clearProviders();
    await runtime.nextRequest();
    const domain = 'set-again';
    const outcome = OpenFeature.setProviderAndWait(domain, provider, { targetingKey: 'bob' });
    expect(OpenFeature.getClient(domain).getStringValue('banner', 'mine')).toBe('mine');
    await startServing(runtime, values(8, { banner: 'for bob' }));
    await outcome;
    expect(OpenFeature.getClient(domain).getStringValue('banner', '')).toBe('for bob');
  });

  it('are STALE while the server does not respond in time', async () => {
    const { runtime, client, emitted, outcome } = startApplication({ bootstrap });
    await outcome;
    await runtime.advance(1_999);
    expect(client.providerStatus).toBe(ProviderStatus.READY);
    await runtime.advance(1);
    expect(client.providerStatus).toBe(ProviderStatus.STALE);
    expect(client.getStringValue('banner', '')).toBe('from the page');
    emitted.length = 0;
    await startServing(runtime, bootstrap);
    expect(emitted).toEqual([{ event: 'PROVIDER_READY' }]);
  });

  it('are STALE if the server is away', async () => {
    const { runtime, client, outcome } = startApplication({ bootstrap });
    await outcome;
    await (await runtime.nextRequest()).fail('connection refused');
    await (await runtime.nextRequest()).fail('connection refused');
    expect(client.providerStatus).toBe(ProviderStatus.STALE);
    expect(client.getStringValue('banner', '')).toBe('from the page');
  });
});

describe('closing', () => {
  it('leaves no timer, no connection and no values, even if it is repeated', async () => {
    const { runtime, provider, client } = await startReady({ a: true });
    await OpenFeature.close();
    await provider.onClose();
    expect(runtime.timerCount()).toBe(0);
    expect(runtime.pending).toEqual([]);
    expect(client.getBooleanDetails('a', false)).toMatchObject({
      errorCode: ErrorCode.PROVIDER_NOT_READY,
    });
  });

  it('during the start leaves no timer, and rejects the start', async () => {
    const { runtime, provider, outcome } = startApplication();
    await runtime.nextRequest();
    await provider.onClose();
    expect(await outcome).toBeInstanceOf(Error);
    expect(runtime.timerCount()).toBe(0);
  });

  it('is not final: the provider may be set again', async () => {
    const { runtime, setProvider, client } = await startReady({ a: true });
    await OpenFeature.clearProviders();
    const outcome = setProvider();
    await startServing(runtime, values(1, { a: true }));
    await outcome;
    expect(client.getBooleanValue('a', false)).toBe(true);
  });
});

describe('freshness()', () => {
  it('returns how current the values are, and their source', async () => {
    const { runtime, provider } = await startReady({ a: true });
    await runtime.advance(3_000);
    expect(provider.freshness()).toMatchObject({
      mode: 'streaming',
      revision: 1,
      source: 'stream',
      dataAgeMs: 3_000,
    });
  });

  it('returns no age of the values of a page, until the server has responded', async () => {
    const { runtime, provider } = startApplication({ bootstrap: values(7, { a: true }) });
    const poll = await runtime.nextRequest();
    await runtime.advance(500);
    expect(provider.freshness()).toMatchObject({
      mode: 'connecting',
      revision: 7,
      source: 'bootstrap',
      dataAgeMs: undefined,
    });
    await poll.respond(200, JSON.stringify(values(8, { a: true })));
    expect(provider.freshness()).toMatchObject({ mode: 'polling', revision: 8, source: 'poll' });
    await openStream(runtime, values(9, { a: true }));
    expect(provider.freshness()).toMatchObject({
      mode: 'streaming',
      revision: 9,
      source: 'stream',
    });
  });
});
