import { createServer, request as sendRequest } from 'node:http';
import type { AddressInfo } from 'node:net';

import type { Page } from 'playwright-core';
import { afterEach, beforeEach, expect, it } from 'vitest';

import { startProxy } from '../../../packages/sync/test/support/proxy.ts';
import { TIMEOUT_MS } from './support/browser.ts';
import { servePages } from './support/pages.ts';
import { greeting, useBrowser, useFlagServer } from './support/visitor.ts';

const browser = useBrowser();
const flags = useFlagServer();
let page: Page;
const cleanups: (() => unknown)[] = [];

beforeEach(async () => {
  await flags.server.putFlag('greeting', greeting('Hello'));
  page = await browser().newPage();
  page.setDefaultTimeout(TIMEOUT_MS);
});
afterEach(async () => {
  await page.close();
  for (const clean of cleanups.splice(0)) await clean();
});

/** Serves a page, and redirects the API on the same origin to `location`. */
const serveOrigin = async (status: number, location: (path: string) => string, policy: string) => {
  const pages = await servePages('plain.ts', '<p data-flag="greeting"></p>', policy);
  const origin = createServer((request, response) => {
    const { url = '', method, headers } = request;
    if (url.startsWith('/api/')) {
      request.resume();
      return void response.writeHead(status, { location: location(url) }).end();
    }
    const isMoved = url.startsWith('/moved/');
    const target = isMoved ? flags.server.url() + url.slice('/moved'.length) : pages.origin + url;
    const { host: _, origin: __, ...forwarded } = headers;
    const upstream = sendRequest(target, { method, headers: forwarded }, from => {
      response.writeHead(from.statusCode ?? 502, from.headers);
      from.pipe(response);
    });
    upstream.on('error', () => response.destroy());
    response.on('close', () => upstream.destroy());
    request.pipe(upstream);
  });
  await new Promise<void>(resolve => void origin.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => pages.close());
  cleanups.push(() => {
    origin.close();
    origin.closeAllConnections();
  });
  return `http://127.0.0.1:${(origin.address() as AddressInfo).port}`;
};

const start = async (origin: string) => {
  await page.goto(origin);
  await page.evaluate(options => pennon.start(options, {}), { url: origin, key: flags.key });
};

const PATIENCE = { timeout: 90_000 };

it.each([301, 302, 303, 307, 308])(
  'a redirect with status %i on the same origin is followed, by polls and streams',
  async status => {
    const origin = await serveOrigin(status, path => `/moved${path}`, "'self'");
    await start(origin);
    await expect.poll(() => page.evaluate(() => pennon.valueOf('greeting'))).toBe('Hello');
    await expect.poll(() => page.evaluate(() => pennon.mode()), PATIENCE).toBe('streaming');
  },
);

it.each([301, 302, 303, 307, 308])(
  'a redirect with status %i to another origin is an error, and neither key nor context are sent',
  async status => {
    const other = await startProxy(flags.server.url());
    cleanups.push(() => other.close());
    const origin = await serveOrigin(status, path => other.url + path, `'self' ${other.url}`);
    await start(origin);
    expect(await page.evaluate(() => pennon.status())).toBe('ERROR');
    // The stream follows the poll at once, so the last error may be that of either.
    const error = async () =>
      (await page.evaluate(() => pennon.lastError()))?.replace('/stream', '');
    await expect.poll(error, PATIENCE).toContain(`${origin}/api/v1/evaluations redirects to `);
    expect(new Set(other.requests.map(({ method }) => method))).toEqual(new Set(['GET']));
    expect(other.transcript()).not.toContain(flags.key);
  },
);
