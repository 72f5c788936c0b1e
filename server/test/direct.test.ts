import { Agent, request, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';

import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { isEvaluateAllBody, isEvaluateBody } from '../src/http/evaluation-requests.ts';
import { EvaluateAllRequest, EvaluateRequest } from '../src/router/evaluation.ts';
import { createFakeClock } from './support/fake-clock.ts';
import { ADMIN_KEY, startServer, type TestServer } from './support/server.ts';

type Sent = {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: object | string | Buffer;
  readonly query?: string;
};

type Received = {
  readonly status: number | undefined;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
};

const post = async (url: string, { headers, body }: Sent, agent?: Agent): Promise<Received> => {
  const bytes = typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const sent = { 'content-type': 'application/json', ...headers };
    request(url, { method: 'POST', headers: sent, agent }, resolve)
      .once('error', reject)
      .end(bytes);
  });
  const { date: _, ...rest } = response.headers;
  return { status: response.statusCode, headers: rest, body: await text(response) };
};

const bearer = (key: string) => ({ authorization: `Bearer ${key}` });
const IN_PRODUCTION = '?environment=production';
const CONTEXT = { targetingKey: 'ada', plan: 'pro' };

let server: TestServer;
let url: string;
const keys = { client: '', staging: '', production: '' };
beforeAll(async () => {
  server = await startServer();
  url = `${await server.listen()}/api/v1`;
  await server.request('POST', '/api/v1/environments', { body: { key: 'staging' } });
  const allowedOrigins = ['https://app.example'];
  keys.client = await server.keyOf('client', 'production', { allowedOrigins });
  keys.staging = await server.keyOf('server', 'staging');
  keys.production = await server.keyOf('server');
  const rules = [{ attribute: 'plan', operator: 'equals', value: 'pro', percentage: 50 }];
  await server.api('POST', '/flags', { body: { key: 'half', enabled: true, rules } });
  const seen = { key: 'seen', enabled: true, clientVisible: true, metadata: { team: 'Ä 🦩' } };
  await server.api('POST', '/flags', { body: seen });
});
afterAll(() => server.close());

/**
 * Sends a request in the usual form, and again with an encoded letter in its path, which only Fastify decodes.
 * Fastify closes the connection after a body that is not valid.
 */
const inBothWays = async (route: string, sent: Sent): Promise<readonly Received[]> => {
  const both = [route, `%65${route.slice(1)}`].map(async path => {
    const received = await post(`${url}/${path}${sent.query ?? ''}`, sent);
    const { connection: _, 'keep-alive': __, ...headers } = received.headers;
    return { ...received, headers };
  });
  return Promise.all(both);
};

const expectSame = async (route: string, sent: Sent): Promise<Received> => {
  const [direct, fastify] = await inBothWays(route, sent);
  expect(direct).toEqual(fastify);
  if (direct === undefined) throw new Error('there is no response');
  return direct;
};

const withKey = (body: Sent['body'], more: object = {}, query = IN_PRODUCTION): Sent => ({
  headers: { ...bearer(ADMIN_KEY), ...more },
  body,
  query,
});

const evaluating = { flagKey: 'half', context: CONTEXT };

describe('an evaluation has the same response without and with Fastify', () => {
  it.each<[string, number, () => Sent]>([
    ['a variant', 200, () => withKey(evaluating)],
    ['text that is not ASCII', 200, () => withKey({ flagKey: 'seen', context: { ä: '🦩' } })],
    ['a trace', 200, () => withKey({ ...evaluating, explain: true })],
    ['no trace', 200, () => withKey({ ...evaluating, explain: false })],
    [
      'the environment of the key',
      200,
      () => ({ headers: bearer(keys.production), body: evaluating }),
    ],
    ['X-API-Key', 200, () => ({ headers: { 'x-api-key': keys.production }, body: evaluating })],
    ['another media type', 415, () => withKey(evaluating, { 'content-type': 'text/plain' })],
    [
      'a charset',
      200,
      () => withKey(evaluating, { 'content-type': 'application/json;charset=utf-8' }),
    ],
    [
      'another charset',
      415,
      () => withKey(evaluating, { 'content-type': 'application/json;charset=latin1' }),
    ],
    ['a response in gzip', 200, () => withKey(evaluating, { 'accept-encoding': 'gzip' })],
    ['a compressed body', 415, () => withKey(evaluating, { 'content-encoding': 'gzip' })],
    [
      'a body of unknown length',
      200,
      () => withKey(evaluating, { 'transfer-encoding': 'chunked' }),
    ],
    ['a body that is too large', 413, () => withKey(' '.repeat(1_048_577))],
    ['no body', 400, () => withKey('')],
    ['a body that is not JSON', 400, () => withKey('{"flagKey":')],
    ['a body that is not UTF-8', 400, () => withKey(Buffer.from([0x22, 0xff, 0x22]))],
    ['a body that is a list', 400, () => withKey([])],
    ['an unknown field', 400, () => withKey({ ...evaluating, flag: 'half' })],
    ['the environment in the body', 400, () => withKey({ ...evaluating, environment: 'staging' })],
    ['no context', 400, () => withKey({ flagKey: 'half' })],
    [
      'too many values',
      400,
      () => withKey({ flagKey: 'half', context: { list: Array(20_001).fill(0) } }),
    ],
    [
      'an inexact number',
      400,
      () => withKey('{"flagKey":"half","context":{},"explain":12345678901234567890}'),
    ],
    [
      'a field twice',
      400,
      () => withKey('{"flagKey":12345678901234567890,"flagKey":"half","context":{}}'),
    ],
    ['no targeting key', 400, () => withKey({ flagKey: 'half', context: { plan: 'pro' } })],
    ['an unknown flag', 404, () => withKey({ flagKey: 'halv', context: {} })],
    [
      'an unknown flag and a client key',
      404,
      () => ({ headers: bearer(keys.client), body: { flagKey: 'halv', context: {} } }),
    ],
    ['a hidden flag', 404, () => ({ headers: bearer(keys.client), body: evaluating })],
    ['an unknown environment', 404, () => withKey(evaluating, {}, '?environment=productoin')],
    ['an invalid environment', 400, () => withKey(evaluating, {}, '?environment=-')],
    ['an encoded environment', 200, () => withKey(evaluating, {}, '?environment=pr%6fduction')],
    ['no environment', 400, () => withKey(evaluating, {}, '')],
    ['an unknown parameter', 400, () => withKey(evaluating, {}, '?environment=production&x=1')],
    [
      'the environment of another key',
      403,
      () => ({ headers: bearer(keys.staging), body: evaluating, query: IN_PRODUCTION }),
    ],
    ['no key', 401, () => ({ body: evaluating })],
    ['an unknown key', 401, () => ({ headers: bearer('unknown'), body: evaluating })],
    ['two keys', 401, () => withKey(evaluating, { 'x-api-key': 'other' })],
    ['another scheme', 401, () => withKey(evaluating, { authorization: 'Basic abc' })],
    [
      'an allowed origin',
      200,
      () => ({
        headers: { ...bearer(keys.client), origin: 'https://app.example' },
        body: { flagKey: 'seen', context: {} },
      }),
    ],
    [
      'another origin',
      403,
      () => ({
        headers: { ...bearer(keys.client), origin: 'https://x.example' },
        body: evaluating,
      }),
    ],
    ['an invalid comment', 400, () => withKey(evaluating, { 'x-change-comment': 'x'.repeat(501) })],
  ])('%s: %d', async (_, status, sent) => {
    expect((await expectSame('evaluate', sent())).status).toBe(status);
  });

  it.each<[string, number, () => Sent]>([
    ['all flags', 200, () => withKey({ context: CONTEXT })],
    ['some flags', 200, () => withKey({ context: CONTEXT, flagKeys: ['seen', 'ghost', 'seen'] })],
    ['the visible flags', 200, () => ({ headers: bearer(keys.client), body: { context: {} } })],
    ['any tag', 304, () => withKey({ context: CONTEXT }, { 'if-none-match': '*' })],
    ['another tag', 200, () => withKey({ context: CONTEXT }, { 'if-none-match': '"x"' })],
    ['an unknown field', 400, () => withKey({ context: CONTEXT, flagKey: 'seen' })],
    [
      'a context that is too deep',
      400,
      () => withKey(`{"context":${'{"a":'.repeat(40)}1${'}'.repeat(41)}`),
    ],
    ['no key', 401, () => ({ body: { context: {} } })],
  ])('%s together: %d', async (_, status, sent) => {
    // The first response is computed, and the second one comes from the cache.
    await expectSame('evaluations', sent());
    expect((await expectSame('evaluations', sent())).status).toBe(status);
  });

  it.each([
    [200, {}],
    [304, { 'if-none-match': '*' }],
  ])('%d on a connection that is kept open', async (status, more) => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const sent = withKey({ context: CONTEXT }, more);
    const received: Received[] = [];
    for (const path of ['evaluations', '%65valuations', 'evaluations'])
      received.push(await post(`${url}/${path}${IN_PRODUCTION}`, sent, agent));
    agent.destroy();
    const [direct, fastify, again] = received;
    expect(direct).toEqual(fastify);
    expect(again).toEqual(direct);
    expect(direct).toMatchObject({ status, headers: { connection: 'keep-alive' } });
  });

  it('has the date of its second', async () => {
    const clock = createFakeClock();
    await using own = await startServer({ clock });
    const target = `${await own.listen()}/api/v1/evaluations${IN_PRODUCTION}`;
    const dates: (string | undefined)[] = [];
    for (const ms of [0, 400, 1_000]) {
      clock.advance(ms);
      const options = { method: 'POST', body: '{"context":{}}', headers: withKey('').headers };
      const headers = { 'content-type': 'application/json', ...options.headers };
      dates.push((await fetch(target, { ...options, headers })).headers.get('date') ?? undefined);
    }
    const seconds = dates.map(date => Math.floor(Date.parse(date ?? '') / 1_000));
    const now = Math.floor(clock.now() / 1_000);
    expect(seconds).toEqual([now - 1, now - 1, now]);
  });

  it('a response that is sent in parts', async () => {
    const flagKeys = Array.from({ length: 1_000 }, (_, at) => `ghost-${at}-${'x'.repeat(80)}`);
    const { body } = await expectSame('evaluations', withKey({ context: {}, flagKeys }));
    expect(body.length).toBeGreaterThan(200_000);
    expect(Object.keys(JSON.parse(body).evaluations)).toEqual(flagKeys.toSorted());
  });

  it('a key above its limit', async () => {
    const clock = createFakeClock();
    await using own = await startServer({ clock, limits: { requestsPerSecond: 1 } });
    const base = `${await own.listen()}/api/v1`;
    const sent = withKey(evaluating);
    expect((await post(`${base}/evaluate${IN_PRODUCTION}`, sent)).status).toBe(404);
    const direct = await post(`${base}/evaluate${IN_PRODUCTION}`, sent);
    const fastify = await post(`${base}/%65valuate${IN_PRODUCTION}`, sent);
    expect([direct.status, direct.headers['retry-after']]).toEqual([429, '1']);
    expect(direct).toEqual(fastify);
  });

  it('of a server that is stopping, which closes the connection', async () => {
    const clock = createFakeClock();
    const own = await startServer({ clock });
    const base = `${await own.listen()}/api/v1`;
    const sent = withKey(evaluating, { connection: 'keep-alive' });
    const closing = own.close(1_000);
    const direct = await post(`${base}/evaluate${IN_PRODUCTION}`, sent);
    expect(direct.headers['connection']).toBe('close');
    expect(direct).toEqual(await post(`${base}/%65valuate${IN_PRODUCTION}`, sent));
    clock.advance(1_000);
    await closing;
  });
});

it('counts and logs both ways alike', async () => {
  await using own = await startServer();
  const base = `${await own.listen()}/api/v1`;
  for (const path of ['evaluate', '%65valuate'])
    for (const body of [evaluating, 'x'])
      await post(`${base}/${path}${IN_PRODUCTION}`, withKey(body));
  const metrics = (await own.request('GET', '/metrics')).text;
  const counted =
    /pennon_request_seconds_count\{route="\/api\/v1\/evaluate",method="POST",status="(\d+)"\} (\d+)/g;
  expect([...metrics.matchAll(counted)].map(([, ...rest]) => rest)).toEqual([
    ['404', '2'],
    ['400', '2'],
  ]);
  const lines = own.logs().trim().split('\n');
  const logged = lines.map(line => JSON.parse(line)).filter(({ route }) => route !== undefined);
  const evaluations = logged.filter(({ route }) => route === '/api/v1/evaluate');
  expect(
    evaluations.map(({ level, method, status, key, msg }) => [level, method, status, key, msg]),
  ).toEqual([404, 400, 404, 400].map(status => [20, 'POST', status, 'admin', 'request']));
  expect(new Set(evaluations.map(({ reqId }) => reqId)).size).toBe(4);
  expect(evaluations.every(({ ms }) => ms >= 0)).toBe(true);
});

it('one connection carries requests with several keys, until each is revoked', async () => {
  await using own = await startServer();
  const base = `${await own.listen()}/api/v1`;
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const names = Array.from({ length: 12 }, (_, at) => `key-${at}`);
  const create = async (name: string) => {
    const body = { name, role: 'server', environment: 'production' };
    return (await own.request('POST', '/api/v1/keys', { body })).body;
  };
  const created = await Promise.all(names.map(create));
  const statuses = async () => {
    const received: (number | undefined)[] = [];
    for (const { secret } of [...created, ...created]) {
      const sent = { headers: bearer(secret), body: evaluating };
      received.push((await post(`${base}/evaluate`, sent, agent)).status);
    }
    return received;
  };
  expect(await statuses()).toEqual(Array(24).fill(404));
  const keysOf = (logs: string) =>
    new Set([...logs.matchAll(/"key":"([^"]+)"/g)].map(([, id]) => id));
  for (const { id } of created) expect(keysOf(own.logs())).toContain(id);
  for (const { id } of created) await own.request('DELETE', `/api/v1/keys/${id}`);
  expect(await statuses()).toEqual(Array(24).fill(401));
  agent.destroy();
});

describe('one connection whose requests have different headers', () => {
  const inTurn = async (base: string, path: string, all: readonly Sent[]) => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const received: Received[] = [];
    for (const sent of all) received.push(await post(base + path, sent, agent));
    agent.destroy();
    return received.map(({ status }) => status);
  };

  it('has the origin of each checked', async () => {
    const from = (origin?: string): Sent => ({
      headers: { ...bearer(keys.client), ...(origin === undefined ? {} : { origin }) },
      body: { context: {} },
    });
    const [allowed, other] = [from('https://app.example'), from('https://x.example')];
    const all = [allowed, from(), other, allowed, other];
    expect(await inTurn(url, '/evaluations', all)).toEqual([200, 200, 403, 200, 403]);
  });

  it('has each change logged with its own person and comment', async () => {
    await using own = await startServer();
    const change = (key: string, headers: object) => withKey({ key, enabled: true }, headers, '');
    const statuses = await inTurn(`${await own.listen()}/api/v1`, `/flags${IN_PRODUCTION}`, [
      change('a', { 'x-on-behalf-of': 'ada', 'x-change-comment': 'first' }),
      change('b', { 'x-on-behalf-of': 'bob', 'x-change-comment': 'first' }),
      change('c', { 'x-on-behalf-of': 'bob', 'x-change-comment': 'third' }),
      change('d', {}),
    ]);
    expect(statuses).toEqual([201, 201, 201, 201]);
    const { items } = (await own.api('GET', '/audit')).body;
    const logged = items.map((each: { actor: { onBehalfOf?: string }; comment?: string }) => [
      each.actor.onBehalfOf,
      each.comment,
    ]);
    expect(logged.slice(0, 4)).toEqual([
      [undefined, undefined],
      ['bob', 'third'],
      ['bob', 'first'],
      ['ada', 'first'],
    ]);
  });

  it('is refused once its key has expired', async () => {
    const clock = createFakeClock();
    await using own = await startServer({ clock });
    const expiresAt = new Date(clock.now() + 60_000).toISOString();
    const key = await own.keyOf('server', 'production', { expiresAt });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const target = `${await own.listen()}/api/v1/evaluate`;
    const sent = { headers: bearer(key), body: evaluating };
    expect((await post(target, sent, agent)).status).toBe(404);
    clock.advance(60_000);
    expect((await post(target, sent, agent)).status).toBe(401);
    agent.destroy();
  });
});

describe('the checks that stand for the schemas', () => {
  const flagKey = fc.oneof(
    fc.string(),
    fc.integer({ min: 499, max: 1_001 }).map(length => '🦩'.repeat(length)),
    fc.integer({ min: 999, max: 1_001 }).map(length => 'x'.repeat(length)),
  );
  const anything = fc.jsonValue({ maxDepth: 2 });
  const bodies = fc.oneof(
    anything,
    fc.record(
      {
        flagKey: fc.oneof({ weight: 4, arbitrary: flagKey }, anything),
        context: fc.oneof({ weight: 4, arbitrary: fc.dictionary(fc.string(), anything) }, anything),
        explain: fc.oneof(fc.boolean(), anything),
        flagKeys: fc.oneof(fc.array(flagKey), anything, fc.constant(Array(1_001).fill('x'))),
        ['__proto__']: anything,
        other: anything,
      },
      { requiredKeys: [] },
    ),
    fc.record({ flagKey, context: fc.dictionary(fc.string(), anything) }),
    fc.record({ context: fc.dictionary(fc.string(), anything), flagKeys: fc.array(flagKey) }),
  );

  it.each([
    ['one flag', isEvaluateBody, EvaluateRequest],
    ['many flags', isEvaluateAllBody, EvaluateAllRequest],
  ] as const)('accept the same bodies for %s', (_, check, schema) => {
    fc.assert(
      fc.property(bodies, drawn => {
        const body: unknown = JSON.parse(JSON.stringify(drawn));
        // The environment is in the query.
        if (typeof body === 'object' && body !== null && 'environment' in body) return;
        expect(check(body)).toBe(schema.safeParse(body).success);
      }),
      { numRuns: 300 },
    );
  });
});
