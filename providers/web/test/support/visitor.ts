import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';

import type { FlagServer } from '../../../../packages/sync/test/support/flag-server.ts';
import { startFlagServer } from '../../../../packages/sync/test/support/flag-server.ts';
import type { Proxy } from '../../../../packages/sync/test/support/proxy.ts';
import { startProxy } from '../../../../packages/sync/test/support/proxy.ts';
import { startBrowser, TIMEOUT_MS } from './browser.ts';
import type { Pages } from './pages.ts';
import { servePages } from './pages.ts';

/** The property of each name that has been set, so that tests can read it in their functions. */
const required = <Value>(value: Value | undefined): Value => {
  if (value === undefined) throw new Error('the hooks have not run yet');
  return value;
};

/** The default is too short for a busy machine: the provider would be ready only after an error. */
export const INIT = { initTimeoutMs: TIMEOUT_MS } as const;

/** Starts a server for all tests of a file, and creates a client key. */
export const useFlagServer = () => {
  let server: FlagServer | undefined;
  let key = '';
  beforeAll(async () => {
    server = await startFlagServer();
    key = (await server.createKey('client')).secret;
  });
  afterAll(() => server?.close());
  return {
    get server() {
      return required(server);
    },
    get key() {
      return key;
    },
  };
};

/** Starts a proxy to the server for each test. */
export const useProxy = (flags: { readonly server: FlagServer }) => {
  let proxy: Proxy | undefined;
  beforeEach(async () => {
    proxy = await startProxy(flags.server.url());
  });
  afterEach(() => proxy?.close());
  return () => required(proxy);
};

/** Starts a browser for all tests of a file. */
export const useBrowser = () => {
  let browser: Browser | undefined;
  beforeAll(async () => {
    browser = await startBrowser();
  });
  afterAll(() => browser?.close());
  return () => required(browser);
};

/** One visitor for each test: a new browser profile, and a page on an origin of its own. */
export const useVisitor = (browser: () => Browser, proxy: () => Proxy, body: string) => {
  let pages: Pages | undefined;
  let visitor: BrowserContext | undefined;
  let page: Page | undefined;
  beforeEach(async () => {
    pages = await servePages('plain.ts', body, proxy().url);
    visitor = await browser().newContext();
    visitor.setDefaultTimeout(TIMEOUT_MS);
    page = await visitor.newPage();
    await page.goto(pages.origin);
  });
  afterEach(async () => {
    await visitor?.close();
    await pages?.close();
  });
  return {
    get page() {
      return required(page);
    },
    get profile() {
      return required(visitor);
    },
    /** Opens another tab of the same site. */
    async openTab(): Promise<Page> {
      const tab = await required(visitor).newPage();
      await tab.goto(required(pages).origin);
      return tab;
    },
  };
};

/** Returns a flag that every visitor gets this text of. */
export const greeting = (text: string) => ({
  type: 'string',
  variants: { all: text },
  defaultVariant: 'all',
  clientVisible: true,
});
