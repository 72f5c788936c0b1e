import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { createFakeClock } from './support/fake-clock.ts';
import type { TestServer } from './support/server.ts';
import { startServer } from './support/server.ts';

let server: TestServer;
let client: string;
beforeAll(async () => {
  server = await startServer();
  client = await server.keyOf('client');
  const pro = {
    id: 'pros',
    conditions: [{ attribute: 'plan', operator: 'equals', value: 'pro' }],
    variant: 'on',
  };
  await server.api('POST', '/flags', {
    body: {
      key: 'seen',
      enabled: true,
      rules: [pro],
      clientVisible: true,
      metadata: { team: 'a' },
    },
  });
  await server.api('POST', '/flags', { body: { key: 'unseen', enabled: true } });
  await server.api('POST', '/flags', { body: { key: 'off', enabled: false, clientVisible: true } });
  await server.api('POST', '/flags', {
    body: { key: 'half', enabled: true, rules: [{ percentage: 50 }] },
  });
  await server.api('POST', '/flags', {
    body: {
      key: 'code',
      enabled: true,
      type: 'string',
      variants: { a: 'A' },
      defaultVariant: null,
    },
  });
});
afterAll(() => server.close());

const evaluate = (body: object, key?: string) =>
  server.api('POST', '/evaluate', { body, ...(key === undefined ? {} : { key }) });

describe('POST /evaluate', () => {
  it('returns the served variant with its rule and metadata', async () => {
    const served = await evaluate({ flagKey: 'seen', context: { plan: 'pro' } });
    expect([served.status, served.body]).toEqual([
      200,
      {
        flagKey: 'seen',
        enabled: true,
        reason: 'TARGETING_MATCH',
        variant: 'on',
        value: true,
        ruleId: 'pros',
        metadata: { team: 'a' },
        version: 1,
        environment: 'production',
      },
    ]);
    const other = await evaluate({ flagKey: 'seen', context: {} });
    expect(other.body).toEqual({
      flagKey: 'seen',
      enabled: false,
      reason: 'DEFAULT',
      variant: 'off',
      value: false,
      metadata: { team: 'a' },
      version: 1,
      environment: 'production',
    });
  });

  it('returns 200 without a value for a disabled flag and for a null default variant', async () => {
    expect(await evaluate({ flagKey: 'off', context: {} })).toMatchObject({
      status: 200,
      body: { flagKey: 'off', enabled: false, reason: 'DISABLED' },
    });
    expect((await evaluate({ flagKey: 'code', context: {} })).body).toEqual({
      flagKey: 'code',
      enabled: false,
      reason: 'DEFAULT',
      version: 1,
      environment: 'production',
    });
  });

  it.each([
    ['FLAG_NOT_FOUND', 404, { flagKey: 'constructor', context: {} }],
    ['FLAG_NOT_FOUND', 404, { flagKey: '__proto__', context: {} }],
    ['TARGETING_KEY_MISSING', 400, { flagKey: 'half', context: {} }],
  ])('returns %s as an error with status %i', async (code, status, body) => {
    expect(await evaluate(body)).toMatchObject({
      status,
      body: { error: { code, message: expect.any(String) } },
    });
  });

  it('explains a decision, but not to client keys', async () => {
    const traced = await evaluate({ flagKey: 'seen', context: { plan: 'max' }, explain: true });
    expect(JSON.stringify(traced.body.trace)).toContain('pros');
    expect((await evaluate({ flagKey: 'seen', context: {}, explain: true }, client)).status).toBe(
      403,
    );
    expect((await evaluate({ flagKey: 'seen', context: {}, explain: false }, client)).status).toBe(
      200,
    );
  });

  it('leaves out the trace if it would take more work than an evaluation may', async () => {
    const condition = { attribute: 'a', operator: 'contains', value: 'z', not: true };
    const conditions = Array.from({ length: 40 }, () => condition);
    const body = { key: 'costly', enabled: true, rules: [{ conditions, percentage: 0 }] };
    await using own = await startServer();
    await own.api('POST', '/flags', { body });
    // A search takes 2.25 units of work for each character, and an evaluation may take 10,000,000.
    const explained = (length: number) =>
      own.api('POST', '/evaluate', {
        body: { flagKey: 'costly', context: { a: 'a'.repeat(length) }, explain: true },
      });
    const small = await explained(10_000);
    expect(small.body.trace.rules).toHaveLength(1);
    const { trace, ...result } = (await explained(60_000)).body;
    expect(trace).toEqual({
      why: 'the evaluation context is too large to trace',
      rules: [],
      leftOut: 1,
    });
    expect({ ...result, trace: small.body.trace }).toEqual(small.body);
    expect((await explained(120_000)).body.error.code).toBe('INVALID_CONTEXT');
  });

  it('returns the same bytes to a client key for an unknown and for a hidden flag', async () => {
    const unknown = await evaluate({ flagKey: 'unknow', context: {} }, client);
    const invisible = await evaluate({ flagKey: 'unseen', context: {} }, client);
    expect(invisible.text).toBe(unknown.text.replaceAll('unknow', 'unseen'));
    expect({ ...invisible.headers, date: '' }).toEqual({ ...unknown.headers, date: '' });
  });

  it.each([
    ['no context', { flagKey: 'seen' }],
    ['a context that is a list', { flagKey: 'seen', context: [] }],
    ['a flag key that is a number', { flagKey: 1, context: {} }],
    ['a string in place of a boolean', { flagKey: 'seen', context: {}, explain: 'true' }],
    ['an unknown field', { flagKey: 'seen', context: {}, trace: true }],
    ['the environment in the body', { flagKey: 'seen', context: {}, environment: 'production' }],
    [
      'a context that is nested too deep',
      { flagKey: 'seen', context: JSON.parse('{"a":'.repeat(30) + '1' + '}'.repeat(30)) },
    ],
  ])('rejects %s', async (_, body) => {
    expect((await evaluate(body)).status).toBe(400);
  });

  it('limits the number of values in a context on every route', async () => {
    const holding = (values: number) => ({
      // The list itself counts as a value.
      context: { list: Array.from({ length: values - 1 }, (_, at) => at) },
    });
    const allowed = { flagKey: 'seen', ...holding(20_000) };
    const tooMany = { flagKey: 'seen', ...holding(20_001) };
    expect((await evaluate(allowed)).status).toBe(200);
    const rejected = await evaluate(tooMany);
    expect([rejected.status, rejected.body.error.details]).toEqual([
      400,
      [{ path: 'context', message: 'must hold at most 20000 values, at all depths together' }],
    ]);
    for (const path of ['evaluations', 'evaluations/stream'])
      expect((await server.api('POST', `/${path}`, { body: holding(20_001) })).status).toBe(400);
    const typed = await server.request('POST', '/trpc/evaluation.evaluate', {
      body: { environment: 'production', ...tooMany },
    });
    expect(typed.body.error.data.error).toEqual(rejected.body.error);
  });

  it('accepts attributes of any name', async () => {
    const text = '{"flagKey":"seen","context":{"__proto__":{"plan":"pro"},"constructor":1}}';
    const response = await server.api('POST', '/evaluate', { text });
    expect([response.status, response.body.variant]).toEqual([200, 'off']);
  });
});

describe('POST /evaluations', () => {
  const evaluations = (body: object, more: object = {}) =>
    server.api('POST', '/evaluations', { body, ...more });

  it('returns an entry for every flag, also for those that failed', async () => {
    const { body } = await evaluations({ context: {} });
    expect(Object.keys(body.evaluations)).toEqual(['code', 'half', 'off', 'seen', 'unseen']);
    expect(body).toMatchObject({ revision: 6, environment: 'production' });
    expect(body.evaluations).toMatchObject({ off: { version: 1 }, seen: { version: 1 } });
    expect(body.evaluations.half).toEqual({
      flagKey: 'half',
      enabled: false,
      reason: 'ERROR',
      errorCode: 'TARGETING_KEY_MISSING',
      errorMessage: expect.stringContaining('targetingKey'),
    });
  });

  it('returns an entry for each requested flag, also for unknown ones', async () => {
    const { body } = await evaluations({ context: {}, flagKeys: ['seen', 'ghost'] });
    expect(body.evaluations).toMatchObject({
      ghost: { errorCode: 'FLAG_NOT_FOUND' },
      seen: { variant: 'off' },
    });
  });

  it('returns only visible flags to a client key', async () => {
    const { body } = await evaluations({ context: {} }, { key: client });
    expect(Object.keys(body.evaluations)).toEqual(['off', 'seen']);
    const requested = await evaluations(
      { context: {}, flagKeys: ['unseen', 'ghost!'] },
      { key: client },
    );
    expect(requested.body.evaluations.unseen.errorMessage.replaceAll('unseen', 'ghost!')).toBe(
      requested.body.evaluations['ghost!'].errorMessage,
    );
  });

  it('returns the same as single evaluations, also for a flag with many results', async () => {
    await using own = await startServer();
    const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
    const variants = Object.fromEntries(names.map(name => [name, name]));
    const split = names.map(variant => ({ variant, weight: 1 }));
    const many = { key: 'many', type: 'string', enabled: true, variants, rules: [{ split }] };
    await own.api('POST', '/flags', { body: { ...many, defaultVariant: 'a' } });
    const seen = new Set<string>();
    const tags = new Map<string, string>();
    for (let subject = 0; subject < 100; subject += 1) {
      const context = { targetingKey: `subject-${subject}` };
      const bulk = await own.api('POST', '/evaluations', { body: { context } });
      const one = await own.api('POST', '/evaluate', { body: { flagKey: 'many', context } });
      const { environment: _, ...result } = one.body;
      expect(bulk.body.evaluations).toEqual({ many: result });
      seen.add(result.variant);
      const tag = String(bulk.headers.etag);
      expect(tags.get(tag) ?? result.variant).toBe(result.variant);
      tags.set(tag, result.variant);
    }
    expect([seen.size, tags.size]).toEqual([names.length, names.length]);
  });

  it('has a strong entity tag of the whole response, and returns 304 if it matches', async () => {
    const first = await evaluations({ context: { plan: 'pro' } });
    expect(first.headers.etag).toMatch(/^"[\w-]+"$/);
    const headers = { 'if-none-match': String(first.headers.etag) };
    const same = await evaluations({ context: { plan: 'pro' } }, { headers });
    expect([same.status, same.text]).toEqual([304, '']);
    expect((await evaluations({ context: { plan: 'max' } }, { headers })).status).toBe(200);
  });

  it('distinguishes an infinite number from null, although JSON does not', async () => {
    await using own = await startServer();
    await own.api('POST', '/flags', {
      body: {
        key: 'dotted',
        enabled: true,
        rules: [{ attribute: 'a.b', operator: 'equals', value: 1 }],
      },
    });
    const variantFor = async (exact: string) => {
      const text = `{"flagKeys":["dotted"],"context":{"a.b":${exact},"a":{"b":1}}}`;
      return (await own.api('POST', '/evaluations', { text })).body.evaluations.dotted.variant;
    };
    expect([await variantFor('null'), await variantFor('1e999')]).toEqual(['on', 'off']);
  });

  it('is cached for a minute, but never across a change', async () => {
    const clock = createFakeClock();
    await using own = await startServer({ clock });
    await own.api('POST', '/flags', { body: { key: 'f', enabled: true } });
    const evaluateAll = async () =>
      (await own.api('POST', '/evaluations', { body: { context: { a: 1 } } })).body;
    expect(await evaluateAll()).toEqual(await evaluateAll());
    await own.api('PATCH', '/flags/f', { body: { enabled: false } });
    expect(await evaluateAll()).toMatchObject({
      revision: 3,
      evaluations: { f: { reason: 'DISABLED' } },
    });
    const cached = async () =>
      /pennon_cached_answers (\d+)/.exec((await own.request('GET', '/metrics')).text)?.[1];
    expect(await cached()).toBe('2');
    clock.advance(61_000);
    await evaluateAll();
    expect(Number(await cached())).toBeLessThanOrEqual(2);
  });
});

it('GET /flag-set returns the whole set with its id as entity tag, but not to client keys', async () => {
  const key = await server.keyOf('server');
  const set = await server.request('GET', '/api/v1/flag-set', { key });
  expect(set.body).toMatchObject({
    formatVersion: 1,
    environment: 'production',
    revision: 6,
    segments: {},
  });
  expect(Object.keys(set.body.flags)).toEqual(['code', 'half', 'off', 'seen', 'unseen']);
  expect(set.headers.etag).toBe(`"${set.body.id}"`);
  const again = await server.request('GET', '/api/v1/flag-set', {
    key,
    headers: { 'if-none-match': String(set.headers.etag) },
  });
  expect([again.status, again.text]).toEqual([304, '']);
  expect((await server.request('GET', '/api/v1/flag-set', { key: client })).status).toBe(403);
});
