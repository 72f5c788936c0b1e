import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { startServer, type TestResponse, type TestServer } from './support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());

const send = (text: string): readonly (readonly [string, () => Promise<TestResponse>])[] => [
  ['PUT /flags', () => server.api('PUT', '/flags/bounded', { text })],
  ['POST /segments', () => server.api('POST', '/segments', { text })],
  ['POST /evaluate', () => server.api('POST', '/evaluate', { text })],
  ['POST /evaluations', () => server.api('POST', '/evaluations', { text })],
  ['POST /evaluations/stream', () => server.api('POST', '/evaluations/stream', { text })],
  ['/trpc/flags.create', () => server.request('POST', '/trpc/flags.create', { text })],
  [
    'a batch',
    () => server.request('POST', '/trpc/flags.create?batch=1', { text: `{"0":${text}}` }),
  ],
];

const names = (count: number, prefix = 'name') =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`${prefix}${index}`, 1]));
const nested = (open: string, close: string) =>
  `{"context":{"a":${open.repeat(20_000)}1${close.repeat(20_000)}}}`;

describe('a body that cannot be valid is refused before it is parsed', () => {
  it.each([
    ['fields', JSON.stringify(names(2_000)), 'must have at most 100 names in one object'],
    [
      'names in one object',
      JSON.stringify({ context: names(20_001) }),
      'must have at most 20000 names in one object',
    ],
    [
      'names in a later object',
      JSON.stringify({ context: {}, metadata: names(20_001) }),
      'must have at most 20000 names in one object',
    ],
    [
      'different names',
      JSON.stringify({ context: { a: Object.keys(names(22_000)).map(name => ({ [name]: 1 })) } }),
      'must have at most 20100 different names',
    ],
    [
      'different names in a few objects',
      JSON.stringify({ metadata: ['a', 'b', 'c'].map(prefix => names(8_000, prefix)) }),
      'must have at most 20100 different names',
    ],
    [
      'different texts',
      JSON.stringify({ context: { a: Object.keys(names(70_000, 'n')) } }),
      'must have at most 65536 different names and texts',
    ],
    [
      'different names and texts',
      JSON.stringify({ context: { a: Object.keys(names(50_000, 'n')), b: names(19_000, 'm') } }),
      'must have at most 65536 different names and texts',
    ],
    ['nested lists', nested('[', ']'), 'must have at most 64 levels of nesting'],
    ['nested objects', nested('{"a":', '}'), 'must have at most 64 levels of nesting'],
    [
      'values that never end',
      `{"context":[${'['.repeat(20_000)}`,
      'must have at most 64 levels of nesting',
    ],
    ['values', `{"context":[${'{},'.repeat(300_000)}0]}`, 'must have at most 524288 JSON values'],
  ])('because of too many %s, on every route', async (_, text, message) => {
    for (const [route, request] of send(text)) {
      const { status, body } = await request();
      const [first = body] = Array.isArray(body) ? body : [body];
      const { error } = first.error.data ?? first;
      expect([route, status, error.code, error.details]).toEqual([
        route,
        400,
        'BAD_REQUEST',
        [{ path: '', message }],
      ]);
    }
  });

  it('and a name that is repeated counts once', async () => {
    // A field that OFREP does not define is for other servers.
    const body = { context: {}, other: Array.from({ length: 25_000 }, () => ({ a: 1 })) };
    const path = '/ofrep/v1/evaluate/flags?environment=production';
    expect((await server.request('POST', path, { body })).status).toBe(200);
  });

  it('and a text that is repeated counts once', async () => {
    const body = { context: {}, other: Array.from({ length: 120_000 }, () => 'text') };
    const path = '/ofrep/v1/evaluate/flags?environment=production';
    expect((await server.request('POST', path, { body })).status).toBe(200);
  });

  it('and the largest flag of texts is written', async () => {
    const list = (first: number) =>
      Array.from({ length: 4_900 }, (_, index) => String(10_000 + first * 4_900 + index));
    const conditions = Array.from({ length: 13 }, (_, first) => ({
      attribute: 'a',
      operator: 'in',
      value: list(first),
    }));
    const body = { enabled: true, rules: [{ conditions, variant: 'on' }] };
    const { status, body: written } = await server.api('PUT', '/flags/texts', { body });
    expect([status, written.error]).toEqual([201, undefined]);
  });

  it('and the largest context has as many names as values', async () => {
    const body = { flagKey: 'absent', context: names(20_000) };
    expect((await server.api('POST', '/evaluate', { body })).body.error.code).toBe(
      'FLAG_NOT_FOUND',
    );
  });

  it('and names inside of text do not count', async () => {
    const text = JSON.stringify({ '"\\': '{"a":1,"b":[[['.repeat(5_000) });
    const context = { text, ...names(19_000) };
    const body = { flagKey: 'absent', context };
    expect((await server.api('POST', '/evaluate', { body })).body.error.code).toBe(
      'FLAG_NOT_FOUND',
    );
  });
});

it.each([
  [
    'a string that does not end',
    String.raw`{"a":12345678901234567,"${String.raw`\"`.repeat(400_000)}`,
  ],
  ['a name with an invalid escape', String.raw`{"\x":12345678901234567}`],
])('%s is BAD_REQUEST on every route', async (_, text) => {
  for (const [route, request] of send(text)) {
    const { status, body } = await request();
    const [first = body] = Array.isArray(body) ? body : [body];
    expect([route, status, (first.error.data ?? first).error.code]).toEqual([
      route,
      400,
      'BAD_REQUEST',
    ]);
  }
});
