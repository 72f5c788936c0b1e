import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { TestServer } from './support/server.ts';
import { ADMIN_KEY, startServer } from './support/server.ts';

/** Only for a busy machine. */
const TIMEOUT_MS = 90_000;

let server: TestServer;
let browser: Browser;
let url: string;
beforeAll(async () => {
  server = await startServer();
  url = `${await server.listen()}/docs`;
  browser = await chromium.launch({
    executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu'],
    timeout: TIMEOUT_MS,
  });
});
afterAll(async () => {
  await browser.close();
  await server.close();
});

const newContext = async (width = 1_440): Promise<BrowserContext> => {
  const context = await browser.newContext({ viewport: { width, height: 900 } });
  context.setDefaultTimeout(TIMEOUT_MS);
  return context;
};

const open = async (context: BrowserContext): Promise<Page> => {
  const page = await context.newPage();
  await page.goto(url);
  await page.waitForSelector('.opblock-tag');
  return page;
};

const authorize = async (page: Page): Promise<void> => {
  await page.click('button.authorize');
  await page.locator('.auth-container input').first().fill(ADMIN_KEY);
  await page.locator('.modal-ux button.authorize').first().click();
  await page.locator('.modal-ux button.btn-done').first().click();
};

/** Sends the example of an operation, and returns the status of the response. */
const execute = async (page: Page, operation: string): Promise<string | null> => {
  const [tag] = operation.split('-');
  await page.locator(`#operations-tag-${tag}`).click();
  const block = page.locator(`#operations-${operation}`);
  await block.locator('.opblock-summary-control').click();
  await block.locator('.try-out__btn').click();
  await block.locator('.execute').click();
  return block.locator('.live-responses-table tbody td.response-col_status').first().textContent();
};

describe('/docs in a browser', () => {
  it('sends the examples with the key that was entered, also after a reload', async () => {
    const page = await open(await newContext());
    expect(await execute(page, 'Environments-environments-list')).toContain('401');
    await authorize(page);
    await page.reload();
    await page.waitForSelector('.opblock-tag');
    expect(await execute(page, 'Flags-flags-create')).toContain('201');
    expect(await execute(page, 'Evaluation-evaluation-evaluate')).toContain('200');
  });

  it('stores the key for this tab only', async () => {
    const context = await newContext();
    const page = await open(context);
    await authorize(page);
    const stored = await page.evaluate(() => [localStorage.length, sessionStorage.length]);
    expect(stored).toEqual([0, 1]);
    expect(await page.textContent('.note')).toContain('until you close it');
    const other = await open(context);
    expect(await execute(other, 'Environments-environments-list')).toContain('401');
  });

  it.each([1_440, 390])('fits into a window of %i pixels', async width => {
    const page = await open(await newContext(width));
    await execute(page, 'Flags-flags-create');
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
  });
});
