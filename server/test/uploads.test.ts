import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';

import { describe, expect, it } from 'vitest';

import { createFakeClock } from './support/fake-clock.ts';
import { ADMIN_KEY, startServer, type TestServer } from './support/server.ts';

const MIB = 1_048_576;

/** Begins an import of which the rest never arrives. */
const beginImport = async (
  url: string,
  { key, start, bytes }: { key: string; start: string; bytes?: number },
): Promise<Socket> => {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  const headers = [
    'POST /api/v1/import HTTP/1.1',
    'Host: localhost',
    `Authorization: Bearer ${key}`,
    'Content-Type: application/json',
    bytes === undefined ? 'Transfer-Encoding: chunked' : `Content-Length: ${bytes}`,
  ];
  const body = bytes === undefined ? `${start.length.toString(16)}\r\n${start}\r\n` : start;
  await new Promise(resolve => socket.write(`${headers.join('\r\n')}\r\n\r\n${body}`, resolve));
  return socket;
};

const importEmpty = (server: TestServer, key: string) =>
  server.request('POST', '/api/v1/import?dryRun=true', {
    key,
    body: { formatVersion: 1, environments: [] },
  });

/** Returns the status of an import that is not valid JSON, which depends on whether there is room for it. */
const statusOfLarge = async (url: string, key: string, mib = 40): Promise<number> => {
  const start = `[${' '.repeat(mib * MIB)}`;
  const socket = await beginImport(url, { key, start, bytes: start.length });
  const response = new Promise<string>(resolve =>
    socket.once('data', data => resolve(String(data))),
  );
  const status = Number((await response).split(' ', 2)[1]);
  socket.destroy();
  return status;
};

describe('imports in progress', () => {
  it('take only the memory that has arrived, so beginning some keeps out no other', async () => {
    await using server = await startServer();
    const url = await server.listen();
    const key = await server.keyOf('admin');
    const slow = await Promise.all([
      ...Array.from({ length: 5 }, () => beginImport(url, { key, start: '{' })),
      ...Array.from({ length: 5 }, () => beginImport(url, { key, start: '{', bytes: 60 * MIB })),
    ]);
    expect((await importEmpty(server, ADMIN_KEY)).status).toBe(200);
    expect((await importEmpty(server, key)).status).toBe(200);
    for (const socket of slow) socket.destroy();
  });

  it('of keys of one environment take half of the memory at most', async () => {
    await using server = await startServer();
    const url = await server.listen();
    const key = await server.keyOf('admin');
    const start = ' '.repeat(33 * MIB);
    const held = await beginImport(url, { key, start, bytes: 60 * MIB });
    await expect.poll(() => statusOfLarge(url, key)).toBe(429);
    expect((await importEmpty(server, ADMIN_KEY)).status).toBe(200);
    held.destroy();
    await expect.poll(async () => (await importEmpty(server, key)).status).toBe(200);
  });

  it('of unknown length take little more memory than what has arrived', async () => {
    await using server = await startServer();
    const url = await server.listen();
    const key = await server.keyOf('admin');
    const start = ' '.repeat(20 * MIB);
    const held = await Promise.all([1, 2].map(() => beginImport(url, { key, start })));
    expect(await statusOfLarge(url, key, 20)).toBe(400);
    for (const socket of held) socket.destroy();
  });

  it('are let go if they hardly arrive', async () => {
    const clock = createFakeClock();
    await using server = await startServer({ clock });
    const url = await server.listen();
    const socket = await beginImport(url, { key: ADMIN_KEY, start: '{' });
    const response = text(socket);
    await expect
      .poll(async () => {
        clock.advance(10_000);
        return socket.readyState;
      })
      .not.toBe('open');
    expect(await response).toMatch(/^HTTP\/1\.1 408 [^]*"TIMEOUT"[^]*131072 bytes[^]*30 s/);
  });
});
