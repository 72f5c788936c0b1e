import { brotliCompressSync, gzipSync } from 'node:zlib';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { ConsoleState } from '../src/console/files.ts';
import { startServer, type TestServer } from './support/server.ts';

const SCRIPT = Buffer.from('export const value = 42;'.repeat(100));
const PAGE = `<meta name="pennon-base-path" content="./" /><script src="./assets/index-1.js"></script>`;

const built: ConsoleState = {
  page: PAGE,
  assets: new Map([
    ['index-1.js', { bytes: SCRIPT, br: brotliCompressSync(SCRIPT), gzip: gzipSync(SCRIPT) }],
    ['icon-1.svg', { bytes: Buffer.from('<svg/>'), br: undefined, gzip: undefined }],
  ]),
};

let state: ConsoleState;
let server: TestServer;
let below: TestServer;
let without: TestServer;
beforeAll(async () => {
  state = built;
  server = await startServer({ console: () => state });
  below = await startServer({ console: () => built, basePath: '/tools/flags' });
  without = await startServer();
});
afterAll(() => Promise.all([server.close(), below.close(), without.close()]));

const HTML = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' };
const open = (path: string, from = server) =>
  from.request('GET', path, { key: null, headers: HTML });

describe('every response of the console', () => {
  it.each<[string, ConsoleState]>([
    ['/', built],
    ['/flags', built],
    ['/', 'building'],
    ['/flags', 'building'],
    ['/', 'failed'],
    ['/assets/index-1.js', built],
    ['/assets/icon-1.svg', built],
    ['/assets/nothing.js', built],
  ])('permits nothing of other origins: %s', async (path, current) => {
    state = current;
    const { headers } = await open(path);
    state = built;
    expect(headers['content-security-policy']).toBe(
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
    );
    expect(headers['referrer-policy']).toBe('no-referrer');
    expect(headers['cross-origin-opener-policy']).toBe('same-origin');
  });
});

describe('the page of the console', () => {
  it('is never cached', async () => {
    const { status, headers, text } = await open('/');
    expect([status, headers['cache-control']]).toEqual([200, 'no-store']);
    expect(text).toBe(PAGE.replaceAll('./', '/'));
  });

  it.each(['/flags', '/flags/new-checkout?env=production', '/sign-in', '/flags/', '/apiary'])(
    'is the response to a browser that opens %s',
    async path => {
      const { status, text } = await open(path);
      expect([status, text]).toEqual([200, PAGE.replaceAll('./', '/')]);
    },
  );

  it.each([
    '/api',
    '/api/v1/nothing',
    '/trpc/nothing',
    '/auth/nothing',
    '/docs/nothing',
    '/mcp',
    '/mcp/nothing',
    '/ofrep/v1/nothing',
    '/assets',
    '/assets/nothing.js',
    '/metrics/nothing',
  ])('is not the response for %s, which belongs to programs', async path => {
    const { status, body } = await open(path);
    expect([401, 404]).toContain(status);
    expect(body).toBeTypeOf('object');
  });

  it.each([{ accept: '*/*' }, { accept: 'application/json' }, {}])(
    'is not the response to %j, so that programs receive an error that they can read',
    async headers => {
      const { status, body } = await server.request('GET', '/flags', { key: null, headers });
      expect([status, body.error.code]).toEqual([404, 'NOT_FOUND']);
    },
  );

  it('is not the response to a form that is posted', async () => {
    const { status } = await server.request('POST', '/flags', { headers: HTML, body: {} });
    expect(status).toBe(404);
  });

  it('has addresses below the base path', async () => {
    for (const path of ['/tools/flags', '/tools/flags/', '/tools/flags/flags']) {
      const { status, text } = await open(path, below);
      expect([status, text]).toEqual([200, PAGE.replaceAll('./', '/tools/flags/')]);
    }
    expect((await open('/flags', below)).status).toBe(404);
    expect((await open('/tools/flags/assets/index-1.js', below)).status).toBe(200);
  });

  it('is a notice that reloads by itself until the console is built', async () => {
    state = 'building';
    const { status, headers, text } = await open('/flags');
    state = built;
    expect([status, headers['refresh'], headers['cache-control']]).toEqual([503, '1', 'no-store']);
    expect(text).toContain('being built');
  });

  it('is a notice that does not reload if the console could not be built', async () => {
    state = 'failed';
    const { status, headers, text } = await open('/');
    state = built;
    expect([status, headers['refresh']]).toEqual([503, undefined]);
    expect(text).toContain('see the log');
  });

  it('does not exist without a console', async () => {
    for (const path of ['/', '/flags', '/assets/index-1.js'])
      expect((await open(path, without)).status).toBe(404);
  });
});

describe('an asset of the console', () => {
  /** Sends a request, and returns its headers and the bytes of its body. */
  const load = async (path: string, acceptEncoding?: string) => {
    await using direct = await startServer({ console: () => built });
    const url = await direct.listen();
    const response = await fetch(url + path, {
      headers: { 'accept-encoding': acceptEncoding ?? 'identity' },
    });
    return { headers: response.headers, text: await response.text() };
  };

  it.each([
    ['br', 'gzip, deflate, br, zstd'],
    ['gzip', 'gzip, deflate'],
    ['gzip', 'br;q=0, gzip'],
    [null, 'identity'],
    [null, 'zstd'],
  ])('is sent with the coding %s to a browser that accepts %s', async (coding, accepted) => {
    const { headers, text } = await load('/assets/index-1.js', accepted);
    expect(headers.get('content-encoding')).toBe(coding);
    expect(headers.get('vary')).toBe('accept-encoding');
    expect(text).toBe(SCRIPT.toString());
  });

  it('is cached without an end, because its name changes with its content', async () => {
    const { headers } = await open('/assets/index-1.js');
    expect(headers['cache-control']).toBe('public, max-age=31536000, immutable');
    expect(headers['content-type']).toBe('text/javascript; charset=utf-8');
    expect(headers['x-content-type-options']).toBe('nosniff');
    expect((await open('/assets/icon-1.svg')).headers['content-type']).toBe('image/svg+xml');
  });

  it.each(['..%2Findex.html', 'index-1.js.br', '__proto__', 'constructor'])(
    'with the name %s does not exist',
    async name => {
      expect((await open(`/assets/${name}`)).status).toBe(404);
    },
  );
});
