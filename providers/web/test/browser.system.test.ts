import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import type { Proxy } from '../../../packages/sync/test/support/proxy.ts';
import { startProxy } from '../../../packages/sync/test/support/proxy.ts';
import type { FlagServer } from '../../../packages/sync/test/support/flag-server.ts';
import { startFlagServer } from '../../../packages/sync/test/support/flag-server.ts';
import { startBrowser } from './support/browser.ts';
import type { Pages } from './support/pages.ts';
import { servePages } from './support/pages.ts';

let browser: Browser;
let server: FlagServer;
let key: string;

beforeAll(async () => {
  [browser, server] = await Promise.all([startBrowser(), startFlagServer()]);
  key = (await server.createKey('client')).secret;
});
afterAll(async () => {
  await browser.close();
  await server.close();
});

/** One visitor: a browser profile, a page on an origin of its own, and all that it reads from the server. */
let proxy: Proxy;
let pages: Pages;
let visitor: BrowserContext;
let page: Page;

const BODY = '<p data-flag="greeting"></p>';
const ADA = { targetingKey: 'ada', plan: 'pro' };

beforeEach(async () => {
  await server.putFlag('greeting', greeting('Hello'));
  proxy = await startProxy(server.url());
  pages = await servePages('plain.ts', BODY, proxy.url);
  visitor = await browser.newContext();
  page = await visitor.newPage();
  await page.goto(pages.origin);
});
afterEach(async () => {
  await refuseViolations();
  await visitor.close();
  await pages.close();
  await proxy.close();
});

/** Holds every test to the page's strict policy. */
const refuseViolations = async () => {
  const blocked = await page.evaluate(() => pennon.violations);
  if (blocked.length > 0) throw new Error(`the policy has blocked ${blocked.join(', ')}`);
};

const greeting = (text: string) => ({
  type: 'string',
  variants: { plain: text, pro: `${text}, pro`, team: `${text}, team` },
  defaultVariant: 'plain',
  clientVisible: true,
  rules: [
    { attribute: 'plan', operator: 'equals', value: 'pro', variant: 'pro' },
    { attribute: 'email', operator: 'endsWith', value: '@secret-customer.test', variant: 'team' },
  ],
});

const start = (more: object = {}, context: object = ADA) =>
  page.evaluate(([options, given]) => pennon.start(options, given), [
    { url: proxy.url, key, ...more },
    { ...context },
  ] as const);

const PATIENCE = { timeout: 15_000 };
const status = () => page.evaluate(() => pennon.status());
const shown = () => page.evaluate(() => document.querySelector('[data-flag]')?.textContent);
const told = () => page.evaluate(() => pennon.told);

describe('a page', () => {
  it('shows the flags of its first load, from another origin and under a strict policy', async () => {
    await start();
    await expect.poll(shown, PATIENCE).toBe('Hello, pro');
    expect(await told()).toEqual([{ event: 'PROVIDER_READY' }]);
    expect(proxy.seen.map(({ method, path }) => `${method} ${path}`)).toEqual([
      'OPTIONS /api/v1/evaluations/stream',
      'POST /api/v1/evaluations/stream',
    ]);
  });

  it('never reads rules, segments or hidden flags, over the stream or by polling', async () => {
    await server.putFlag('hidden-project', {
      ...greeting('Hidden greeting'),
      clientVisible: false,
    });
    await start();
    await expect.poll(shown, PATIENCE).toBe('Hello, pro');
    await server.putFlag('hidden-project', { ...greeting('Still hidden'), clientVisible: false });
    await server.putFlag('greeting', greeting('Hi'));
    await expect.poll(shown, PATIENCE).toBe('Hi, pro');
    await page.evaluate(() => pennon.close());
    await page.reload();
    await start({ stream: false, storage: null });
    await expect.poll(shown, PATIENCE).toBe('Hi, pro');
    const read = proxy.transcript();
    expect(read).toContain('"greeting"');
    expect(read).toContain('Hi, pro');
    for (const secret of [
      'hidden',
      'secret-customer',
      'Hello, team',
      'rules',
      'plan',
      'email',
      'variants',
      key,
    ]) {
      expect(read).not.toContain(secret);
    }
    expect(proxy.seen.filter(({ path }) => path.includes('pennon_client'))).toEqual([]);
    expect(await page.evaluate(() => pennon.valueOf('hidden-project'))).toBe('the default');
  });

  it('shows a change within a moment, and is told exactly what changed', async () => {
    await server.putFlag('other', greeting('Other'));
    await start();
    await server.putFlag('greeting', greeting('Good morning'));
    await expect.poll(shown, PATIENCE).toBe('Good morning, pro');
    expect(await told()).toEqual([
      { event: 'PROVIDER_READY' },
      { event: 'PROVIDER_CONFIGURATION_CHANGED', flagsChanged: ['greeting'] },
    ]);
  });

  it('shows the values of another context', async () => {
    await start();
    await page.evaluate(() => pennon.setContext({ targetingKey: 'bob' }));
    await expect.poll(shown, PATIENCE).toBe('Hello');
    expect((await told()).map(({ event }) => event)).toEqual([
      'PROVIDER_READY',
      'PROVIDER_RECONCILING',
      'PROVIDER_CONTEXT_CHANGED',
    ]);
  });

  it('keeps its flags while the server is killed, says so, and catches up when it is back', async () => {
    await start();
    await server.kill();
    await expect.poll(status, PATIENCE).toBe('STALE');
    await expect.poll(shown, PATIENCE).toBe('Hello, pro');
    await server.restart();
    proxy.retarget(server.url());
    await server.putFlag('greeting', greeting('Welcome back'));
    await expect.poll(shown, PATIENCE).toBe('Welcome back, pro');
    await expect.poll(status, PATIENCE).toBe('READY');
  });

  it('shows on a second visit, while the server is down, what it showed on the first', async () => {
    await start();
    await expect.poll(shown, PATIENCE).toBe('Hello, pro');
    proxy.disturb({ type: 'cut' });
    proxy.cut();
    await page.reload();
    await start();
    await expect.poll(shown, PATIENCE).toBe('Hello, pro');
    await expect.poll(status, PATIENCE).toBe('STALE');
    proxy.heal();
    await expect.poll(status, PATIENCE).toBe('READY');
  });

  it('shows another subject nothing of that', async () => {
    await start();
    proxy.disturb({ type: 'cut' });
    proxy.cut();
    await page.reload();
    await start({}, { targetingKey: 'bob' });
    await expect.poll(status, PATIENCE).toBe('ERROR');
    await expect.poll(shown, PATIENCE).toBe('the default');
  });

  it('gets nothing with a key for pages of another origin, and from a server that never answers', async () => {
    const { secret } = (await server.api('POST', 'keys', {
      name: 'elsewhere',
      role: 'client',
      environment: 'production',
      allowedOrigins: ['https://elsewhere.test'],
    })) as { secret: string };
    await start({ key: secret });
    await expect.poll(status, PATIENCE).toBe('FATAL');
    proxy.disturb({ type: 'stall' });
    await page.reload();
    await start({ initTimeoutMs: 200 });
    await expect.poll(status, PATIENCE).toBe('ERROR');
    await expect.poll(shown, PATIENCE).toBe('the default');
  });

  it('holds no connection while it is hidden, and learns what it missed when it is shown', async () => {
    await page.clock.install();
    await start();
    const setHidden = (hidden: boolean) =>
      page.evaluate(value => {
        Object.defineProperty(document, 'hidden', { value, configurable: true });
        document.dispatchEvent(new Event('visibilitychange'));
      }, hidden);
    await setHidden(true);
    await page.clock.runFor(5_000);
    await expect.poll(() => proxy.underWay()).toBe(0);
    await server.putFlag('greeting', greeting('Missed'));
    await setHidden(false);
    await expect.poll(shown, PATIENCE).toBe('Missed, pro');
  });

  it('says STALE once it is offline, and is current again once it is online', async () => {
    await start();
    await visitor.setOffline(true);
    await expect.poll(status, PATIENCE).toBe('STALE');
    await server.putFlag('greeting', greeting('Online'));
    await visitor.setOffline(false);
    await expect.poll(status, PATIENCE).toBe('READY');
    await expect.poll(shown, PATIENCE).toBe('Online, pro');
  });
});
