import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { nginx, startProxy } from '../../../server/test/deploy/proxies.ts';
import { freePort } from '../../../server/test/support/free-ports.ts';
import { eventually } from '../../../server/test/redis/processes.ts';
import { builtConsole } from '../../../server/test/support/console.ts';
import { startServer, type TestServer } from '../../../server/test/support/server.ts';
import { openPage, signIn, startBrowser } from './support/console-page.ts';

/** The path of `deploy/proxy/nginx-path.conf`, which a page of the console has as well. */
const BASE_PATH = '/flags';

const isServing = (address: string): Promise<boolean> =>
  fetch(address).then(
    ({ ok }) => ok,
    () => false,
  );

let browser: Browser;
let server: TestServer;
let url: string;
let stopProxy = async () => {};
beforeAll(async () => {
  const { source } = await builtConsole();
  browser = await startBrowser();
  server = await startServer({
    console: source,
    basePath: BASE_PATH,
    limits: { trustedProxies: 1 },
  });
  const { port } = new URL(await server.listen());
  const proxy = await freePort();
  stopProxy = startProxy(nginx('nginx-path.conf'), { proxy, servers: [Number(port)] });
  url = `http://127.0.0.1:${proxy}${BASE_PATH}`;
  await eventually(() => isServing(`${url}/healthz`));
});
afterAll(async () => {
  await stopProxy();
  await browser.close();
  await server.close();
});

it('behind nginx with a base path, deep links and pages that are loaded later work, and pages are live', async () => {
  const body = { key: 'checkout', enabled: false };
  const path = `${BASE_PATH}/api/v1/flags`;
  const created = await server.request('POST', `${path}?environment=production`, { body });
  expect(created.headers['location']).toContain(`${path}/checkout`);
  const page = await openPage(browser, `${url}/flags/checkout?env=production`);
  await signIn(page);
  await page.locator('.flag-bar').waitFor();
  expect(page.url()).toBe(`${url}/flags/checkout?env=production`);
  await page.reload();
  await page.locator('.flag-bar').waitFor();

  await page.getByRole('navigation').first().getByRole('link').first().click();
  await page.waitForURL(`${url}/flags`);
  await page.waitForSelector('.live:not(.waiting)');
  const isOn = page
    .getByRole('switch', { name: 'checkout in production' })
    .and(page.locator('[aria-checked=true]'));
  await server.request('PATCH', `${path}/checkout?environment=production`, {
    body: { enabled: true },
  });
  await isOn.waitFor();

  const { headers } = await server.request('GET', `${BASE_PATH}/flags`, {
    key: null,
    headers: { accept: 'text/html' },
  });
  const sent = await fetch(`${url}/flags`, { headers: { accept: 'text/html' } });
  for (const name of ['content-security-policy', 'referrer-policy', 'cache-control'])
    expect([name, sent.headers.get(name)]).toEqual([name, headers[name]]);
});
