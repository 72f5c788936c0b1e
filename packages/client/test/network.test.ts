import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request as sendRequest } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';

import { startForwardProxy } from '../../../providers/server/test/support/forward-proxy.ts';
import type { TestServer } from '../../../server/test/support/server.ts';
import { ADMIN_KEY, startServer } from '../../../server/test/support/server.ts';
import { createApiClient } from '../src/index.ts';
import type { ApiClient } from '../src/index.ts';

let server: TestServer;
let url: string;
beforeAll(async () => {
  server = await startServer();
  url = await server.listen();
});
afterAll(() => server.close());

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const clean of cleanups.splice(0)) clean();
});

type Serve = (request: IncomingMessage, response: ServerResponse) => void;

/** Starts a server, and returns its address. */
const listen = async (serve: Serve): Promise<string> => {
  const gateway = createServer(serve);
  await new Promise<void>(resolve => void gateway.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => {
    gateway.close();
    gateway.closeAllConnections();
  });
  return `http://127.0.0.1:${(gateway.address() as AddressInfo).port}`;
};

/** Passes a request on to the real server. */
const forward = (path: string, request: IncomingMessage, response: ServerResponse): void => {
  const { method, headers } = request;
  const forwarded = sendRequest(new URL(path, url), { method, headers }, from => {
    response.writeHead(from.statusCode ?? 502, from.headers).flushHeaders();
    from.pipe(response);
  });
  response.on('close', () => forwarded.destroy());
  request.pipe(forwarded);
};

/** A gateway whose server has moved to the path /new. */
const movedWithin = (status: number) =>
  listen((request, response) => {
    const { url: path = '' } = request;
    if (path.startsWith('/new')) return forward(path.slice('/new'.length), request, response);
    return response.writeHead(status, { location: `/new${path}` }).end();
  });

/** A gateway whose server has moved to another origin. */
const movedTo = (target: string) =>
  listen((request, response) => {
    response.writeHead(308, { location: `${target}/new${request.url}` }).end();
  });

const production = { environment: 'production' };
const messageOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.catch((error: unknown) => (error instanceof Error ? error.message : error));

/** Resolves to the first event of a watch, or to the message of the error because of which it has not connected. */
const firstEvent = (api: ApiClient): Promise<unknown> =>
  messageOf(
    new Promise((resolve, reject) => {
      const watch = api.flags.watch.subscribe(production, {
        onData({ data }) {
          watch.unsubscribe();
          resolve(data.event);
        },
        onError: reject,
        onConnectionStateChange({ error }) {
          if (error === null) return;
          watch.unsubscribe();
          reject(error);
        },
      });
    }),
  );

describe('a redirect', () => {
  it.each([301, 302, 303, 307, 308])(
    'with status %i within the origin is followed by queries, mutations and watches',
    async status => {
      const api = createApiClient({ url: await movedWithin(status), key: ADMIN_KEY });
      const key = `moved-${status}`;
      await api.flags.create.mutate({ ...production, key, enabled: true });
      expect((await api.flags.get.query({ ...production, key })).key).toBe(key);
      expect(await firstEvent(api)).toBe('set');
    },
  );

  it('to another origin is an error with both addresses, and the key is not sent there', async () => {
    const received: string[] = [];
    const other = await listen((request, response) => {
      received.push(JSON.stringify(request.headers));
      response.end();
    });
    const target = other.replace('//', '//ada:s3cret@');
    const moved = await movedTo(target);
    const api = createApiClient({ url: moved, key: ADMIN_KEY });
    const error = (route: string) =>
      `${moved}/trpc/${route} redirects to ${other}/new/trpc/${route}: set "url" to "${other}/new"`;
    const key = 'moved';
    expect(await messageOf(api.flags.get.query({ ...production, key }))).toBe(error('flags.get'));
    const create = api.flags.create.mutate({ ...production, key, enabled: true });
    expect(await messageOf(create)).toBe(error('flags.create'));
    expect(await firstEvent(api)).toBe(error('flags.watch'));
    expect(received).toEqual([]);
  });
});

describe.each<[status: number, body: string]>([
  [200, '<html>'],
  [300, ''],
  [401, 'proxy'],
  [403, '{"message":"Forbidden"}'],
  [404, '{"error":"no such route"}'],
  [502, '[]x'],
])('a gateway that responds with %i and the body %s', (status, body) => {
  it('is named by the errors of queries, mutations and watches', async () => {
    const gateway = await listen((_, response) => response.writeHead(status).end(body));
    const api = createApiClient({ url: gateway, key: ADMIN_KEY });
    const error = `the server replied with status ${status}, but not as a Pennon server does: check "url", and the proxies and gateways in front of the server`;
    expect(await messageOf(api.environments.list.query({}))).toBe(error);
    const create = api.flags.create.mutate({ ...production, key: 'a', enabled: true });
    expect(await messageOf(create)).toBe(error);
    expect(await firstEvent(api)).toBe(error);
  });
});

type Example = { readonly connect: (url: string, key: string) => ApiClient };

/** Imports the example in docs/network.md, with the sources of this package. */
const importExample = async (): Promise<Example> => {
  const page = readFileSync(new URL('../../../docs/network.md', import.meta.url), 'utf8');
  const [, text = ''] = /```js\n(.*?)```/s.exec(page) ?? [];
  const file = new URL(`../node_modules/.network-${process.pid}.mjs`, import.meta.url);
  const source = new URL('../src/index.ts', import.meta.url).href;
  writeFileSync(file, text.replace('@pennon/client', source));
  try {
    return await import(file.href);
  } finally {
    rmSync(file);
  }
};

it('a client uses the proxy of the environment as the documentation shows', async () => {
  const proxy = await startForwardProxy();
  vi.stubEnv('http_proxy', `http://127.0.0.1:${proxy.port}`);
  vi.stubEnv('no_proxy', '');
  cleanups.push(proxy.close, () => vi.unstubAllEnvs());
  const { connect } = await importExample();
  const api = connect(url, ADMIN_KEY);
  expect((await api.environments.list.query({})).items).not.toHaveLength(0);
  expect(await firstEvent(api)).toBe('set');
  expect(new Set(proxy.received)).toEqual(new Set([`CONNECT ${new URL(url).host} undefined`]));
});
