import { once } from 'node:events';
import type { Socket } from 'node:net';
import { connect } from 'node:net';

import { describe, expect, it } from 'vitest';

import { ADMIN_KEY, startServer } from './support/server.ts';

/** Sends bytes on a connection. Resolves to everything received until the server closes it. */
const send = async (socket: Socket, bytes: string): Promise<string> => {
  let received = '';
  socket.on('data', chunk => {
    received += String(chunk);
  });
  socket.write(bytes);
  await once(socket, 'close');
  return received;
};

const open = async (url: string): Promise<Socket> => {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
};

const bodyOf = (response: string) => JSON.parse(response.slice(response.indexOf('\r\n\r\n')));

describe('a connection without a valid request', () => {
  it.each([
    ['garbage', 'GARBAGE\r\n\r\n', 400],
    ['a header without a name', 'GET / HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n', 400],
    ['an unknown method', 'FOO / HTTP/1.1\r\nHost: x\r\n\r\n', 400],
    ['a missing Host header', 'GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n', 400],
    ['headers that are too long', `GET /${'x'.repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, 413],
  ])('receives the usual error body: %s', async (_, bytes, status) => {
    await using server = await startServer();
    const response = await send(await open(await server.listen()), bytes);
    expect(response).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(bodyOf(response)).toEqual({
      error: { code: expect.any(String), message: expect.any(String) },
    });
  });

  it('is closed with 503 and Retry-After above the limit, and others are served', async () => {
    await using server = await startServer({ limits: { connections: 1 } });
    const url = await server.listen();
    const first = await open(url);
    const rejected = await send(await open(url), '');
    expect(rejected).toMatch(/^HTTP\/1.1 503 .*retry-after: 5\r\n/s);
    const served = await send(
      first,
      'GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
    );
    expect(served).toMatch(/^HTTP\/1.1 200 /);
  });
});

describe('a key that is revoked before the body has arrived', () => {
  const sendSlowly = async (path: string, role: 'client' | 'editor', body: object) => {
    await using server = await startServer();
    const url = await server.listen();
    const made = await server.request('POST', '/api/v1/keys', {
      body: { name: 'late', role, environment: 'production' },
    });
    const text = JSON.stringify(body);
    const socket = await open(url);
    socket.write(
      `POST ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer ${made.body.secret}\r\n` +
        `Content-Type: application/json\r\nContent-Length: ${text.length}\r\n\r\n${text.slice(0, 2)}`,
    );
    // A response on another connection shows that the server has read the headers sent before it.
    await fetch(`${url}/healthz`);
    await server.request('DELETE', `/api/v1/keys/${made.body.id}`);
    const response = await send(socket, text.slice(2));
    const flags = await server.api('GET', '/flags', { key: ADMIN_KEY });
    return { response, flags: flags.body.items };
  };

  it('opens no stream', async () => {
    const { response } = await sendSlowly('/api/v1/evaluations/stream', 'client', { context: {} });
    expect(response).toMatch(/^HTTP\/1.1 401 /);
  });

  it('writes nothing', async () => {
    const { response, flags } = await sendSlowly('/api/v1/flags', 'editor', {
      key: 'f',
      enabled: true,
    });
    expect(response).toMatch(/^HTTP\/1.1 401 /);
    expect(flags).toEqual([]);
  });
});
