import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { TestServer } from './support/server.ts';
import { startServer } from './support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());

const trpc = (procedure: string, input: unknown) =>
  server.request('POST', `/trpc/${procedure}`, { body: input });
const environment = 'production';

describe('requests', () => {
  it('never accept a string as a boolean, over REST or tRPC', async () => {
    const input = { key: 'strict', enabled: 'false' };
    const overTrpc = () => trpc('flags.create', { environment, ...input });
    expect((await overTrpc()).status).toBe(400);
    expect((await server.api('POST', '/flags', { body: input })).status).toBe(400);
    await server.api('GET', '/flags?enabled=false');
    expect((await overTrpc()).status).toBe(400);
    expect((await server.api('POST', '/flags', { body: { ...input, enabled: null } })).status).toBe(
      400,
    );
    expect((await server.api('POST', '/flags', { body: { ...input, enabled: 0 } })).status).toBe(
      400,
    );
    expect((await server.api('GET', '/flags/strict')).status).toBe(404);
  });

  it.each([
    ['malformed JSON', '{"key": ', 400],
    ['JSON that is not an object', '["a"]', 400],
    ['bytes that are not UTF-8', Buffer.from([0x22, 0xff, 0x22]).toString('latin1'), 400],
    ['an empty body', '', 400],
    [
      'JSON nested too deeply',
      '{"key":"deep","enabled":true,"metadata":'.padEnd(2_000, '{"a":'),
      400,
    ],
  ])('with %s are rejected with a clear message', async (_, text, status) => {
    const refused = await server.api('POST', '/flags', { text });
    expect([refused.status, refused.body.error.code]).toEqual([status, 'BAD_REQUEST']);
    expect(refused.body.error.message.length).toBeGreaterThan(10);
  });

  it('with values nested too deeply are rejected', async () => {
    const depth = 5_000;
    const deep = `{"key":"d","enabled":true,"type":"object","defaultVariant":"a","variants":{"a":${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}}}`;
    expect((await server.api('POST', '/flags', { text: deep })).status).toBe(400);
    expect((await server.request('POST', '/trpc/flags.create', { text: deep })).status).toBe(400);
  });

  it('are 413 if the body is too large, and 415 if it is not JSON', async () => {
    const text = JSON.stringify({ key: 'big', enabled: true, description: 'x'.repeat(2_000_000) });
    expect((await server.api('POST', '/flags', { text })).body.error).toEqual({
      code: 'PAYLOAD_TOO_LARGE',
      message: 'the body must be at most 1048576 bytes',
    });
    const large = await server.request('POST', '/trpc/flags.create', { text });
    expect([large.status, large.body.error.data.error.code]).toEqual([413, 'PAYLOAD_TOO_LARGE']);
    const form = await server.api('POST', '/flags', {
      text: 'key=x',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    });
    expect([form.status, form.body.error.code]).toEqual([415, 'UNSUPPORTED_MEDIA_TYPE']);
    expect(form.body.error.message).toContain('Content-Type: application/json');
    const typed = await server.request('POST', '/trpc/flags.create', {
      text: '{}',
      headers: { 'content-type': 'text/plain' },
    });
    expect([typed.status, typed.body.error.data.error.message]).toEqual([
      415,
      form.body.error.message,
    ]);
    const utf16 = { 'content-type': 'application/json; charset=utf-16' };
    expect((await server.api('POST', '/evaluate', { text: '{}', headers: utf16 })).status).toBe(
      415,
    );
    for (const headers of [
      { 'content-type': 'application/json; charset="utf8"' },
      { 'content-encoding': 'Identity' },
    ])
      expect((await server.api('POST', '/evaluate', { text: '{}', headers })).status).toBe(400);
    const packed = { 'content-encoding': 'gzip' };
    expect((await server.api('POST', '/evaluate', { text: '{}', headers: packed })).status).toBe(
      415,
    );
    expect(
      (await server.request('POST', '/trpc/flags.create', { text: '{}', headers: packed })).status,
    ).toBe(415);
    const plain = await server.api('POST', '/evaluate', {
      text: '{}',
      headers: { 'content-type': 'text/plain' },
    });
    expect(plain.status).toBe(415);
  });

  it('return errors of the same shape over tRPC, under data.error', async () => {
    const rest = await server.api('GET', '/flags/ghost');
    const input = encodeURIComponent(JSON.stringify({ environment, key: 'ghost' }));
    const overTrpc = await server.request('GET', `/trpc/flags.get?input=${input}`);
    expect(overTrpc.status).toBe(404);
    expect(overTrpc.body.error.data.error).toEqual(rest.body.error);
    expect(overTrpc.text).not.toContain('stack');
  });

  it('with an invalid path are rejected without repeating it', async () => {
    for (const part of ['%ff', 'a'.repeat(3_000)]) {
      const response = await server.api('GET', `/flags/${part}`);
      expect([response.status, response.body.error]).toEqual([
        400,
        { code: 'BAD_REQUEST', message: expect.stringContaining('longer than 2000 characters') },
      ]);
    }
  });

  it('have at most twenty calls in a tRPC batch', async () => {
    const batch = (calls: number) => {
      const path = Array.from({ length: calls }, () => 'environments.list').join(',');
      const input = encodeURIComponent(
        JSON.stringify(Object.fromEntries(Array.from({ length: calls }, (_, i) => [i, {}]))),
      );
      return server.request('GET', `/trpc/${path}?batch=1&input=${input}`);
    };
    expect((await batch(20)).status).toBe(200);
    expect((await batch(21)).status).toBe(400);
  });
});

describe('paths', () => {
  it.each([
    '//api/v1/flags',
    '/api//v1/flags',
    '/api/v1/flags/',
    '/API/v1/flags',
    '/api/v1/Flags',
    '/api/v1/flags;x=1',
    '/api/v1/%66lags/../keys',
    '/api/v1/./flags',
    '/api/v1/flags/%2e%2e/keys',
    '/api/v1/flags%2f',
    '/docs/../api/v1/keys',
    '/docs/%2e%2e/api/v1/keys',
    '/healthz/..;/api/v1/keys',
    '/metrics/',
    '/METRICS',
    '/trpc//flags.list',
    '/trpc/%66lags.list',
    '/api/v1/keys/%00',
    '/%E0%A4%A',
    '/api/v1/flag-set/stream/',
    '/api/v1/flag-set;',
  ])('%s never bypasses a permission', async path => {
    const response = await server.request('GET', path, { key: null });
    expect([400, 401, 404, 405]).toContain(response.status);
    expect(response.body?.error?.data?.error?.code ?? response.body?.error?.code).toMatch(
      /NOT_FOUND|UNAUTHORIZED|BAD_REQUEST|METHOD_NOT_SUPPORTED/,
    );
  });

  it.each([
    ['PUT', '/api/v1/flags', 'GET, HEAD, PATCH, POST'],
    ['POST', '/api/v1/flags/a-flag?environment=production', 'DELETE, GET, HEAD, PATCH, PUT'],
    ['GET', '/api/v1/flags/a-flag/copy', 'POST'],
    ['PUT', '/trpc/flags.list', 'GET, POST'],
  ] as const)('%s %s is 405 with the allowed methods', async (method, path, allowed) => {
    const response = await server.request(method, path);
    expect([response.status, response.headers['allow']]).toEqual([405, allowed]);
    expect(response.body).toMatchObject({
      error: { code: 'METHOD_NOT_SUPPORTED', message: expect.stringContaining(allowed) },
    });
  });

  it('with an invalid key are rejected', async () => {
    expect((await server.api('GET', `/flags/${'x'.repeat(150)}`)).status).toBe(400);
    expect((await server.api('GET', '/flags/a%2fb')).status).toBe(400);
    expect((await server.api('GET', '/flags/__proto__')).status).toBe(400);
    expect((await server.api('GET', '/flags/constructor')).status).toBe(404);
  });
});

describe('CORS', () => {
  const allowed = ['/api/v1/evaluate', '/api/v1/evaluations', '/api/v1/evaluations/stream'];

  it.each(allowed)('%s allows any origin without credentials', async path => {
    const preflight = await server.request('OPTIONS', path, {
      key: null,
      headers: { origin: 'https://app.example', 'access-control-request-method': 'POST' },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers).toMatchObject({
      'access-control-allow-origin': '*',
      'access-control-allow-headers':
        'authorization, x-api-key, content-type, if-none-match, last-event-id',
    });
    expect(preflight.headers).not.toHaveProperty('access-control-allow-credentials');
    const refused = await server.request('POST', path, { key: null, body: {} });
    expect([refused.status, refused.headers['access-control-allow-origin']]).toEqual([401, '*']);
    expect(refused.headers['access-control-expose-headers']).toBe(
      'ETag, Retry-After, Pennon-Source-Age-Ms',
    );
  });

  it.each([
    '/api/v1/flags',
    '/api/v1/flag-set',
    '/trpc/flags.list',
    '/metrics',
    '/healthz',
    '/openapi.json',
  ])('%s sends no CORS headers', async path => {
    for (const method of ['GET', 'OPTIONS'] as const) {
      const response = await server.request(method, path, {
        headers: { origin: 'https://app.example' },
      });
      expect(
        Object.keys(response.headers).filter(name => name.startsWith('access-control')),
      ).toEqual([]);
    }
  });
});

describe('operations', () => {
  it('report health and readiness', async () => {
    expect((await server.request('GET', '/healthz', { key: null })).body).toEqual({ status: 'ok' });
    expect((await server.request('GET', '/readyz', { key: null })).body).toEqual({
      status: 'ready',
    });
  });

  it('measure requests by route pattern and evaluations by flag, with one label for unknown flags', async () => {
    await server.api('POST', '/flags', { body: { key: 'counted', enabled: true } });
    for (const flagKey of ['counted', 'ghost-1', 'ghost-2'])
      await server.api('POST', '/evaluate', { body: { flagKey, context: {} } });
    const { text } = await server.request('GET', '/metrics');
    expect(text).toContain(
      'pennon_evaluations_total{environment="production",flag="counted",reason="STATIC"} 1',
    );
    expect(text).toContain(
      'pennon_evaluations_total{environment="production",flag="(unknown)",reason="ERROR"} 2',
    );
    expect(text).toContain('route="/api/v1/evaluate",method="POST",status="404"');
    expect(text).toMatch(/pennon_revision\{environment="production"\} \d+/);
    expect(text).toMatch(/pennon_store_seconds_count\{operation="commit"\} \d+/);
    expect(text).not.toContain('ghost');
    const viewer = await server.keyOf('viewer');
    expect((await server.request('GET', '/metrics', { key: viewer })).status).toBe(403);
    expect(
      (await server.request('GET', '/metrics', { key: await server.keyOf('viewer', '*') })).status,
    ).toBe(200);
    expect(
      (await server.request('GET', '/metrics', { key: await server.keyOf('editor', '*') })).status,
    ).toBe(200);
  });

  it('are measured in buckets, each of which includes those below it', async () => {
    await using own = await startServer();
    for (let at = 0; at < 3; at += 1) await own.request('GET', '/healthz', { key: null });
    const { text } = await own.request('GET', '/metrics');
    expect(text).toMatch(/^# TYPE pennon_request_seconds histogram$/m);
    const labels = 'route="/healthz",method="GET",status="200"';
    const valueOf = (series: string): number =>
      Number(new RegExp(`^pennon_request_seconds_${series} (\\S+)$`, 'm').exec(text)?.[1]);
    expect(valueOf(`count{${labels}}`)).toBe(3);
    expect(valueOf(`sum{${labels}}`)).toBeGreaterThan(0);
    const bounds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5, '\\+Inf'];
    const counts = bounds.map(le => valueOf(`bucket{le="${le}",${labels}}`));
    expect(counts).toEqual(counts.toSorted((a, b) => a - b));
    expect(counts.at(-1)).toBe(3);
  });

  it('measure no flag and no environment that has been deleted', async () => {
    const evaluateIn = (key: string, flagKey: string) =>
      server.request('POST', `/api/v1/evaluate?environment=${key}`, {
        body: { flagKey, context: {} },
      });
    await server.api('POST', '/flags', { body: { key: 'short-lived', enabled: true } });
    await server.request('POST', '/api/v1/environments', { body: { key: 'temporary' } });
    await evaluateIn('production', 'short-lived');
    await evaluateIn('temporary', 'absent');
    const before = (await server.request('GET', '/metrics')).text;
    expect(before).toContain('flag="short-lived"');
    expect(before).toContain('environment="temporary",flag="(unknown)"');
    await server.api('DELETE', '/flags/short-lived');
    await server.request('DELETE', '/api/v1/environments/temporary?confirm=temporary');
    const after = (await server.request('GET', '/metrics')).text;
    expect(after).not.toMatch(/short-lived|temporary/);
  });

  it('log route patterns, but no keys, queries or contexts', async () => {
    await server.request('GET', '/api/v1/flags?environment=production&search=private-search');
    await server.api('POST', '/evaluate', {
      body: { flagKey: 'x', context: { email: 'private@example.com' } },
    });
    expect(server.logs()).toContain('/api/v1/evaluate');
    expect(server.logs()).not.toMatch(/private|test-admin-key/);
  });
});
