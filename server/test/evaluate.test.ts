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
  it('answers what was served, with the rule and the metadata', async () => {
    const answer = await evaluate({ flagKey: 'seen', context: { plan: 'pro' } });
    expect([answer.status, answer.body]).toEqual([
      200,
      {
        flagKey: 'seen',
        enabled: true,
        reason: 'TARGETING_MATCH',
        variant: 'on',
        value: true,
        ruleId: 'pros',
        metadata: { team: 'a' },
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
    });
  });

  it('answers DISABLED and the code default with 200 and no value', async () => {
    expect(await evaluate({ flagKey: 'off', context: {} })).toMatchObject({
      status: 200,
      body: { flagKey: 'off', enabled: false, reason: 'DISABLED' },
    });
    expect((await evaluate({ flagKey: 'code', context: {} })).body).toEqual({
      flagKey: 'code',
      enabled: false,
      reason: 'DEFAULT',
    });
  });

  it.each([
    ['FLAG_NOT_FOUND', 404, { flagKey: 'constructor', context: {} }],
    ['FLAG_NOT_FOUND', 404, { flagKey: '__proto__', context: {} }],
    ['TARGETING_KEY_MISSING', 400, { flagKey: 'half', context: {} }],
  ])('answers %s as %i in the error shape', async (code, status, body) => {
    expect(await evaluate(body)).toMatchObject({
      status,
      body: { error: { code, message: expect.any(String) } },
    });
  });

  it('explains a decision to whoever may see rules, and refuses client keys', async () => {
    const traced = await evaluate({ flagKey: 'seen', context: { plan: 'max' }, explain: true });
    expect(JSON.stringify(traced.body.trace)).toContain('pros');
    expect((await evaluate({ flagKey: 'seen', context: {}, explain: true }, client)).status).toBe(
      403,
    );
    expect((await evaluate({ flagKey: 'seen', context: {}, explain: false }, client)).status).toBe(
      200,
    );
  });

  it('gives a client key the same answer byte for byte for an unknown and an invisible flag', async () => {
    const unknown = await evaluate({ flagKey: 'unknow', context: {} }, client);
    const invisible = await evaluate({ flagKey: 'unseen', context: {} }, client);
    expect(invisible.text).toBe(unknown.text.replaceAll('unknow', 'unseen'));
    expect({ ...invisible.headers, date: '' }).toEqual({ ...unknown.headers, date: '' });
  });

  it.each([
    ['no context', { flagKey: 'seen' }],
    ['a context that is a list', { flagKey: 'seen', context: [] }],
    ['a flag key that is a number', { flagKey: 1, context: {} }],
    ['a text for a boolean', { flagKey: 'seen', context: {}, explain: 'true' }],
    ['an unknown field', { flagKey: 'seen', context: {}, trace: true }],
    ['the environment in the body', { flagKey: 'seen', context: {}, environment: 'production' }],
    [
      'a context nested too deep',
      { flagKey: 'seen', context: JSON.parse('{"a":'.repeat(30) + '1' + '}'.repeat(30)) },
    ],
  ])('refuses %s', async (_, body) => {
    expect((await evaluate(body)).status).toBe(400);
  });

  it('bounds how many values a context holds, on every door', async () => {
    const holding = (values: number) => ({
      // The list itself is a value too.
      context: { list: Array.from({ length: values - 1 }, (_, at) => at) },
    });
    const most = { flagKey: 'seen', ...holding(20_000) };
    const tooMany = { flagKey: 'seen', ...holding(20_001) };
    expect((await evaluate(most)).status).toBe(200);
    const refused = await evaluate(tooMany);
    expect([refused.status, refused.body.error.details]).toEqual([
      400,
      [{ path: 'context', message: 'must hold at most 20000 values, at all depths together' }],
    ]);
    for (const path of ['evaluations', 'evaluations/stream'])
      expect((await server.api('POST', `/${path}`, { body: holding(20_001) })).status).toBe(400);
    const typed = await server.ask('POST', '/trpc/evaluation.evaluate', {
      body: { environment: 'production', ...tooMany },
    });
    expect(typed.body.error.data.error).toEqual(refused.body.error);
  });

  it('takes attributes of any name', async () => {
    const text = '{"flagKey":"seen","context":{"__proto__":{"plan":"pro"},"constructor":1}}';
    const answer = await server.api('POST', '/evaluate', { text });
    expect([answer.status, answer.body.variant]).toEqual([200, 'off']);
  });
});

describe('POST /evaluations', () => {
  const evaluations = (body: object, more: object = {}) =>
    server.api('POST', '/evaluations', { body, ...more });

  it('answers every flag of one revision, failed ones as entries', async () => {
    const { body } = await evaluations({ context: {} });
    expect(Object.keys(body.evaluations)).toEqual(['code', 'half', 'off', 'seen', 'unseen']);
    expect(body.revision).toBe(6);
    expect(body.evaluations.half).toEqual({
      flagKey: 'half',
      enabled: false,
      reason: 'ERROR',
      errorCode: 'TARGETING_KEY_MISSING',
      errorMessage: expect.stringContaining('targetingKey'),
    });
  });

  it('answers only the flags that were asked for, unknown ones as entries', async () => {
    const { body } = await evaluations({ context: {}, flagKeys: ['seen', 'ghost'] });
    expect(body.evaluations).toMatchObject({
      ghost: { errorCode: 'FLAG_NOT_FOUND' },
      seen: { variant: 'off' },
    });
  });

  it('shows a client key visible flags alone', async () => {
    const { body } = await evaluations({ context: {} }, { key: client });
    expect(Object.keys(body.evaluations)).toEqual(['off', 'seen']);
    const asked = await evaluations(
      { context: {}, flagKeys: ['unseen', 'ghost!'] },
      { key: client },
    );
    expect(asked.body.evaluations.unseen.errorMessage.replaceAll('unseen', 'ghost!')).toBe(
      asked.body.evaluations['ghost!'].errorMessage,
    );
  });

  it('has a strong entity tag of the whole answer, and answers 304 to who has it', async () => {
    const first = await evaluations({ context: { plan: 'pro' } });
    expect(first.headers.etag).toMatch(/^"[\w-]+"$/);
    const headers = { 'if-none-match': String(first.headers.etag) };
    const same = await evaluations({ context: { plan: 'pro' } }, { headers });
    expect([same.status, same.text]).toEqual([304, '']);
    expect((await evaluations({ context: { plan: 'max' } }, { headers })).status).toBe(200);
  });

  it('tells an infinite number from a missing one, which JSON text does not', async () => {
    await using own = await startServer();
    await own.api('POST', '/flags', {
      body: {
        key: 'dotted',
        enabled: true,
        rules: [{ attribute: 'a.b', operator: 'equals', value: 1 }],
      },
    });
    const ask = async (exact: string) => {
      const text = `{"flagKeys":["dotted"],"context":{"a.b":${exact},"a":{"b":1}}}`;
      return (await own.api('POST', '/evaluations', { text })).body.evaluations.dotted.variant;
    };
    expect([await ask('null'), await ask('1e999')]).toEqual(['on', 'off']);
  });

  it('is never stale: the cache asks anew after each change, and forgets after a minute', async () => {
    const clock = createFakeClock();
    await using own = await startServer({ clock });
    await own.api('POST', '/flags', { body: { key: 'f', enabled: true } });
    const ask = async () =>
      (await own.api('POST', '/evaluations', { body: { context: { a: 1 } } })).body;
    expect(await ask()).toEqual(await ask());
    await own.api('PATCH', '/flags/f', { body: { enabled: false } });
    expect(await ask()).toMatchObject({ revision: 3, evaluations: { f: { reason: 'DISABLED' } } });
    const cached = async () =>
      /pennon_cached_answers (\d+)/.exec((await own.ask('GET', '/metrics')).text)?.[1];
    expect(await cached()).toBe('2');
    clock.advance(61_000);
    await ask();
    expect(Number(await cached())).toBeLessThanOrEqual(2);
  });
});

it('the flag set is whole, tagged with its id, and only for keys that may have it', async () => {
  const key = await server.keyOf('server');
  const set = await server.ask('GET', '/api/v1/flag-set', { key });
  expect(set.body).toMatchObject({
    formatVersion: 1,
    environment: 'production',
    revision: 6,
    segments: {},
  });
  expect(Object.keys(set.body.flags)).toEqual(['code', 'half', 'off', 'seen', 'unseen']);
  expect(set.headers.etag).toBe(`"${set.body.id}"`);
  const again = await server.ask('GET', '/api/v1/flag-set', {
    key,
    headers: { 'if-none-match': String(set.headers.etag) },
  });
  expect([again.status, again.text]).toEqual([304, '']);
  expect((await server.ask('GET', '/api/v1/flag-set', { key: client })).status).toBe(403);
});
