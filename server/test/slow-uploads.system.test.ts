import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { ADMIN_KEY, startServer, type TestServer } from './support/server.ts';

const KIB = 1_024;
/** Longer than the time-out of other requests, and than the longest time until it is noticed. */
const SECONDS = 40;

let server: TestServer;
let port: number;
beforeAll(async () => {
  server = await startServer();
  port = Number(new URL(await server.listen()).port);
});
afterAll(() => server.close());

const begin = (path: string, bytes: number): Socket => {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.write(
    `POST ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer ${ADMIN_KEY}\r\n` +
      `Content-Type: application/json\r\nContent-Length: ${bytes}\r\n\r\n`,
  );
  return socket;
};

/** Sends a body in equal parts at equal times, and returns the status of the response. */
const send = async (
  path: string,
  body: string,
  { parts, everyMs }: { readonly parts: number; readonly everyMs: number },
): Promise<number> => {
  const socket = begin(path, body.length);
  let response = '';
  socket.on('data', chunk => (response += String(chunk)));
  // Not the end of what it sends: a server that refuses a body may reset the connection after its response.
  const closed = once(socket, 'close');
  const size = body.length / parts;
  for (let part = 0; part < parts && socket.writable; part += 1) {
    socket.write(body.slice(Math.round(part * size), Math.round((part + 1) * size)));
    await pause(everyMs);
  }
  await closed;
  return Number(response.split(' ', 2)[1]);
};

const ofSize = (document: object, bytes: number): string =>
  JSON.stringify(document).padEnd(bytes, ' ');

describe.concurrent('over a slow line', () => {
  const document = { formatVersion: 1, environments: [] };
  const bytes = SECONDS * 8 * KIB;
  const steadily = { parts: SECONDS, everyMs: 1_000 };

  it.each([
    ['REST', '/api/v1/import', document],
    ['tRPC', '/trpc/transfer.import', document],
    ['a batch of tRPC', '/trpc/transfer.import?batch=1', { 0: document }],
  ])('80 KiB every 10 s are enough for an import: %s', async (_, path, body) => {
    expect(await send(path, ofSize(body, bytes), steadily)).toBe(200);
  });

  it('80 KiB every 10 s are enough for an import if they arrive at once', async () => {
    const inBursts = { parts: SECONDS / 10, everyMs: 10_500 };
    expect(await send('/api/v1/import', ofSize(document, bytes), inBursts)).toBe(200);
  });

  it('any other request has 30 s', async () => {
    const context = { context: { text: 'x' } };
    const path = '/api/v1/evaluations?environment=production';
    expect(await send(path, ofSize(context, bytes), steadily)).toBe(408);
  });
});
