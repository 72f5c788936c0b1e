import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import zlib from 'node:zlib';

import { afterEach, describe, expect, it } from 'vitest';

import { eventually, until } from '../../../packages/sync/test/support/patience.ts';
import { startServer } from '../../../server/test/support/server.ts';
import { startForwardProxy } from './support/forward-proxy.ts';
import { openReal } from './support/open.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0)) await clean();
});

type Requested = { readonly url: string; readonly headers: IncomingHttpHeaders };

const listen = async (respond: Parameters<typeof createServer>[1]): Promise<string> => {
  const server = createServer(respond);
  await new Promise<void>(resolve => {
    server.listen(0, '127.0.0.1', resolve);
  });
  cleanups.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return `http://127.0.0.1:${port}`;
};

const FLAG = {
  key: 'live',
  type: 'boolean',
  enabled: true,
  variants: { on: true, off: false },
  defaultVariant: 'on',
};
const FLAG_SET = Buffer.from(
  JSON.stringify({
    formatVersion: 1,
    environment: 'production',
    id: 'epoch.1.nonce',
    revision: 1,
    flags: { live: FLAG },
    segments: {},
  }),
);

/** Serves a body with a coding to polls, and no stream. */
const serving = async (coding: string, body: Buffer) => {
  const requested: Requested[] = [];
  const url = await listen(({ url: path = '', headers }, response) => {
    requested.push({ url: path, headers });
    if (path.endsWith('/stream')) response.writeHead(503).end();
    else response.writeHead(200, { 'content-encoding': coding }).end(body);
  });
  return { url, requested };
};

const direct = async () => ({});
const throughProxy = async () => {
  const proxy = await startForwardProxy();
  cleanups.push(proxy.close);
  return { proxy: `http://127.0.0.1:${proxy.port}` };
};
const WAYS = [
  ['directly', direct],
  ['through a proxy', throughProxy],
] as const;

describe.each(WAYS)('a provider that is connected %s', (_, connect) => {
  it('requests compressed flag sets, and streams as they are', async () => {
    await using server = await startServer();
    for (let index = 0; index < 30; index += 1)
      await server.api('POST', '/flags', { body: { key: `flag-${index}`, enabled: true } });
    const target = new URL(await server.listen());
    const seen: (readonly [
      path: string,
      sent: string | undefined,
      received: string | undefined,
    ])[] = [];
    const { request } = await import('node:http');
    const url = await listen((incoming, outgoing) => {
      const { method = 'GET', url: path = '', headers } = incoming;
      const options = { port: target.port, host: target.hostname, method, path, headers };
      const forwarded = request(options, response => {
        const coding = response.headers['content-encoding'];
        seen.push([path.replace(/^.*v1/, ''), String(headers['accept-encoding']), coding]);
        outgoing.writeHead(response.statusCode ?? 500, response.headers);
        response.pipe(outgoing);
      });
      outgoing.once('close', () => forwarded.destroy());
      forwarded.once('error', () => outgoing.destroy());
      incoming.pipe(forwarded);
    });
    const { client, provider, started } = openReal({
      url,
      key: await server.keyOf('server'),
      ...(await connect()),
    });
    expect(await started).toBe('ok');
    expect(await client.getBooleanValue('flag-29', false)).toBe(true);
    await until(() => provider.freshness().mode === 'streaming');
    expect(seen).toEqual([
      ['/flag-set', 'br, gzip', 'br'],
      ['/flag-set/stream', 'identity', undefined],
    ]);
    await server.api('PATCH', '/flags/flag-29', { body: { enabled: false } });
    await until(async () => !(await client.getBooleanValue('flag-29', false)));
  });

  it.each([
    ['gzip', zlib.gzipSync(FLAG_SET)],
    ['br', zlib.brotliCompressSync(FLAG_SET)],
    ['identity', FLAG_SET],
  ])('reads a flag set in %s', async (coding, body) => {
    const { url } = await serving(coding, body);
    const { client, started } = openReal({ url, key: 'k', ...(await connect()) });
    expect(await started).toBe('ok');
    expect(await client.getBooleanValue('live', false)).toBe(true);
  });

  it.each([
    ['is damaged', 'gzip', Buffer.concat([zlib.gzipSync(FLAG_SET).subarray(0, 30), FLAG_SET])],
    ['is cut off', 'gzip', zlib.gzipSync(FLAG_SET).subarray(0, -20)],
    ['is cut off in br', 'br', zlib.brotliCompressSync(FLAG_SET).subarray(0, -20)],
    ['is not compressed', 'gzip', FLAG_SET],
  ])('does not start with a body that %s', async (_name, coding, body) => {
    const { url, requested } = await serving(coding, body);
    const options = { url, key: 'k', initTimeoutMs: 300, ...(await connect()) };
    const { client, started } = openReal(options);
    expect(await started).not.toBe('ok');
    expect(await client.getBooleanValue('live', false)).toBe(false);
    await until(() => requested.length > 0);
  });
});

it('reports a coding that it did not request', async () => {
  const { url } = await serving('compress', FLAG_SET);
  const { provider } = openReal({ url, key: 'k', stream: false, initTimeoutMs: 300 });
  const reported = 'the response has the coding "compress", which was not requested';
  await eventually(() => expect(provider.freshness().lastError?.message).toContain(reported));
});
