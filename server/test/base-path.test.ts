import { createTRPCClient, httpBatchLink } from '@trpc/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { readConfig } from '../src/config.ts';
import { openStartupServer, type StartupServer } from '../src/http/startup-server.ts';
import type { AppRouter } from '../src/router/index.ts';
import { ADMIN_KEY, startServer, type TestServer } from './support/server.ts';
import { openSse } from './support/sse.ts';

const BASE = '/tools/flags';

let server: TestServer;
let url: string;
beforeAll(async () => {
  server = await startServer({ basePath: BASE });
  url = (await server.listen()) + BASE;
});
afterAll(() => server.close());

const environment = 'environment=production';
const createFlag = (key: string) =>
  server.request('POST', `${BASE}/api/v1/flags?${environment}`, { body: { key, enabled: true } });

describe('a server with PENNON_BASE_PATH', () => {
  it('serves REST below it, and creates resources with a Location that has it', async () => {
    const { status, headers } = await createFlag('rest');
    const location = `${BASE}/api/v1/flags/rest?${environment}`;
    expect([status, headers['location']]).toEqual([201, location]);
    expect((await server.request('GET', location)).body.key).toBe('rest');
    const body = {
      key: 'staff',
      conditions: [{ attribute: 'staff', operator: 'equals', value: true }],
    };
    const segment = await server.request('POST', `${BASE}/api/v1/segments?${environment}`, {
      body,
    });
    expect(segment.headers['location']).toBe(`${BASE}/api/v1/segments/staff?${environment}`);
  });

  it('serves tRPC below it', async () => {
    const headers = { authorization: `Bearer ${ADMIN_KEY}` };
    const client = createTRPCClient<AppRouter>({
      links: [httpBatchLink({ url: `${url}/trpc`, headers })],
    });
    await createFlag('trpc');
    const flag = await client.flags.get.query({ environment: 'production', key: 'trpc' });
    expect(flag.key).toBe('trpc');
    const unknown = await server.request('GET', `${BASE}/trpc/flags.unknown`);
    expect(unknown.body.error.data.httpStatus).toBe(404);
  });

  it('serves streams below it, which resume after their last event', async () => {
    const path = `${url}/api/v1/flag-set/stream?${environment}`;
    const stream = await openSse(path, { key: ADMIN_KEY });
    expect(await stream.next()).toMatchObject({ event: 'set' });
    await createFlag('streamed');
    const change = await stream.next();
    expect(change).toMatchObject({ event: 'change', data: { flags: { streamed: {} } } });
    stream.close();
    const headers = { authorization: `Bearer ${ADMIN_KEY}`, 'last-event-id': change?.id ?? '' };
    const aborting = new AbortController();
    const resumed = await fetch(path, { headers, signal: aborting.signal });
    const first = await resumed.body?.getReader().read();
    expect(new TextDecoder().decode(first?.value)).toContain('event: current');
    aborting.abort();
  });

  it('serves /docs below it, with every file that the page loads', async () => {
    const get = (path: string) => server.request('GET', path, { key: null });
    const page = await get(`${BASE}/docs`);
    const files = [...page.text.matchAll(/(?:href|src)="(\/[^"]+)"/g)].map(([, path]) => path);
    expect(files).toHaveLength(3);
    const loaded = await Promise.all(files.map(path => get(path ?? '')));
    expect(loaded.map(({ status }) => status)).toEqual([200, 200, 200]);
    const [, document = ''] = /url: '([^']+)'/.exec(loaded.at(-1)?.text ?? '') ?? [];
    const { body } = await get(document);
    expect(body.servers).toEqual([{ url: BASE }]);
    expect(Object.keys(body.paths)).toContain('/api/v1/flags');
  });

  it('serves metrics below it, labelled with routes as they are without it', async () => {
    await createFlag('counted');
    const { text } = await server.request('GET', `${BASE}/metrics`);
    expect(text).toContain('route="/api/v1/flags"');
    expect(text).not.toContain(BASE);
  });

  it('serves CORS preflights below it', async () => {
    const preflight = await server.request('OPTIONS', `${BASE}/api/v1/evaluate`, { key: null });
    expect([preflight.status, preflight.headers['access-control-allow-origin']]).toEqual([
      204,
      '*',
    ]);
  });

  it.each(['/healthz', '/readyz', `${BASE}/healthz`, `${BASE}/readyz`, '/readyz?probe=1'])(
    'serves %s, for probes with and without it',
    async path => {
      expect((await server.request('GET', path, { key: null })).status).toBe(200);
    },
  );

  it.each([
    '/',
    '/docs',
    '/metrics',
    '/openapi.json',
    `/api/v1/flags?${environment}`,
    '/trpc/flags.list',
    BASE,
    `${BASE}/`,
    `${BASE}?x=1`,
    `${BASE}x/docs`,
    `${BASE}docs`,
    `/tools/docs`,
    `${BASE}${BASE}/docs`,
    `/TOOLS/flags/docs`,
  ])('does not serve %s, and names its own page', async path => {
    const { status, body } = await server.request('GET', path);
    expect([status, body.error.message]).toEqual([
      404,
      `this route does not exist; see ${BASE}/docs`,
    ]);
  });

  it('serves OFREP below it to clients whose address ends with a slash, and nothing else', async () => {
    await createFlag('ofrep');
    const post = async (path: string) => {
      const sent = { key: ADMIN_KEY, body: { context: {} } };
      return (await server.request('POST', `${path}?${environment}`, sent)).status;
    };
    expect(await post(`${BASE}//ofrep/v1/evaluate/flags/ofrep`)).toBe(200);
    expect(await post(`${BASE}//ofrep/v1/evaluate/flags`)).toBe(200);
    expect(await post(`${BASE}//api/v1/evaluate`)).toBe(404);
    expect(await post('//ofrep/v1/evaluate/flags')).toBe(404);
  });

  it('names the methods of a route below it', async () => {
    const refused = await server.request('DELETE', `${BASE}/api/v1/evaluate`);
    expect([refused.status, refused.headers['allow']]).toEqual([405, 'OPTIONS, POST']);
  });
});

it('a server that waits for its store responds to probes with and without PENNON_BASE_PATH', async () => {
  const waiting = await openStartupServer({ host: '127.0.0.1', port: 0, basePath: BASE });
  const paths = [
    '/healthz',
    '/readyz',
    `${BASE}/healthz`,
    `${BASE}/readyz`,
    `${BASE}/api/v1/flags`,
  ];
  const statuses = paths.map(async path => {
    const response = await fetch(`http://127.0.0.1:${waiting.port}${path}`);
    return response.status;
  });
  expect(await Promise.all(statuses)).toEqual([200, 503, 200, 503, 503]);
  await waiting.close();
});

describe.each(['', BASE])(
  'a server that waits for its store, with the base path "%s",',
  basePath => {
    let waiting: StartupServer;
    beforeAll(async () => {
      waiting = await openStartupServer({ host: '127.0.0.1', port: 0, basePath });
    });
    afterAll(() => waiting.close());
    const call = (path: string, method: string) =>
      fetch(`http://127.0.0.1:${waiting.port}${basePath}${path}`, { method });

    it.each([
      ['/api/v1/evaluate', { error: { code: 'SERVICE_UNAVAILABLE' } }],
      ['/ofrep/v1/evaluate/flags?x=1', { errorCode: 'GENERAL' }],
      ['/ofrep/v1/evaluate/flags/a', { key: 'a', errorCode: 'GENERAL' }],
      ['//ofrep/v1/evaluate/flags/a', { key: 'a', errorCode: 'GENERAL' }],
      ['/openfeature/v0/manifest', { error: { status: 503, code: 'SERVICE_UNAVAILABLE' } }],
    ])('refuses %s in the form of its clients, which pages can read', async (path, body) => {
      const refused = await call(path, 'POST');
      expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1']);
      expect(refused.headers.get('access-control-allow-origin')).toBe('*');
      expect(refused.headers.get('access-control-expose-headers')).toContain('Retry-After');
      expect(await refused.json()).toMatchObject(body);
      const preflight = await call(path, 'OPTIONS');
      expect([preflight.status, preflight.headers.get('access-control-max-age')]).toEqual([
        204,
        '0',
      ]);
      expect(preflight.headers.get('access-control-allow-origin')).toBe('*');
      expect(preflight.headers.get('access-control-allow-headers')).toContain('authorization');
    });
  },
);

describe('PENNON_BASE_PATH', () => {
  it.each(['/flags', '/a/b-c/d_e/f~1', '/v1.2'])('can be %s', path => {
    expect(readConfig({ PENNON_BASE_PATH: path }).basePath).toBe(path);
  });

  it.each([
    '/',
    'flags',
    '/flags/',
    '//flags',
    '/a//b',
    '/a/../b',
    '/.',
    '/a b',
    '/a?b',
    '/a#b',
    '/ü',
    '/%20',
    'https://example.com/flags',
    `/${'a'.repeat(200)}`,
  ])('%s is rejected with the remedy', path => {
    expect(() => readConfig({ PENNON_BASE_PATH: path })).toThrow(
      /PENNON_BASE_PATH: must (begin with "\/", not end with it.* such as "\/flags"|have at most 200)/,
    );
  });
});
