import { once } from 'node:events';
import type { Socket } from 'node:net';
import { connect } from 'node:net';

import { describe, expect, it } from 'vitest';

import { ADMIN_KEY, startServer } from './support/server.ts';

/** What a bare connection answers to some bytes, until the server ends it. */
const answerTo = async (socket: Socket, bytes: string): Promise<string> => {
  let answer = '';
  socket.on('data', chunk => {
    answer += String(chunk);
  });
  socket.write(bytes);
  await once(socket, 'close');
  return answer;
};

const open = async (url: string): Promise<Socket> => {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
};

const shape = (answer: string) => JSON.parse(answer.slice(answer.indexOf('\r\n\r\n')));

describe('what is no request', () => {
  it.each([
    ['garbage', 'GARBAGE\r\n\r\n', 400],
    ['a header without a name', 'GET / HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n', 400],
    ['an unknown method', 'FOO / HTTP/1.1\r\nHost: x\r\n\r\n', 400],
    ['no Host', 'GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n', 400],
    ['over-long headers', `GET /${'x'.repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, 413],
  ])('%s is refused in the one shape of an error', async (_, bytes, status) => {
    await using server = await startServer();
    const answer = await answerTo(await open(await server.listen()), bytes);
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(shape(answer)).toEqual({
      error: { code: expect.any(String), message: expect.any(String) },
    });
  });

  it('a connection too many is told when to come back, and the others are served', async () => {
    await using server = await startServer({ limits: { connections: 1 } });
    const url = await server.listen();
    const first = await open(url);
    const answer = await answerTo(await open(url), '');
    expect(answer).toMatch(/^HTTP\/1.1 503 .*retry-after: 5\r\n/s);
    const served = await answerTo(
      first,
      'GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
    );
    expect(served).toMatch(/^HTTP\/1.1 200 /);
  });
});

describe('a key that is revoked while a body is on its way', () => {
  const late = async (path: string, role: 'client' | 'editor', body: object) => {
    await using server = await startServer();
    const url = await server.listen();
    const made = await server.ask('POST', '/api/v1/keys', {
      body: { name: 'late', role, environment: 'production' },
    });
    const text = JSON.stringify(body);
    const socket = await open(url);
    socket.write(
      `POST ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer ${made.body.secret}\r\n` +
        `Content-Type: application/json\r\nContent-Length: ${text.length}\r\n\r\n${text.slice(0, 2)}`,
    );
    // An answer on another connection shows that the server has read the headers sent before it.
    await fetch(`${url}/healthz`);
    await server.ask('DELETE', `/api/v1/keys/${made.body.id}`);
    const answer = await answerTo(socket, text.slice(2));
    const flags = await server.api('GET', '/flags', { key: ADMIN_KEY });
    return { answer, flags: flags.body.items };
  };

  it('opens no stream', async () => {
    const { answer } = await late('/api/v1/evaluations/stream', 'client', { context: {} });
    expect(answer).toMatch(/^HTTP\/1.1 401 /);
  });

  it('writes nothing', async () => {
    const { answer, flags } = await late('/api/v1/flags', 'editor', { key: 'f', enabled: true });
    expect(answer).toMatch(/^HTTP\/1.1 401 /);
    expect(flags).toEqual([]);
  });
});
