import { once } from 'node:events';
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { buffer } from 'node:stream/consumers';

import { describe, expect, it } from 'vitest';

import { readConfig } from '../src/config.ts';
import { createFakeClock } from './support/fake-clock.ts';
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

const open = async (url: string, localAddress?: string): Promise<Socket> => {
  const { hostname, port } = new URL(url);
  const socket = connect({
    port: Number(port),
    host: hostname,
    allowHalfOpen: true,
    ...(localAddress === undefined ? {} : { localAddress }),
  });
  socket.on('error', () => undefined);
  // Closes once the server has, but not while the test does not read.
  socket.on('end', () => socket.end());
  await once(socket, 'connect');
  return socket;
};

const HEALTH = 'GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';

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

  it('is closed above the limit even if its peer neither reads nor closes', async () => {
    await using server = await startServer({ limits: { connections: 2 } });
    const url = await server.listen();
    const first = await open(url);
    const second = await open(url);
    const silent = await Promise.all(Array.from({ length: 20 }, () => open(url)));
    // Connections are accepted in order, so all of these have been.
    expect(await send(await open(url), '')).toMatch(/^HTTP\/1.1 503 /);
    await send(second, HEALTH);
    // The server notices the end of that connection a moment later.
    while (!(await send(await open(url), HEALTH)).startsWith('HTTP/1.1 200 '));
    for (const socket of [...silent, first]) socket.destroy();
  });

  it('is closed if its address has too many, while other addresses are served', async () => {
    await using server = await startServer({ limits: { connectionsPerAddress: 1 } });
    const url = await server.listen();
    const first = await open(url);
    expect(await send(await open(url), '')).toMatch(/^HTTP\/1.1 503 .*this address has 1 /s);
    expect(await send(await open(url, '127.0.0.2'), HEALTH)).toMatch(/^HTTP\/1.1 200 /);
    first.destroy();
  });

  it('has no limit by address behind a proxy, which has one address', () => {
    const perAddress = (env: Record<string, string>) =>
      readConfig(env).limits.connectionsPerAddress;
    expect(perAddress({})).toBe(7_500);
    expect(perAddress({ PENNON_TRUST_PROXY: '1' })).toBe(Number.POSITIVE_INFINITY);
    expect(perAddress({ PENNON_TRUST_PROXY: '1', PENNON_MAX_CONNECTIONS_PER_ADDRESS: '50' })).toBe(
      50,
    );
  });
});

const LARGE = '/docs/swagger-ui-bundle.js';
const request = (path: string, more = '') => `GET ${path} HTTP/1.1\r\nHost: x\r\n${more}\r\n`;

/** Sends requests and reads nothing until the server has stopped to write. */
const openUnread = async (url: string, requests: string): Promise<Socket> => {
  const socket = await open(url);
  socket.pause();
  socket.write(requests);
  // More than enough turns of the event loop for the server to handle all requests, if it did.
  for (let i = 0; i < 20; i += 1) await fetch(`${url}/healthz`);
  return socket;
};

describe('a connection with pipelined requests', () => {
  const handled = (logs: string) => logs.split(LARGE).length - 1;

  it('has them handled one after the other, as fast as its peer reads', async () => {
    await using server = await startServer();
    const url = await server.listen();
    const { byteLength: length } = await (await fetch(url + LARGE)).arrayBuffer();
    const before = handled(server.logs());
    const requests = request(LARGE).repeat(39) + request(LARGE, 'Connection: close\r\n');
    const socket = await openUnread(url, requests);
    expect(handled(server.logs()) - before).toBeLessThan(15);
    const received = await buffer(socket);
    expect(received.length).toBeGreaterThan(40 * length);
    expect(received.length).toBeLessThan(40 * (length + 1_000));
  });

  const evaluation = (flagKey: string, more = '') => {
    const body = JSON.stringify({ flagKey, context: {} });
    return (
      `POST /api/v1/evaluate?environment=production HTTP/1.1\r\nHost: x\r\n${more}` +
      `Authorization: Bearer ${ADMIN_KEY}\r\nContent-Type: application/json\r\n` +
      `Content-Length: ${body.length}\r\n\r\n${body}`
    );
  };

  it('has its evaluations served in order', async () => {
    await using server = await startServer();
    const names = Array.from({ length: 50 }, (_, at) => `ghost-${at}`);
    const requests = names.map(name => evaluation(name)).join('');
    const socket = await open(await server.listen());
    const received = await send(socket, requests + evaluation('last', 'Connection: close\r\n'));
    const flags = [...received.matchAll(/there is no flag \\"([\w-]+)\\"/g)].map(
      ([, name]) => name,
    );
    expect(flags).toEqual([...names, 'last']);
  });

  it('has its evaluations served as fast as its peer reads', async () => {
    await using server = await startServer();
    const long = 'x'.repeat(60_000);
    const variants = { long, none: '' };
    const flag = { key: 'long', type: 'string', enabled: true, variants, defaultVariant: 'long' };
    expect((await server.api('POST', '/flags', { body: flag })).text).toContain('long');
    const requests = evaluation('long').repeat(98) + evaluation('ghost', 'Connection: close\r\n');
    const socket = await openUnread(await server.listen(), requests);
    expect(server.logs().split('"/api/v1/evaluate"').length - 1).toBeLessThan(98);
    const received = String(await buffer(socket));
    expect(received.split(`"value":"${long}"`)).toHaveLength(99);
    expect(received).toMatch(/there is no flag \\"ghost\\"[^\n]*$/);
  });

  it('is closed if too many wait', async () => {
    await using server = await startServer();
    const received = await send(await open(await server.listen()), request('/healthz').repeat(500));
    expect(received.split('HTTP/1.1 200').length - 1).toBeLessThan(101);
  });
});

it('a connection whose peer reads nothing of a response for 30 s is closed, and others are kept', async () => {
  const clock = createFakeClock();
  await using server = await startServer({ clock });
  const url = await server.listen();
  const { byteLength: length } = await (await fetch(url + LARGE)).arrayBuffer();
  const unread = await openUnread(url, request(LARGE).repeat(40));
  const idle = await open(url);
  for (let i = 0; i < 8; i += 1) clock.advance(5_000);
  const received = await buffer(unread).catch(() => Buffer.alloc(0));
  expect(received.length).toBeLessThan(40 * length);
  expect(await send(idle, HEALTH)).toMatch(/^HTTP\/1.1 200 /);
});

describe('connections without a key', () => {
  const KEYED = `GET /api/v1/environments HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${ADMIN_KEY}\r\n\r\n`;

  it('are closed, oldest first, if there are more than 500 for 250 ms; those with a key are kept', async () => {
    const clock = createFakeClock();
    await using server = await startServer({ clock });
    const url = await server.listen();
    const keyed = await open(url);
    keyed.write(KEYED);
    await once(keyed, 'data');
    const strangers: Socket[] = [];
    for (let i = 0; i < 501; i += 1) strangers.push(await open(url));
    const [oldest, second] = strangers;
    if (oldest === undefined || second === undefined) throw new Error('no connection is open');
    // Connections are accepted in order, so all of them have been.
    strangers.at(-1)?.write(request('/healthz'));
    await once(strangers.at(-1) ?? keyed, 'data');
    clock.advance(250);
    await once(oldest.resume(), 'close');
    expect(await send(second, HEALTH)).toMatch(/^HTTP\/1.1 200 /);
    keyed.write(KEYED.replace('\r\n', '\r\nConnection: close\r\n'));
    expect(String(await buffer(keyed))).toMatch(/^HTTP\/1.1 200 /);
    for (const socket of strangers) socket.destroy();
  });

  it('have 1,000 requests together that wait for another; a further connection is closed', async () => {
    await using server = await startServer();
    const url = await server.listen();
    const waiting = await Promise.all(
      Array.from({ length: 11 }, () => openUnread(url, request(LARGE).repeat(100))),
    );
    const further = await send(
      await open(url),
      request(LARGE) +
        request('/healthz').repeat(98) +
        request('/healthz', 'Connection: close\r\n'),
    );
    expect(further.split('{"status":"ok"}').length - 1).toBeLessThan(99);
    for (const socket of waiting) socket.destroy();
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

  it.each([
    ['/api/v1/evaluate', { flagKey: 'f', context: {} }],
    ['/api/v1/evaluations', { context: {} }],
  ])('evaluates nothing: %s', async (path, body) => {
    const { response } = await sendSlowly(path, 'client', body);
    expect(response).toMatch(/^HTTP\/1.1 401 /);
  });

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
