import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';

import { describe, expect, it } from 'vitest';

import { openStartupServer } from '../src/http/startup-server.ts';
import { createFakeClock } from './support/fake-clock.ts';
import { freePort } from './support/free-ports.ts';
import { ADMIN_KEY, startServer } from './support/server.ts';

const HOST = '127.0.0.1';
const OTHER = '127.0.0.2';
/** Reserved for documentation, so it is not an address of any machine. */
const ABSENT = '192.0.2.1';

const open = async (host: string, url: string): Promise<Socket> => {
  const socket = connect({ host, port: Number(new URL(url).port) });
  await once(socket, 'connect');
  return socket;
};

/** Sends bytes, and resolves to everything received until the server closes the connection. */
const send = async (socket: Socket, bytes: string): Promise<string> => {
  socket.on('error', () => undefined);
  socket.write(bytes);
  return String(await buffer(socket));
};

const HEALTH = 'GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
const LARGE = 'GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n';

describe('a server with several addresses', () => {
  it('serves all of them on one port', async () => {
    await using server = await startServer();
    const url = await server.listen({ otherHosts: [OTHER] });
    expect(await send(await open(HOST, url), HEALTH)).toMatch(/^HTTP\/1.1 200 /);
    expect(await send(await open(OTHER, url), HEALTH)).toMatch(/^HTTP\/1.1 200 /);
    const urls = [...server.logs().matchAll(/listening at ([^"]+)/g)].map(([, each]) => each);
    expect(urls).toEqual([url, url.replace(HOST, OTHER)]);
  });

  it('counts the connections to all of them together', async () => {
    await using server = await startServer({ limits: { connections: 1 } });
    const url = await server.listen({ otherHosts: [OTHER] });
    const first = await open(OTHER, url);
    expect(await send(await open(HOST, url), '')).toMatch(/^HTTP\/1.1 503 /);
    expect(await send(await open(OTHER, url), '')).toMatch(/^HTTP\/1.1 503 /);
    expect(await send(first, HEALTH)).toMatch(/^HTTP\/1.1 200 /);
  });

  it('closes a connection to any of them whose peer reads nothing for 30 s', async () => {
    const clock = createFakeClock();
    await using server = await startServer({ clock });
    const url = await server.listen({ otherHosts: [OTHER] });
    const { byteLength: length } = await (
      await fetch(`${url}/docs/swagger-ui-bundle.js`)
    ).arrayBuffer();
    const unread = await open(OTHER, url);
    unread.pause().write(LARGE.repeat(40));
    // More than enough turns of the event loop for the server to fill the connection.
    for (let i = 0; i < 20; i += 1) await fetch(`${url}/healthz`);
    for (let i = 0; i < 8; i += 1) clock.advance(5_000);
    const received = await buffer(unread).catch(() => Buffer.alloc(0));
    expect(received.length).toBeLessThan(40 * length);
  });

  it.each([0, 1])(
    'stops listening on all of them, and waits for their requests: grace period of %i ms',
    async graceMs => {
      const server = await startServer();
      const url = await server.listen({ otherHosts: [OTHER] });
      const idle = await open(OTHER, url);
      expect(idle.write(HEALTH.replace('Connection: close\r\n', ''))).toBe(true);
      await once(idle, 'data');
      const busy = await open(OTHER, url);
      const body = JSON.stringify({ flagKey: 'ghost', context: {} });
      busy.write(
        `POST /api/v1/evaluate?environment=production HTTP/1.1\r\nHost: x\r\n` +
          `Authorization: Bearer ${ADMIN_KEY}\r\nContent-Type: application/json\r\n` +
          `Content-Length: ${body.length}\r\n\r\n${body.slice(0, 2)}`,
      );
      // A response on another connection shows that the server has read the headers sent before it.
      await send(await open(OTHER, url), HEALTH);
      let isClosed = false;
      const closed = server.close(graceMs).then(() => (isClosed = true));
      await once(idle.resume(), 'close');
      await expect(open(OTHER, url)).rejects.toThrow('ECONNREFUSED');
      await expect(open(HOST, url)).rejects.toThrow('ECONNREFUSED');
      expect(isClosed).toBe(false);
      expect(await send(busy, body.slice(2))).toMatch(/there is no flag \\"ghost\\"/);
      await closed;
    },
  );

  it('leaves out another that is not available, with a warning', async () => {
    const port = await freePort();
    const taken = createServer().listen(port, OTHER);
    await once(taken, 'listening');
    await using server = await startServer();
    const url = await server.listen({ otherHosts: [OTHER, ABSENT], port });
    expect(url).toBe(`http://${HOST}:${port}`);
    expect(await send(await open(HOST, url), HEALTH)).toMatch(/^HTTP\/1.1 200 /);
    expect(server.logs()).toMatch(/EADDRINUSE[^\n]+not listening on 127\.0\.0\.2"/);
    expect(server.logs()).toMatch(/EADDRNOTAVAIL[^\n]+not listening on 192\.0\.2\.1"/);
    taken.close();
  });

  it('does not start if the first is not available', async () => {
    await using server = await startServer();
    const listening = server.listen({ host: ABSENT, otherHosts: [OTHER] });
    await expect(listening).rejects.toThrow('EADDRNOTAVAIL');
  });

  it('has all of them while it waits for its store, and frees them', async () => {
    const address = { host: HOST, otherHosts: [OTHER], port: 0, basePath: '' };
    const waiting = await openStartupServer(address);
    const url = `http://${HOST}:${waiting.port}`;
    expect(await send(await open(HOST, url), HEALTH)).toMatch(/^HTTP\/1.1 200 /);
    const silent = await open(OTHER, url);
    expect(await send(await open(OTHER, url), HEALTH)).toMatch(/^HTTP\/1.1 200 /);
    await waiting.close();
    await expect(open(OTHER, url)).rejects.toThrow('ECONNREFUSED');
    await once(silent.resume(), 'close');
  });
});
