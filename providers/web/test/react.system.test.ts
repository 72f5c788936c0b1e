import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import type { Proxy } from '../../../packages/sync/test/support/proxy.ts';
import { startProxy } from '../../../packages/sync/test/support/proxy.ts';
import { TIMEOUT_MS } from './support/browser.ts';
import type { Pages } from './support/pages.ts';
import { servePages } from './support/pages.ts';
import { INIT, useBrowser, useFlagServer } from './support/visitor.ts';

const browser = useBrowser();
const flags = useFlagServer();
let proxy: Proxy;
let pages: Pages;
let page: Page;

beforeAll(async () => {
  proxy = await startProxy(flags.server.url());
  pages = await servePages('react.ts', '<div id="root"></div>', proxy.url);
});
afterAll(async () => {
  await pages.close();
  await proxy.close();
});

beforeEach(async () => {
  proxy.clearFaults();
  for (const name of ['left', 'right', 'suspended'])
    await flags.server.putFlag(name, flag(`${name} 1`));
  page = await browser().newPage();
  page.setDefaultTimeout(TIMEOUT_MS);
  await page.goto(pages.origin);
});
afterEach(async () => {
  const blocked = await page.evaluate(() => pennonReact.violations);
  if (blocked.length > 0) throw new Error(`the policy has blocked ${blocked.join(', ')}`);
  await page.close();
});

const flag = (value: string) => ({
  type: 'string',
  variants: { all: value, pro: `${value} for pro` },
  defaultVariant: 'all',
  clientVisible: true,
  rules: [{ attribute: 'plan', operator: 'equals', value: 'pro', variant: 'pro' }],
});

const start = (options: object = {}) =>
  page.evaluate(given => pennonReact.start(given, { targetingKey: 'ada' }), {
    url: proxy.url,
    key: flags.key,
    storage: null,
    ...INIT,
    ...options,
  });
const PATIENCE = { timeout: 90_000 };
const text = (id: string) => () =>
  page.evaluate(element => document.querySelector(`#${element}`)?.textContent, id);
const renders = () => page.evaluate(() => ({ ...pennonReact.renders }));

describe('with React', () => {
  it('only the component whose flag changed renders again', async () => {
    await start();
    await expect.poll(text('left'), PATIENCE).toBe('left 1');
    await expect.poll(text('suspended'), PATIENCE).toBe('suspended 1');
    const before = await renders();
    await flags.server.putFlag('right', flag('right 2'));
    await expect.poll(text('right'), PATIENCE).toBe('right 2');
    expect(await renders()).toEqual({ ...before, right: (before['right'] ?? 0) + 1 });
  });

  it('no component renders again after a reconnect without changes', async () => {
    const streams = () =>
      proxy.requests.filter(({ method, path }) => method === 'POST' && path.endsWith('/stream'))
        .length;
    const before = streams();
    await start();
    await expect.poll(text('left'), PATIENCE).toBe('left 1');
    await expect.poll(text('suspended'), PATIENCE).toBe('suspended 1');
    const rendered = await renders();
    // The page would not notice the end of a stream that it has not requested yet.
    await expect.poll(streams).toBeGreaterThan(before);
    const cut = streams();
    proxy.cutConnections();
    await expect.poll(streams).toBeGreaterThan(cut);
    await flags.server.putFlag('right', flag('right 3'));
    await expect.poll(text('right'), PATIENCE).toBe('right 3');
    expect(await renders()).toEqual({ ...rendered, right: (rendered['right'] ?? 0) + 1 });
  });

  it('a component suspends until there are values, and never shows the default', async () => {
    proxy.injectFault({ type: 'stall' }, /stream/);
    proxy.injectFault({ type: 'stall' }, /evaluations$/);
    await start();
    await expect.poll(text('loading'), PATIENCE).toBe('Loading');
    await expect.poll(text('left'), PATIENCE).toBe('the default');
    expect(await renders()).not.toHaveProperty('suspended');
    proxy.clearFaults();
    proxy.cutConnections();
    await expect.poll(text('suspended'), PATIENCE).toBe('suspended 1');
    expect(await page.evaluate(() => document.querySelector('#loading'))).toBeNull();
    expect((await renders())['suspended']).toBe(1);
  });

  it('a component shows the values of a new context', async () => {
    await start();
    await expect.poll(text('suspended'), PATIENCE).toBe('suspended 1');
    await page.evaluate(() => pennonReact.setContext({ targetingKey: 'ada', plan: 'pro' }));
    await expect.poll(text('left'), PATIENCE).toBe('left 1 for pro');
    await expect.poll(text('suspended'), PATIENCE).toBe('suspended 1 for pro');
  });

  it('the first paint shows the values that the page comes with', async () => {
    const response = await fetch(`${flags.server.url()}/api/v1/evaluations`, {
      method: 'POST',
      headers: { authorization: `Bearer ${flags.key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ context: { targetingKey: 'ada' } }),
    });
    const bootstrap: unknown = await response.json();
    proxy.injectFault({ type: 'stall' });
    await start({ bootstrap });
    await expect.poll(text('suspended'), PATIENCE).toBe('suspended 1');
    await expect.poll(text('left'), PATIENCE).toBe('left 1');
    expect(await renders()).toEqual({ left: 1, right: 1, suspended: 1 });
  });
});
