import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import type { FlagServer } from '../../../packages/sync/test/support/flag-server.ts';
import { startFlagServer } from '../../../packages/sync/test/support/flag-server.ts';
import type { Proxy } from '../../../packages/sync/test/support/proxy.ts';
import { startProxy } from '../../../packages/sync/test/support/proxy.ts';
import { startBrowser } from './support/browser.ts';
import type { Pages } from './support/pages.ts';
import { servePages } from './support/pages.ts';

let browser: Browser;
let server: FlagServer;
let key: string;
let proxy: Proxy;
let pages: Pages;
let page: Page;

beforeAll(async () => {
  [browser, server] = await Promise.all([startBrowser(), startFlagServer()]);
  key = (await server.createKey('client')).secret;
});
afterAll(async () => {
  await browser.close();
  await server.close();
});

beforeEach(async () => {
  await server.putFlag('greeting', greeting('Hello'));
  proxy = await startProxy(server.url());
  pages = await servePages('plain.ts', '<p></p>', proxy.url);
  page = await browser.newPage();
  await page.goto(pages.origin);
});
afterEach(async () => {
  await page.close();
  await pages.close();
  await proxy.close();
});

const greeting = (text: string) => ({
  type: 'string',
  variants: { all: text },
  defaultVariant: 'all',
  clientVisible: true,
});

const PATIENCE = { timeout: 15_000 };
const overview = async () =>
  (await page.evaluate(() => pennon.overview('greeting'))).toSorted((a, b) => a.localeCompare(b));

/** Returns the status of a request of the page that has nothing to do with flags, or "queued". */
const otherRequest = (): Promise<string> =>
  page.evaluate(
    url =>
      fetch(url, { mode: 'no-cors', signal: AbortSignal.timeout(5_000) }).then(
        () => 'answered',
        () => 'queued',
      ),
    `${proxy.url}/healthz`,
  );

/** Returns what the overview contains with two streams, and polls for the rest. */
const twoStreams = (count: number, value: string) => [
  ...Array.from({ length: count - 2 }, () => `READY polling ${value}`),
  ...Array.from({ length: 2 }, () => `READY streaming ${value}`),
];

describe.each([6, 10])('a page with %i providers over HTTP/1.1', count => {
  it('has values and changes in all, and connections left for other requests', async () => {
    const domains = Array.from({ length: count }, (_, index) => `domain-${index}`);
    await page.evaluate(([options, all]) => pennon.startAll(options, [...all]), [
      { url: proxy.url, key, pollIntervalMs: 1_000 },
      domains,
    ] as const);
    await expect.poll(overview, PATIENCE).toEqual(twoStreams(count, 'Hello'));
    expect(await otherRequest()).toBe('answered');
    await server.putFlag('greeting', greeting('Welcome'));
    await expect.poll(overview, PATIENCE).toEqual(twoStreams(count, 'Welcome'));
    expect(await otherRequest()).toBe('answered');
  });
});
