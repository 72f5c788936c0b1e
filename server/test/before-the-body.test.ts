import { connect } from 'node:net';
import { text } from 'node:stream/consumers';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { startServer, type TestServer } from './support/server.ts';

let server: TestServer;
let port: number;
let viewer: string;
let admin: string;
beforeAll(async () => {
  server = await startServer();
  port = Number(new URL(await server.listen()).port);
  viewer = await server.keyOf('viewer');
  admin = await server.keyOf('admin');
});
afterAll(() => server.close());

/** Sends headers that announce a body, but no body, and returns the status of the response. */
const statusOf = async (
  method: string,
  path: string,
  key?: string,
  bytes = 60 * 1_048_576,
): Promise<number> => {
  const socket = connect(port, '127.0.0.1');
  const headers = [
    `${method} ${path} HTTP/1.1`,
    'Host: localhost',
    'Connection: close',
    'Content-Type: application/json',
    `Content-Length: ${bytes}`,
    ...(key === undefined ? [] : [`Authorization: Bearer ${key}`]),
  ];
  socket.write(`${headers.join('\r\n')}\r\n\r\n`);
  const response = await text(socket);
  return Number(response.split(' ', 2)[1]);
};

describe('before the body is read', () => {
  it('a request without a key, or with an unknown one, is refused, on every route', async () => {
    const withBody = server.routes.filter(
      ({ method, access }) =>
        ['POST', 'PUT', 'PATCH'].includes(method) && access !== 'public' && access !== 'own-page',
    );
    expect(withBody.length).toBeGreaterThan(20);
    for (const { method, url } of withBody) {
      const path = url.replace('/trpc/:path', '/trpc/flags.create').replaceAll(/:\w+/g, 'some');
      expect([path, await statusOf(method, path)]).toEqual([path, 401]);
      expect([path, await statusOf(method, path, 'unknown')]).toEqual([path, 401]);
    }
  });

  it('a request to sign in from another page is refused', async () => {
    expect(await statusOf('POST', '/auth/session')).toBe(403);
  });

  it('a batch without a key is refused', async () => {
    expect(await statusOf('POST', '/trpc/flags.create,flags.update?batch=1')).toBe(401);
    expect(await statusOf('POST', '/trpc/flags.create,flags.update?batch=1', 'wrong')).toBe(401);
  });

  it('a key is refused that has the permission of no call', async () => {
    for (const path of [
      '/trpc/transfer.import',
      '/trpc/transfer.import?batch=1',
      '/trpc/flags.create,keys.create?batch=1',
    ])
      expect([path, await statusOf('POST', path, viewer)]).toEqual([path, 403]);
  });

  it('a key of one environment is refused if the URL names another one, on every route', async () => {
    const withBody = server.routes.filter(
      ({ method, access }) =>
        ['POST', 'PUT', 'PATCH'].includes(method) && typeof access === 'object',
    );
    expect(withBody.map(({ url }) => url)).toContain('/api/v1/import');
    for (const { method, url } of withBody) {
      const path = `${url.replaceAll(/:\w+/g, 'some')}?environment=other`;
      expect([path, await statusOf(method, path, admin)]).toEqual([path, 403]);
    }
    expect(await statusOf('PATCH', '/api/v1/environments/other', admin)).toBe(403);
  });

  it.each(['/api/v1/evaluate', '/ofrep/v1/evaluate/flags'])(
    'a key of one environment is refused at %s if the URL names another one',
    async path => {
      expect(await statusOf('POST', `${path}?environment=other`, admin, 100)).toBe(403);
    },
  );

  it.each([
    ['POST', '/nothing', 404],
    ['POST', '/trpc/flags.nothing', 404],
    ['POST', '/trpc/flags.list', 405],
    ['PUT', '/api/v1/evaluate', 405],
    ['POST', '/docs', 405],
  ])('%s %s is refused with %d', async (method, path, status) => {
    expect(await statusOf(method, path)).toBe(status);
  });
});
