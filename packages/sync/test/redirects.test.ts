import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import { afterEach, describe, expect, it } from 'vitest';

import { steadyTime, until } from './support/patience.ts';
import { defaultRuntime, followValues } from '../src/index.ts';
import type { Follower, Values } from '../src/index.ts';

const VALUES = '{"revision":1,"evaluations":{}}';

/** The path to redirect to for the path of a request, or undefined to respond with values. */
type Redirect = (
  path: string,
) => { readonly status: number; readonly location?: string } | undefined;

const read = async (request: IncomingMessage): Promise<string> => {
  let body = '';
  for await (const chunk of request) body += String(chunk);
  return body;
};

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const clean of cleanups.splice(0)) clean();
});

const startServer = async (redirect: Redirect) => {
  const received: string[] = [];
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method = '', url = '', headers } = request;
    const body = await read(request);
    received.push([method, url, headers.authorization, body].join(' '));
    const { status, location } = redirect(url) ?? { status: 200 };
    response.writeHead(status, location === undefined ? {} : { location });
    response.end(status === 200 ? VALUES : 'Moved');
  };
  const server = createServer((request, response) => void serve(request, response));
  await new Promise<void>(resolve => void server.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, received };
};

const follow = (url: string): Follower<Values> => {
  const follower = followValues(
    { url, key: 'k', context: { plan: 'pro' }, stream: false },
    { ...defaultRuntime, ...steadyTime },
  );
  cleanups.push(() => follower.stop());
  return follower;
};

const errorOf = async (follower: Follower<Values>) => {
  await until(() => follower.status().lastError !== undefined);
  expect(follower.status().mode).toBe('disconnected');
  return follower.status().lastError;
};

const NO_TARGET =
  'redirects to an address that is missing, hidden or not HTTP: set "url" to the address of the Pennon server';

const REQUEST = 'POST /flags/api/v1/evaluations Bearer k {"context":{"plan":"pro"}}';

describe('a redirect', () => {
  it.each([301, 302, 303, 307, 308])(
    'with status %i within an origin is followed with method, body and key',
    async status => {
      const { url, received } = await startServer(path =>
        path.startsWith('/flags/') ? undefined : { status, location: `/flags${path}` },
      );
      const follower = follow(url);
      await until(() => follower.data() !== undefined);
      expect(received).toEqual([REQUEST.replace('/flags', ''), REQUEST]);
    },
  );

  it.each([301, 302, 303, 307, 308])(
    'with status %i to another origin is an error with both addresses, and nothing is sent there',
    async status => {
      const other = await startServer(() => undefined);
      const location = `${other.url.replace('//', '//ada:s3cret@')}/new/api/v1/evaluations?s3cret`;
      const { url } = await startServer(() => ({ status, location }));
      expect(await errorOf(follow(url))).toMatchObject({
        status,
        message: `${url}/api/v1/evaluations redirects to ${other.url}/new/api/v1/evaluations: set "url" to "${other.url}/new"`,
      });
      expect(other.received).toEqual([]);
    },
  );

  it('within the origin never sends or prints credentials in its target', async () => {
    const { url, received } = await startServer(path =>
      path.startsWith('/flags/')
        ? undefined
        : { status: 301, location: `${url.replace('//', '//ada:s3cret@')}/flags${path}` },
    );
    const follower = follow(url);
    await until(() => follower.data() !== undefined);
    expect(received[1]).toBe(REQUEST);
    expect(follower.status().lastError).toBeUndefined();
  });

  it('to a page that is not of Pennon is an error without a guess', async () => {
    const { url } = await startServer(() => ({ status: 302, location: 'https://sso.test/login' }));
    expect((await errorOf(follow(url)))?.message).toBe(
      `${url}/api/v1/evaluations redirects to https://sso.test/login: set "url" to the address of the Pennon server`,
    );
  });

  it('that never ends is reported with its own status', async () => {
    const { url } = await startServer(() => ({ status: 308, location: '?' }));
    expect(await errorOf(follow(url))).toMatchObject({
      status: 308,
      message: expect.stringContaining('redirects more than 5 times'),
    });
  });

  it('to another scheme is one to another origin', async () => {
    const { url } = await startServer(path => ({
      status: 308,
      location: `${url.replace('http:', 'https:')}${path}`,
    }));
    expect((await errorOf(follow(url)))?.message).toContain('set "url" to "https://127.0.0.1:');
  });

  it.each([
    ['without an address', {}, `/evaluations ${NO_TARGET}`],
    ['to a malformed address', { location: 'http://[' }, `/evaluations ${NO_TARGET}`],
    ['to a script', { location: 'javascript:alert(1)' }, `/evaluations ${NO_TARGET}`],
    ['to a file', { location: 'file:///etc/passwd' }, `/evaluations ${NO_TARGET}`],
    ['to itself', { location: '?' }, 'redirects more than 5 times: set "url" to the address'],
  ])('%s is an error', async (_, headers, message) => {
    const { url } = await startServer(() => ({ status: 301, ...headers }));
    expect((await errorOf(follow(url)))?.message).toContain(message);
  });
});
