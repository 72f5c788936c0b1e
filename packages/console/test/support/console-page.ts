import axe from 'axe-core';
import { chromium, type Browser, type Page } from 'playwright-core';
import { expect, onTestFinished } from 'vitest';

import { ADMIN_KEY } from '../../../../server/test/support/server.ts';

/** Only for a busy machine. */
const TIMEOUT_MS = 90_000;

export const startBrowser = (): Promise<Browser> =>
  chromium.launch({
    executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu'],
    timeout: TIMEOUT_MS,
  });

export type PageOptions = {
  readonly width?: number;
  readonly theme?: 'light' | 'dark';
  readonly language?: 'en' | 'de' | 'pseudo';
  /** Problems that the test causes, such as a request that must fail. */
  readonly expected?: RegExp;
};

/** The themes, widths and languages in which the layout of a page is tested. */
export const LAYOUTS: readonly PageOptions[] = [
  { theme: 'light' },
  { theme: 'dark' },
  { theme: 'light', width: 390 },
  { theme: 'dark', width: 390, language: 'de' },
  { theme: 'light', language: 'pseudo', width: 320 },
];

const HEIGHT = 900;

/** The console sends again what a busy server refuses. */
const BUSY = /status of 429 /;

/**
 * Opens a page with an empty profile. When the test has finished, it must have had no error in its console, no
 * violation of its policy, and no request to another origin.
 */
export const openPage = async (
  browser: Browser,
  url: string,
  { width = 1_440, theme = 'light', language = 'en', expected }: PageOptions = {},
): Promise<Page> => {
  const context = await browser.newContext({
    viewport: { width, height: HEIGHT },
    reducedMotion: 'reduce',
  });
  context.setDefaultTimeout(TIMEOUT_MS);
  await context.addInitScript(
    preferences => localStorage.setItem('pennon-preferences', preferences),
    JSON.stringify({ theme, language }),
  );
  const page = await context.newPage();
  const problems: string[] = [];
  page.on('console', message => {
    if (message.type() === 'error' || message.type() === 'warning') problems.push(message.text());
  });
  page.on('pageerror', error => problems.push(error.message));
  page.on('request', request => {
    if (!request.url().startsWith(new URL(url).origin)) problems.push(request.url());
  });
  onTestFinished(async () => {
    await context.close();
    const isExpected = (problem: string) => BUSY.test(problem) || expected?.test(problem) === true;
    expect(problems.filter(problem => !isExpected(problem))).toEqual([]);
  });
  await page.goto(url);
  return page;
};

/** Closes all pages. One that is open when its server ends logs errors, and a test fails because of them. */
export const closePages = (browser: Browser): Promise<unknown> =>
  Promise.all(browser.contexts().map(context => context.close()));

export const signIn = async (page: Page, key = ADMIN_KEY): Promise<void> => {
  await page.fill('input[name=key]', key);
  await page.keyboard.press('Enter');
  await page.waitForSelector('.account');
};

/** Returns what axe finds in the page, by the criteria of WCAG 2.2 at the levels A and AA. */
export const findBarriers = async (page: Page): Promise<string[]> => {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate<axe.AxeResults>(
    `axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22a', 'wcag22aa'] })`,
  );
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary}`),
  );
};

/** How wide a page is, with what is hidden behind its scroll bar. */
const widthOf = (page: Page): Promise<number> =>
  page.evaluate<number>(`Math.max(
    ...[document.documentElement, ...document.querySelectorAll('.wide-page')].map(
      ({ scrollWidth }) => scrollWidth,
    ),
  )`);

/** How high the window must be to show a page without a scroll bar. */
const heightOf = (page: Page): Promise<number> =>
  page.evaluate<number>(`Math.max(innerHeight, ...[...document.querySelectorAll('.wide-page')].map(
    ({ scrollHeight, clientHeight }) => innerHeight + scrollHeight - clientHeight,
  ))`);

/**
 * Checks that what a page shows has no barrier and is not wider than the window. With the variable
 * CONSOLE_SCREENSHOTS, a picture of it is stored in that folder.
 */
export const expectLayout = async (
  page: Page,
  name: string,
  { width = 1_440, theme = 'light', language = 'en' }: PageOptions,
): Promise<void> => {
  const folder = process.env['CONSOLE_SCREENSHOTS'];
  if (folder !== undefined) {
    await page.setViewportSize({ width, height: await heightOf(page) });
    await page.screenshot({ path: `${folder}/${name} ${width} ${theme} ${language}.png` });
    await page.setViewportSize({ width, height: HEIGHT });
  }
  expect([name, await findBarriers(page)]).toEqual([name, []]);
  expect([name, await widthOf(page)]).toEqual([name, width]);
};
