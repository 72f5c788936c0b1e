import { afterEach, describe, expect, it } from 'vitest';

import { startServer, type TestServer } from './support/server.ts';
import { openSse, type Sse } from './support/sse.ts';

const opened: Sse[] = [];
afterEach(() => {
  for (const stream of opened.splice(0)) stream.close();
});

/** Opens a stream of values and returns it if the server accepts it. */
const follow = async (
  url: string,
  key: string,
  { from = '192.0.2.1', context = {} }: { from?: string; context?: object } = {},
): Promise<Sse> => {
  const stream = await openSse(`${url}/api/v1/evaluations/stream`, {
    key,
    body: { context },
    headers: { 'x-forwarded-for': from },
  });
  opened.push(stream);
  return stream;
};

const statusesOf = async (streams: readonly Promise<Sse>[]): Promise<number[]> =>
  (await Promise.all(streams)).map(({ response }) => response.status);

const start = async (limits: Parameters<typeof startServer>[0] = {}) => {
  const server = await startServer({
    ...limits,
    limits: { streams: 20, trustedProxies: 1, ...limits.limits },
  });
  return { server, url: await server.listen() };
};

/** Opens streams of a key, each from another address, and returns how many are accepted. */
const acceptedOf = async (url: string, key: string, count: number): Promise<number> => {
  let accepted = 0;
  for (let i = 0; i < count; i += 1) {
    const { response } = await follow(url, key, { from: `198.51.100.${i}` });
    accepted += response.status === 200 ? 1 : 0;
  }
  return accepted;
};

const closing = (server: TestServer) => ({ [Symbol.asyncDispose]: () => server.close() });

describe('the streams of a server', () => {
  it('are for one visitor a quarter of all, over all client keys and IPv6 addresses', async () => {
    const { server, url } = await start();
    await using _ = closing(server);
    const keys = [await server.keyOf('client'), await server.keyOf('client', 'development')];
    const from = (i: number) => ({ from: `2001:db8::${i}` });
    const statuses = [];
    for (let i = 0; i < 6; i += 1)
      statuses.push((await follow(url, keys[i % 2] ?? '', from(i))).response.status);
    expect(statuses).toEqual([200, 200, 200, 200, 200, 503]);
    const refused = await follow(url, keys[0] ?? '', from(1));
    expect(refused.response.headers.get('retry-after')).toBe('5');
    expect(await statusesOf([follow(url, keys[0] ?? '', { from: '2001:db8:1::' })])).toEqual([200]);
  });

  it('are for one address as many as PENNON_MAX_STREAMS_PER_ADDRESS allows', async () => {
    const { server, url } = await start({ limits: { streamsPerAddress: 1 } });
    await using _ = closing(server);
    const key = await server.keyOf('client');
    expect((await follow(url, key)).response.status).toBe(200);
    expect((await follow(url, key)).response.status).toBe(503);
  });

  it('are for one client key half of all, and for all of them three quarters', async () => {
    const { server, url } = await start();
    await using _ = closing(server);
    expect(await acceptedOf(url, await server.keyOf('client'), 15)).toBe(10);
    expect(await acceptedOf(url, await server.keyOf('client', 'development'), 15)).toBe(5);
    const key = await server.keyOf('server');
    expect(await acceptedOf(url, key, 5)).toBe(5);
  });

  it('are for server keys first: the newest of a client key makes room', async () => {
    const { server, url } = await start({ limits: { streams: 4 } });
    await using _ = closing(server);
    const client = await server.keyOf('client');
    const [older, newer] = [await follow(url, client), await follow(url, client, { from: 'x' })];
    const key = await server.keyOf('server');
    for (const stream of [older, newer]) await stream.next();
    expect(await acceptedOf(url, key, 3)).toBe(3);
    expect(await newer.next()).toBeUndefined();
    expect(await acceptedOf(url, key, 2)).toBe(1);
    expect(await older.next()).toBeUndefined();
  });

  it('are free again once they end', async () => {
    const { server, url } = await start({ limits: { streamsPerAddress: 1 } });
    await using _ = closing(server);
    const key = await server.keyOf('client');
    const stream = await follow(url, key);
    await stream.next();
    stream.close();
    // The server notices the end of that connection a moment later.
    let status = 503;
    while (status === 503) ({ status } = (await follow(url, key)).response);
    expect(status).toBe(200);
  });
});

describe('the context of a stream', () => {
  const contextOf = (bytes: number) => ({ text: 'x'.repeat(bytes - '{"text":""}'.length) });

  it('is refused above 64 KiB', async () => {
    const { server, url } = await start();
    await using _ = closing(server);
    const key = await server.keyOf('client');
    const largest = await follow(url, key, { context: contextOf(65_536) });
    expect(largest.response.status).toBe(200);
    const body = { context: contextOf(65_537) };
    const { status, body: refused } = await server.api('POST', '/evaluations/stream', { body });
    expect([status, refused]).toEqual([
      413,
      {
        error: {
          code: 'PAYLOAD_TOO_LARGE',
          message:
            'the context of a stream must be at most 65536 bytes of JSON; this one has 65537',
        },
      },
    ]);
  });

  it('counts with the contexts of other streams, of which a visitor may have 16 MiB', async () => {
    const { server, url } = await start({ limits: { streams: 2_000 } });
    await using _ = closing(server);
    const key = await server.keyOf('client');
    const context = contextOf(65_536);
    const open = () => follow(url, key, { context });
    expect(new Set(await statusesOf(Array.from({ length: 255 }, open)))).toEqual(new Set([200]));
    expect((await open()).response.status).toBe(503);
    expect((await follow(url, key, { from: '192.0.2.2', context })).response.status).toBe(200);
  });

  it('counts as much as it takes in memory, where many small values take most', async () => {
    const { server, url } = await start({ limits: { streams: 2_000 } });
    await using _ = closing(server);
    const key = await server.keyOf('client');
    // 60 KB of JSON, and almost 2 MB with 96 bytes for each value.
    const context = { list: Array.from({ length: 19_999 }, () => ({})) };
    const statuses = [];
    for (let i = 0; i < 9; i += 1)
      statuses.push((await follow(url, key, { context })).response.status);
    expect(statuses).toEqual([200, 200, 200, 200, 200, 200, 200, 200, 503]);
  });
});
