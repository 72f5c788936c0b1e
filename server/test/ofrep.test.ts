import { request, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';

import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { errorResponse } from '../src/http/errors.ts';
import { createFakeClock } from './support/fake-clock.ts';
import { ADMIN_KEY, startServer, type TestServer } from './support/server.ts';

const FLAGS = '/ofrep/v1/evaluate/flags';

/** Long enough for a compressed response. */
const LONG = 'c'.repeat(3_000);

type Sent = {
  readonly key?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as it is if it is text or bytes, otherwise as JSON. */
  readonly body?: unknown;
};

type Received = {
  readonly status: number | undefined;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
  // Each test asserts the shape that it expects.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly body: any;
};

let server: TestServer;
let url: string;
const keys = { client: '', server: '', staging: '', viewer: '' };

const send = async (path: string, sent: Sent = {}, method = 'POST'): Promise<Received> => {
  const { key = keys.server, headers, body = { context: {} } } = sent;
  const payload = typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const all = {
      'content-type': 'application/json; charset=utf-8',
      'content-length': String(Buffer.byteLength(payload)),
      ...(key === null ? {} : { authorization: `Bearer ${key}` }),
      ...headers,
    };
    request(new URL(path, url), { method, headers: all }, resolve)
      .once('error', reject)
      .end(payload);
  });
  const received = await text(response);
  const isJson = response.headers['content-type']?.startsWith('application/json') === true;
  const { date: _, 'keep-alive': __, connection: ___, ...known } = response.headers;
  return {
    status: response.statusCode,
    headers: known,
    text: received,
    body:
      isJson && response.headers['content-encoding'] === undefined
        ? JSON.parse(received)
        : undefined,
  };
};

const evaluate = (flagKey: string, context: unknown = {}, sent: Sent = {}): Promise<Received> =>
  send(`${FLAGS}/${flagKey}`, { ...sent, body: { context } });

const evaluateAll = (context: unknown = {}, sent: Sent = {}): Promise<Received> =>
  send(FLAGS, { ...sent, body: { context } });

type NewFlag = { readonly key: string; readonly variants?: Readonly<Record<string, unknown>> };

const create = async (flag: NewFlag & Readonly<Record<string, unknown>>): Promise<void> => {
  const type = typeof Object.values(flag.variants ?? { on: true })[0];
  const created = await server.api('POST', '/flags', { body: { type, enabled: true, ...flag } });
  expect(created.status, created.text).toBe(201);
};

beforeAll(async () => {
  server = await startServer();
  url = await server.listen();
  await server.request('POST', '/api/v1/environments', { body: { key: 'staging' } });
  const allowedOrigins = ['https://app.example'];
  keys.client = await server.keyOf('client', 'production', { allowedOrigins });
  keys.server = await server.keyOf('server');
  keys.staging = await server.keyOf('server', 'staging');
  keys.viewer = await server.keyOf('viewer', '*');
  await create({
    key: 'boolean',
    clientVisible: true,
    variants: { on: true, off: false },
    defaultVariant: 'on',
  });
  await create({
    key: 'text',
    variants: { a: 'Ä 🦩', b: '' },
    defaultVariant: 'a',
    metadata: { team: 'Ä', beta: true, size: 1.5 },
  });
  await create({ key: 'whole', variants: { ten: 10, one: 1 }, defaultVariant: 'ten' });
  await create({
    key: 'fraction',
    variants: { ten: 10, half: 0.5, less: -3, huge: 1e21, zero: 0 },
    defaultVariant: 'ten',
    rules: ['half', 'less', 'huge', 'zero'].map(variant => ({
      attribute: 'pick',
      operator: 'equals',
      value: variant,
      variant,
    })),
  });
  await create({
    key: 'object',
    variants: { a: { list: [1, null], b: LONG } },
    defaultVariant: 'a',
  });
  await create({ key: 'disabled', enabled: false });
  await create({ key: 'code-default', variants: { a: 1 }, defaultVariant: null });
  await create({
    key: 'half',
    clientVisible: true,
    rules: [{ id: 'pro', attribute: 'plan', operator: 'equals', value: 'pro', percentage: 99 }],
  });
});
afterAll(() => server.close());

const flagSetId = 'production';

describe('one flag', () => {
  it.each([
    ['boolean', 'on', true],
    ['text', 'a', 'Ä 🦩'],
    ['whole', 'ten', 10],
    ['fraction', 'ten', 10],
    ['object', 'a', { list: [1, null], b: LONG }],
  ])('%s has its key, reason, variant and value', async (key, variant, value) => {
    const { status, body } = await evaluate(key);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      key,
      reason: expect.stringMatching(/^(STATIC|DEFAULT)$/),
      variant,
      value,
    });
  });

  it('has flat metadata: that of the flag, its version, the environment and the rule', async () => {
    const { body } = await evaluate('text');
    expect(body.metadata).toEqual({ team: 'Ä', beta: true, size: 1.5, version: 1, flagSetId });
    const context = { targetingKey: 'grace', plan: 'pro' };
    const { body: split } = await evaluate('half', context);
    expect(split).toMatchObject({
      reason: 'SPLIT',
      metadata: { version: 1, flagSetId, ruleId: 'pro' },
    });
    const { body: seen } = await evaluate('half', context, { key: keys.client });
    expect(seen).toEqual({ ...split, metadata: { version: 1, flagSetId } });
  });

  it('with fractions has numbers that are floats in every language, others do not', async () => {
    const valueOf = async (key: string, pick: string) =>
      /"value":(.*?),"metadata"/.exec((await evaluate(key, { pick })).text)?.[1];
    const picked = ['', 'half', 'less', 'huge', 'zero'].map(pick => valueOf('fraction', pick));
    expect(await Promise.all(picked)).toEqual(['10.0', '0.5', '-3.0', '1e+21', '0.0']);
    expect(await valueOf('whole', '')).toBe('10');
    const { text: all } = await evaluateAll();
    expect(all).toContain('"key":"fraction","reason":"DEFAULT","variant":"ten","value":10.0,');
    expect(all).toContain('"key":"whole","reason":"STATIC","variant":"ten","value":10,');
  });

  it('has floats if its numbers are declared as such', async () => {
    await create({
      key: 'rate',
      clientVisible: true,
      variants: { a: 1, b: 2 },
      defaultVariant: 'a',
    });
    const valueIn = ({ text: received }: Received) =>
      /"key":"rate",.*?"value":(.*?),"metadata"/.exec(received)?.[1];
    const values = async () => [
      valueIn(await evaluate('rate', {}, { key: keys.client })),
      valueIn(await evaluateAll({}, { key: keys.client })),
    ];
    expect(await values()).toEqual(['1', '1']);
    await server.api('PATCH', '/flags/rate', { body: { numberType: 'float' } });
    expect(await values()).toEqual(['1.0', '1.0']);
    await server.api('PATCH', '/flags/rate', { body: { numberType: null, codeDefault: 0.5 } });
    expect(await values()).toEqual(['1.0', '1.0']);
    await server.api('DELETE', '/flags/rate');
  });

  it('has floats from 1e21, which JSON has with an exponent', async () => {
    await create({ key: 'vast', variants: { a: 1e21, b: 2 }, defaultVariant: 'b' });
    expect((await evaluate('vast')).text).toContain('"value":2.0,');
    const patch = { numberType: 'integer' };
    const refused = await server.api('PATCH', '/flags/vast', { body: patch });
    expect(refused.status).toBe(400);
    expect(refused.body.error.message).toContain('because variants.a is 1e+21: use "float"');
    await server.api('DELETE', '/flags/vast');
  });

  it.each([
    ['disabled', 'DISABLED'],
    ['code-default', 'DEFAULT'],
  ])('%s leaves the default value to the code', async (key, reason) => {
    const { status, body } = await evaluate(key);
    expect(status).toBe(200);
    expect(body).toEqual({ key, reason, variant: '', metadata: { version: 1, flagSetId } });
  });

  it('is that of the environment of the key', async () => {
    expect((await evaluate('boolean', {}, { key: keys.staging })).status).toBe(404);
    const requested = `${FLAGS}/boolean?environment=staging`;
    expect((await send(requested)).body).toMatchObject({ key: 'boolean', errorCode: 'GENERAL' });
  });

  it('can be evaluated with a key in X-API-Key', async () => {
    const { body } = await evaluate(
      'boolean',
      {},
      { key: null, headers: { 'x-api-key': keys.client } },
    );
    expect(body.value).toBe(true);
  });

  it('needs the environment in the query with a key of all environments', async () => {
    const path = `${FLAGS}/boolean`;
    const found = await send(`${path}?environment=production`, { key: keys.viewer });
    expect(found.body.value).toBe(true);
    const { status, body } = await send(path, { key: keys.viewer });
    expect([status, body.key, body.errorCode]).toEqual([400, 'boolean', 'GENERAL']);
    expect(body.errorDetails).toContain('environment');
    const twice = `${path}?environment=production&environment=staging`;
    expect((await send(twice, { key: keys.viewer })).status).toBe(400);
  });

  it('has the headers of other evaluations', async () => {
    const { headers } = await evaluate('boolean');
    expect(headers).toMatchObject({
      'content-type': 'application/json; charset=utf-8',
      'cache-control': 'no-store',
      'pennon-source-age-ms': expect.stringMatching(/^\d+$/),
      'access-control-allow-origin': '*',
    });
  });

  it('is counted', async () => {
    await evaluate('disabled');
    const metrics = (await server.request('GET', '/metrics')).text;
    expect(metrics).toMatch(/\{[^}]*flag="disabled"[^}]*reason="DISABLED"[^}]*\} [1-9]/);
    expect(metrics).toContain('route="/ofrep/v1/evaluate/flags/:key"');
  });
});

describe('a context', () => {
  it.each<[string, unknown]>([
    ['no targeting key', { context: { plan: 'free' } }],
    ['an empty targeting key', { context: { targetingKey: '' } }],
    ['no attributes', { context: {} }],
    ['attributes of all kinds', { context: { a: null, b: [1, {}], c: { d: true }, e: 1.5 } }],
    ['fields that are unknown beside it', { context: {}, flagKeys: [], other: { a: 1 } }],
    ['no context, as clients send an empty one', {}],
  ])('may have %s', async (_, body) => {
    for (const path of [`${FLAGS}/boolean`, FLAGS])
      expect((await send(path, { body })).status).toBe(200);
  });

  const deep = `{"context":${'{"a":'.repeat(40)}1${'}'.repeat(41)}`;
  it.each<[string, unknown]>([
    ['null', { context: null }],
    ['a list', { context: [] }],
    ['text', { context: 'ada' }],
    ['a number', { context: 1 }],
    ['too deep', deep],
    ['in a body that is not JSON', '{"context":'],
    ['in a body that is a list', '[]'],
    ['in a body that is null', 'null'],
    ['in an empty body', ''],
    ['in a body that is not UTF-8', Buffer.from('{"context":{"a":"\xff"}}', 'latin1')],
  ])('%s is INVALID_CONTEXT', async (_, body) => {
    const one = await send(`${FLAGS}/boolean`, { body });
    const details = expect.stringMatching(/.+/);
    expect([one.status, one.body]).toEqual([
      400,
      { key: 'boolean', errorCode: 'INVALID_CONTEXT', errorDetails: details },
    ]);
    const all = await send(FLAGS, { body });
    expect([all.status, all.body]).toEqual([
      400,
      { errorCode: 'INVALID_CONTEXT', errorDetails: details },
    ]);
  });

  it('without a targeting key fails only flags that need one', async () => {
    for (const context of [{ plan: 'pro' }, { plan: 'pro', targetingKey: '' }]) {
      const { status, body } = await evaluate('half', context);
      expect([status, body]).toEqual([
        400,
        { key: 'half', errorCode: 'TARGETING_KEY_MISSING', errorDetails: expect.any(String) },
      ]);
    }
    expect((await evaluate('half')).status).toBe(200);
  });
});

describe('an error', () => {
  it.each([
    ['a key', 'ghost', 'ghost'],
    ['spaces', 'not%20a%20key', 'not a key'],
    ['an encoded slash', 'a%2Fb', 'a/b'],
    ['a long key', 'x'.repeat(1_500), 'x'.repeat(1_500)],
    ['a prototype', '__proto__', '__proto__'],
    ['a constructor', 'constructor', 'constructor'],
  ])('of an unknown flag is FLAG_NOT_FOUND: %s', async (_, part, key) => {
    const { status, body } = await evaluate(part);
    expect([status, body]).toEqual([
      404,
      { key, errorCode: 'FLAG_NOT_FOUND', errorDetails: expect.any(String) },
    ]);
  });

  it('of a hidden flag is that of an unknown one', async () => {
    const { text: hidden } = await evaluate('text', {}, { key: keys.client });
    const { text: unknown } = await evaluate('texx', {}, { key: keys.client });
    expect(hidden).toBe(unknown.replaceAll('texx', 'text'));
  });

  it.each<[string, number, string, () => Sent]>([
    ['without a key', 401, 'GENERAL', () => ({ key: null })],
    ['with an unknown key', 401, 'GENERAL', () => ({ key: 'unknown' })],
    [
      'of a page of another origin',
      403,
      'GENERAL',
      () => ({ key: keys.client, headers: { origin: 'https://x.example' } }),
    ],
    [
      'with another media type',
      415,
      'GENERAL',
      () => ({ headers: { 'content-type': 'text/plain' } }),
    ],
    ['with a large body', 413, 'GENERAL', () => ({ body: ' '.repeat(1_048_577) })],
  ])('%s has the same form: %d', async (_, status, errorCode, sent) => {
    const one = await send(`${FLAGS}/half`, sent());
    expect([one.status, one.body]).toEqual([
      status,
      { key: 'half', errorCode, errorDetails: expect.stringMatching(/.+/) },
    ]);
    const all = await send(FLAGS, sent());
    expect([all.status, all.body]).toEqual([
      status,
      { errorCode, errorDetails: expect.stringMatching(/.+/) },
    ]);
  });

  it('of a path that is not valid, and of an unknown route, has the same form', async () => {
    const invalid = await send(`${FLAGS}/%ff`);
    expect([invalid.status, invalid.body.key, invalid.body.errorCode]).toEqual([
      400,
      '%ff',
      'GENERAL',
    ]);
    const unknown = await send('/ofrep/v1/configuration');
    expect([unknown.status, unknown.body.errorCode]).toEqual([404, 'GENERAL']);
    const wrongMethod = await send(FLAGS, {}, 'PUT');
    expect([wrongMethod.status, wrongMethod.body.errorCode]).toEqual([405, 'GENERAL']);
  });

  it('of the server itself names the flag, and nothing of its cause', () => {
    const failed = { url: `${FLAGS}/half`, caller: undefined, log: pino({ level: 'silent' }) };
    const { status, body } = errorResponse(new Error('secret'), failed);
    expect(status).toBe(500);
    expect(body).toEqual({ key: 'half', errorCode: 'GENERAL', errorDetails: expect.any(String) });
    expect(JSON.stringify(body)).not.toContain('secret');
  });

  it('above the limit of requests has whole seconds to wait', async () => {
    const clock = createFakeClock();
    await using own = await startServer({ clock, limits: { requestsPerSecond: 1 } });
    const key = ADMIN_KEY;
    const path = `${FLAGS}/ghost?environment=production`;
    const base = await own.listen();
    const post = () =>
      fetch(base + path, {
        method: 'POST',
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
        body: '{"context":{}}',
      });
    expect((await post()).status).toBe(404);
    const refused = await post();
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '1']);
    expect(await refused.json()).toMatchObject({ key: 'ghost', errorCode: 'GENERAL' });
  });
});

describe('all flags', () => {
  it('come in the order of their keys, each as if it were evaluated alone', async () => {
    const context = { targetingKey: 'grace', plan: 'pro' };
    const { status, body } = await evaluateAll(context);
    expect(status).toBe(200);
    const listed = body.flags.map(({ key }: { key: string }) => key);
    expect(listed).toEqual(listed.toSorted());
    expect(listed).toHaveLength(8);
    for (const flag of body.flags) expect((await evaluate(flag.key, context)).body).toEqual(flag);
  });

  it('have a failure with its key and code among them', async () => {
    const { status, body } = await evaluateAll({ plan: 'pro' });
    expect(status).toBe(200);
    expect(body.flags.find(({ key }: { key: string }) => key === 'half')).toEqual({
      key: 'half',
      errorCode: 'TARGETING_KEY_MISSING',
      errorDetails: expect.any(String),
    });
  });

  it('are the visible ones for a client key', async () => {
    const { body } = await evaluateAll({}, { key: keys.client });
    expect(body.flags.map(({ key }: { key: string }) => key)).toEqual(['boolean', 'half']);
  });

  it('have a strong tag, and need not be sent again', async () => {
    const first = await evaluateAll({ a: 1 });
    expect(first.headers.etag).toMatch(/^"[^"]+"$/);
    expect(first.headers['cache-control']).toBe('private, no-cache');
    const again = await evaluateAll(
      { a: 1 },
      { headers: { 'if-none-match': first.headers.etag ?? '' } },
    );
    expect([again.status, again.text, again.headers.etag]).toEqual([304, '', first.headers.etag]);
    expect(again.headers['pennon-source-age-ms']).toMatch(/^\d+$/);
  });

  it('have another tag for a context with other results', async () => {
    const first = await evaluateAll({ pick: 'half' });
    const headers = { 'if-none-match': first.headers.etag ?? '' };
    const other = await evaluateAll({ pick: 'less' }, { headers });
    expect(other.status).toBe(200);
    expect(other.headers.etag).not.toBe(first.headers.etag);
    const native = await server.api('POST', '/evaluations', {
      body: { context: { pick: 'half' } },
    });
    expect(native.body.evaluations).toHaveProperty('fraction');
    expect(native.headers['etag']).not.toBe(first.headers.etag);
  });

  it('have another tag after a change', async () => {
    await create({ key: 'changing', variants: { a: 'a', b: 'b' }, defaultVariant: 'a' });
    const first = await evaluateAll();
    await server.api('PATCH', '/flags/changing', { body: { defaultVariant: 'b' } });
    const headers = { 'if-none-match': first.headers.etag ?? '' };
    const changed = await evaluateAll({}, { headers });
    expect(changed.status).toBe(200);
    expect(changed.text).toContain('"key":"changing","reason":"STATIC","variant":"b"');
    await server.api('DELETE', '/flags/changing');
    expect((await evaluateAll({}, { headers })).text).not.toContain('changing');
  });

  it('are compressed on request, with a tag of their own', async () => {
    const plain = await evaluateAll({ z: 1 });
    const gzip = await evaluateAll({ z: 1 }, { headers: { 'accept-encoding': 'gzip' } });
    expect(gzip.headers['content-encoding']).toBe('gzip');
    expect(gzip.headers.etag).toBe(`${plain.headers.etag?.slice(0, -1)}+gzip"`);
    const headers = { 'if-none-match': gzip.headers.etag ?? '' };
    expect((await evaluateAll({ z: 1 }, { headers })).status).toBe(304);
  });

  it('may be requested with what an event stream has sent', async () => {
    const path = `${FLAGS}?flagConfigEtag=abc&flagConfigLastModified=1771622898&other=1`;
    expect((await send(path)).status).toBe(200);
  });
});

describe('a page of another origin', () => {
  const origin = 'https://app.example';

  it.each([`${FLAGS}/boolean`, FLAGS])('may call %s', async path => {
    const { status, headers } = await send(
      path,
      {
        key: null,
        headers: {
          origin,
          'access-control-request-method': 'POST',
          'access-control-request-headers': 'authorization,content-type,if-none-match,x-api-key',
        },
      },
      'OPTIONS',
    );
    expect(status).toBe(204);
    const allowed = String(headers['access-control-allow-headers']).split(', ');
    expect(allowed).toEqual(
      expect.arrayContaining(['authorization', 'x-api-key', 'content-type', 'if-none-match']),
    );
    expect(Number(headers['access-control-max-age'])).toBeGreaterThanOrEqual(86_400);
    const response = await send(path, { key: keys.client, headers: { origin } });
    expect(response.status).toBe(200);
    const exposed = String(response.headers['access-control-expose-headers']).split(', ');
    expect(exposed).toEqual(expect.arrayContaining(['ETag', 'Retry-After']));
  });

  it('can read errors', async () => {
    const { status, headers } = await evaluate(
      'boolean',
      {},
      { key: 'unknown', headers: { origin } },
    );
    expect([status, headers['access-control-allow-origin']]).toEqual([401, '*']);
  });
});

describe('the key of a flag', () => {
  it.each(['a/b', 'a b', 'a%20b', 'ä', '..', '.', 'a?b', 'a#b', 'a..b', ''])(
    'cannot be %j, which some clients send without encoding',
    async key => {
      const refused = await server.api('POST', '/flags', { body: { key, enabled: true } });
      expect(refused.status).toBe(400);
    },
  );
});

describe('a request has the same response without and with Fastify', () => {
  it.each<[string, string, () => Sent]>([
    ['a value', '/half', () => ({ body: { context: { targetingKey: 'grace', plan: 'pro' } } })],
    ['an unknown flag', '/ghost', () => ({})],
    ['an environment', '/half?environment=production', () => ({ key: ADMIN_KEY })],
    ['a failure', '/half', () => ({ body: { context: { plan: 'pro' } } })],
    ['a body that is not JSON', '/half', () => ({ body: '{' })],
    ['a body that is not UTF-8', '/half', () => ({ body: Buffer.from([0x22, 0xff]) })],
    ['no key', '/half', () => ({ key: null })],
    ['all flags', '', () => ({ key: keys.client })],
    ['all flags of an environment', '?environment=production', () => ({ key: ADMIN_KEY })],
    ['a context that is a list', '', () => ({ body: { context: [] } })],
  ])('%s', async (_, path, sent) => {
    const direct = await send(FLAGS + path, sent());
    const fastify = await send(`${FLAGS.replace('flags', '%66lags')}${path}`, sent());
    expect(direct).toEqual(fastify);
  });
});

describe('a client whose address ends with a slash', () => {
  it.each(['', '/half', '/ghost'])('has the same response for %j', async path => {
    const sent = { body: { context: { targetingKey: 'grace', plan: 'pro' } } };
    const usual = await send(FLAGS + path, sent);
    for (const slashes of ['/', '//'])
      expect(await send(url + slashes + FLAGS + path, sent)).toEqual(usual);
  });

  it('in a page passes its preflight', async () => {
    const { status, headers } = await send(`${url}/${FLAGS}`, { key: null }, 'OPTIONS');
    expect([status, headers['access-control-allow-origin']]).toEqual([204, '*']);
  });
});

it('is served below the base path', async () => {
  await using own = await startServer({ basePath: '/flags' });
  const base = await own.listen();
  const post = async (path: string) => {
    const response = await fetch(`${base}${path}?environment=production`, {
      method: 'POST',
      headers: { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': 'application/json' },
      body: '{"context":{}}',
    });
    return [response.status, await response.json()];
  };
  const errorDetails = expect.any(String);
  for (const part of ['flags', '%66lags'])
    expect(await post(`/flags/ofrep/v1/evaluate/${part}/ghost`)).toEqual([
      404,
      { key: 'ghost', errorCode: 'FLAG_NOT_FOUND', errorDetails },
    ]);
  expect(await post('/flags/ofrep/v1/evaluate/flags')).toMatchObject([200, { flags: [] }]);
});
