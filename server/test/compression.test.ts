import { request, type IncomingMessage } from 'node:http';
import { buffer } from 'node:stream/consumers';
import zlib from 'node:zlib';

import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

import { ADMIN_KEY, startServer, type TestServer } from './support/server.ts';

const DECODE = {
  br: zlib.brotliDecompressSync,
  gzip: zlib.gunzipSync,
  zstd: zlib.zstdDecompressSync,
} as const;
type Coding = keyof typeof DECODE;
const CODINGS: readonly Coding[] = ['br', 'gzip', 'zstd'];

type Sent = {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: object | Buffer;
};

type Received = {
  readonly status: number | undefined;
  readonly headers: IncomingMessage['headers'];
  readonly bytes: Buffer;
};

let server: TestServer;
let url: string;

const send = async (
  path: string,
  { body, headers, method = body === undefined ? 'GET' : 'POST' }: Sent = {},
): Promise<Received> => {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const type = body === undefined ? {} : { 'content-type': 'application/json' };
    const sent = { authorization: `Bearer ${ADMIN_KEY}`, ...type, ...headers };
    request(url + path, { method, headers: sent, agent: false }, resolve)
      .once('error', reject)
      .end(body === undefined || Buffer.isBuffer(body) ? body : JSON.stringify(body));
  });
  const { statusCode: status, headers: received } = response;
  return { status, headers: received, bytes: await buffer(response) };
};

const accepting = (codings: string, { headers, ...others }: Sent = {}): Sent => ({
  ...others,
  headers: { ...headers, 'accept-encoding': codings },
});

const decoded = ({ headers, bytes }: Received): string => {
  const coding = CODINGS.find(each => each === headers['content-encoding']);
  return (coding === undefined ? bytes : DECODE[coding](bytes)).toString();
};

const FLAG_SET = '/api/v1/flag-set?environment=production';
const EVALUATION = '/api/v1/evaluate?environment=production';
const EVALUATIONS = '/api/v1/evaluations?environment=production';
const LARGE_FLAG = '/api/v1/flags/large?environment=production';
const CONTEXT = { targetingKey: 'ada', plan: 'pro' };

beforeAll(async () => {
  server = await startServer();
  url = await server.listen();
  const rules = [{ attribute: 'plan', operator: 'equals', value: 'pro', percentage: 50 }];
  const flags = Array.from({ length: 40 }, (_, index) => ({ key: `flag-${index}`, rules }));
  const on = { text: 'Ä 🦩 '.repeat(800) };
  const large = { key: 'large', type: 'object', variants: { on, off: {} }, defaultVariant: 'on' };
  for (const flag of [...flags, large]) {
    const created = await server.api('POST', '/flags', { body: { enabled: true, ...flag } });
    if (created.status !== 201) throw new Error(created.text);
  }
});
afterAll(() => server.close());

const ROUTES: readonly (readonly [name: string, path: string, sent: Sent])[] = [
  ['the flag set', FLAG_SET, {}],
  ['the document of flagd', '/flagd/v1/flags.json?environment=production', {}],
  ['a bulk evaluation', EVALUATIONS, { body: { context: CONTEXT } }],
  ['an evaluation with a large value', EVALUATION, { body: { flagKey: 'large', context: {} } }],
  ['a list', '/api/v1/flags?environment=production', {}],
  ['a list over tRPC', '/trpc/flags.list?input=%7B%22environment%22%3A%22production%22%7D', {}],
  ['an export', '/api/v1/export', {}],
  ['the audit log', '/api/v1/audit?environment=production', {}],
  ['one flag', LARGE_FLAG, {}],
  ['the OpenAPI document', '/openapi.json', {}],
  ['a style sheet of the docs', '/docs/swagger-ui.css', {}],
  ['the code of the docs', '/docs/swagger-ui-bundle.js', {}],
];

describe('compression of responses', () => {
  describe.each(ROUTES)('of %s', (_, path, sent) => {
    it.each(CODINGS)('in %s, with the same content in fewer bytes', async coding => {
      const plain = await send(path, sent);
      const compressed = await send(path, accepting(coding, sent));
      expect(plain).toMatchObject({ status: 200 });
      expect(plain.headers).not.toHaveProperty('content-encoding');
      expect(compressed.status).toBe(200);
      expect(compressed.headers['content-encoding']).toBe(coding);
      expect(decoded(compressed)).toBe(plain.bytes.toString());
      expect(compressed.bytes.length).toBeLessThan(plain.bytes.length);
      expect(Number(compressed.headers['content-length'])).toBe(compressed.bytes.length);
      expect(compressed.headers['content-type']).toBe(plain.headers['content-type']);
    });

    it('varies by Accept-Encoding, unless no cache may keep it', async () => {
      for (const { headers } of [await send(path, sent), await send(path, accepting('gzip', sent))])
        expect(headers.vary ?? headers['cache-control']).toMatch(/accept-encoding$|^no-store$/);
    });
  });

  it.each([
    ['gzip, deflate, br, zstd', 'br'],
    ['gzip, deflate', 'gzip'],
    ['gzip;q=1.0, br;q=0.5', 'gzip'],
    ['br;q=0, gzip', 'gzip'],
    ['*', 'br'],
    ['br;q=0, *', 'zstd'],
    ['*;q=0.1, gzip', 'gzip'],
    ['GZip', 'gzip'],
    ['zstd ; q=0.9 , gzip;q=0.8', 'zstd'],
    ['identity;q=0, gzip', 'gzip'],
    ['identity;q=0.5, gzip;q=0.5', 'gzip'],
    ['identity, gzip;q=0.5', undefined],
    ['identity', undefined],
    ['gzip;q=0', undefined],
    ['gzip;q=0.000', undefined],
    ['gzip;q=none', undefined],
    ['*;q=0', undefined],
    ['identity;q=0', undefined],
    ['deflate, compress', undefined],
    ['', undefined],
    [',;,=;q=', undefined],
  ])('accepts "%s" as %s', async (header, expected) => {
    const received = await send(FLAG_SET, accepting(header));
    expect(received.status).toBe(200);
    expect(received.headers['content-encoding']).toBe(expected);
    expect(JSON.parse(decoded(received))).toHaveProperty('flags.large');
  });

  it('prefers the cheapest coding for a body that is sent once', async () => {
    const { headers } = await send('/api/v1/export', accepting('gzip, deflate, br, zstd'));
    expect(headers['content-encoding']).toBe('zstd');
  });

  it.each([
    ['a small body', '/api/v1/environments', 200, {}],
    ['a small evaluation', EVALUATION, 200, { body: { flagKey: 'flag-1', context: CONTEXT } }],
    ['a small bulk evaluation', EVALUATIONS, 200, { body: { context: {}, flagKeys: ['flag-1'] } }],
    ['an error', '/api/v1/nothing', 404, {}],
    ['an error of an evaluation', EVALUATIONS, 400, { body: {} }],
    ['an error with many details', EVALUATIONS, 400, { body: { context: 'x'.repeat(2_000) } }],
    ['a health check', '/healthz', 200, {}],
  ] as const)('leaves %s as it is', async (_, path, status, sent) => {
    const received = await send(path, accepting('br, gzip, zstd', sent));
    expect(received.status).toBe(status);
    expect(received.headers).not.toHaveProperty('content-encoding');
    expect(() => JSON.parse(received.bytes.toString())).not.toThrow();
  });

  it.each([
    ['GET', '/api/v1/flag-set/stream?environment=production'],
    ['POST', '/api/v1/evaluations/stream?environment=production'],
  ])('leaves the stream of %s %s as it is', async (method, path) => {
    const headers = { authorization: `Bearer ${ADMIN_KEY}`, 'accept-encoding': 'gzip, br, zstd' };
    const post = { method, body: JSON.stringify({ context: CONTEXT }) };
    const type = { 'content-type': 'application/json' };
    const response = await fetch(
      url + path,
      method === 'GET' ? { headers } : { ...post, headers: { ...headers, ...type } },
    );
    expect(response.headers.get('content-encoding')).toBeNull();
    const reader = response.body?.getReader();
    const first = await reader?.read();
    expect(Buffer.from(first?.value ?? []).toString()).toMatch(/^event: /);
    await reader?.cancel();
  });

  it('sends the headers of a compressed body in response to HEAD, without the body', async () => {
    const got = await send(FLAG_SET, accepting('br'));
    const head = await send(FLAG_SET, { ...accepting('br'), method: 'HEAD' });
    const names = ['content-encoding', 'content-length', 'content-type', 'etag', 'vary'] as const;
    for (const name of names) expect(head.headers[name]).toBe(got.headers[name]);
    expect(head.bytes).toHaveLength(0);
  });
});

describe('entity tags of compressed responses', () => {
  const TAGGED = [
    ['the flag set', FLAG_SET, {}],
    ['a bulk evaluation', EVALUATIONS, { body: { context: CONTEXT } }],
    ['a flag', LARGE_FLAG, {}],
  ] as const;

  it.each(TAGGED)(
    'differ between the codings of %s, because they are strong',
    async (...[, path, sent]) => {
      const all = [await send(path, sent)];
      for (const coding of CODINGS) all.push(await send(path, accepting(coding, sent)));
      const tags = all.map(({ headers }) => headers.etag);
      expect(new Set(tags).size).toBe(4);
      for (const tag of tags) expect(tag).toMatch(/^"[^"]+"$/);
    },
  );

  it.each(TAGGED)(
    'confirm %s in every coding, also weakened by a proxy',
    async (...[, path, sent]) => {
      const { headers } = await send(path, sent);
      for (const coding of CODINGS) {
        const compressed = await send(path, accepting(coding, sent));
        for (const tag of [headers.etag ?? '', compressed.headers.etag ?? '']) {
          for (const sentTag of [tag, `W/${tag}`, `"other", ${tag}`]) {
            const again = { ...sent, headers: { 'if-none-match': sentTag } };
            const received = await send(path, accepting('gzip', again));
            expect(received.status).toBe(304);
            expect(received.headers.etag).toBe(tag);
            expect(received.headers.vary).toBe('accept-encoding');
            expect(received.headers).not.toHaveProperty('content-encoding');
          }
        }
      }
    },
  );

  it.each(CODINGS)('are conditions of a write after a read in %s', async coding => {
    const { headers } = await send(LARGE_FLAG, accepting(coding));
    const write = (ifMatch: string, description: string) =>
      send(LARGE_FLAG, {
        method: 'PATCH',
        body: { description },
        headers: { 'if-match': ifMatch },
      });
    expect((await write(headers.etag ?? '', `read in ${coding}`)).status).toBe(200);
    expect((await write(headers.etag ?? '', 'lost')).status).toBe(412);
  });
});

describe('the cost of compression', () => {
  it('is that of one compression for each revision and coding, however many read', async () => {
    const create = vi.spyOn(zlib, 'createBrotliCompress');
    const read = async () => {
      const all = await Promise.all(
        Array.from({ length: 30 }, () => send(FLAG_SET, accepting('br'))),
      );
      return new Set(all.map(({ bytes }) => bytes.toString('hex'))).size;
    };
    await server.api('PATCH', '/flags/flag-0', { body: { description: 'changed' } });
    expect(await read()).toBe(1);
    expect(await read()).toBe(1);
    expect(create).toHaveBeenCalledTimes(1);
    await server.api('PATCH', '/flags/flag-0', { body: { enabled: false } });
    expect(await read()).toBe(1);
    expect(create).toHaveBeenCalledTimes(2);
    create.mockRestore();
  });

  it('is that of one compression for each cached evaluation and coding', async () => {
    const create = vi.spyOn(zlib, 'createGzip');
    const sent = accepting('gzip', { body: { context: { targetingKey: 'bo', plan: 'pro' } } });
    const first = await send(EVALUATIONS, sent);
    for (let each = 0; each < 5; each += 1)
      expect((await send(EVALUATIONS, sent)).bytes).toEqual(first.bytes);
    expect(create).toHaveBeenCalledTimes(1);
    // A poll that finds nothing new compresses nothing.
    const polled = await send(EVALUATIONS, {
      body: { context: { plan: 'pro', targetingKey: 'bo' } },
      headers: { 'accept-encoding': 'gzip', 'if-none-match': first.headers.etag ?? '' },
    });
    expect(polled.status).toBe(304);
    expect(create).toHaveBeenCalledTimes(1);
    create.mockRestore();
  });

  it('counts against the bound of the cache, in the form in which an evaluation is sent', async () => {
    // The JSON of an evaluation of all flags is larger than an entry may be; its compressed form is not.
    const cacheBytes = 16 * 4_096;
    await using small = await startServer({ limits: { cacheBytes } });
    const address = await small.listen();
    for (let index = 0; index < 60; index += 1)
      await small.api('POST', '/flags', { body: { key: `flag-${index}`, enabled: true } });
    const cached = async () =>
      Number(
        /pennon_cached_answers (\d+)/.exec((await small.request('GET', '/metrics')).text)?.[1],
      );
    const evaluate = (coding: string) =>
      fetch(address + EVALUATIONS, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${ADMIN_KEY}`,
          'content-type': 'application/json',
          'accept-encoding': coding,
        },
        body: JSON.stringify({ context: CONTEXT }),
      }).then(response => response.text());
    expect((await evaluate('identity')).length).toBeGreaterThan(4_096);
    expect(await cached()).toBe(0);
    await evaluate('gzip');
    expect(await cached()).toBe(1);
  });

  it('does not grow with the number of requests at once: the others are sent without it', async () => {
    const all = await Promise.all(
      Array.from({ length: 200 }, (_, index) =>
        send(EVALUATIONS, accepting('gzip', { body: { context: { targetingKey: `c-${index}` } } })),
      ),
    );
    for (const received of all) {
      expect(received.status).toBe(200);
      expect(JSON.parse(decoded(received))).toHaveProperty('evaluations.large');
    }
  });
});

describe('compressed requests', () => {
  const bomb = zlib.gzipSync(Buffer.alloc(10 * 1_048_576, ' '));

  it.each([
    ['an evaluation', EVALUATION],
    ['a bulk evaluation', EVALUATIONS],
    ['a write', '/api/v1/flags?environment=production'],
    ['an import', '/api/v1/import'],
    ['a call over tRPC', '/trpc/flags.create'],
  ])('are refused for %s, before anything is decompressed', async (_, path) => {
    for (const coding of CODINGS) {
      const received = await send(path, { body: bomb, headers: { 'content-encoding': coding } });
      expect(received.status).toBe(415);
      expect(received.bytes.toString()).toContain('send the body without Content-Encoding');
    }
  });
});
