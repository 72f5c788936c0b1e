import { chromium, type Browser, type CDPSession, type Page } from 'playwright-core';
import { z } from 'zod';

import { SERVER_SETTINGS, type Project } from './project.ts';

export const startBrowser = (): Promise<Browser> =>
  chromium.launch({
    executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu'],
  });

/** How slow the machine and the network of a browser are. */
export type Conditions = { readonly cpuSlowdown: number; readonly megabitsPerSecond?: number };

/** A page of a person who has signed in. */
export type SignedIn = { readonly page: Page; readonly session: CDPSession };

/**
 * Runs in each page. Stores in the attributes of its root when the list has been painted, in milliseconds since the
 * navigation, and how long each letter of a search takes from the key press to the paint of its result.
 */
const PROBE = `{
  const letters = [];
  let pressed, shown, count;
  document.addEventListener('keydown', event => { pressed = event.timeStamp; }, true);
  const afterPaint = done => requestAnimationFrame(() => setTimeout(() => done(performance.now())));
  const store = (name, value) => document.documentElement.setAttribute(name, JSON.stringify(value));
  new MutationObserver(() => {
    if (shown === undefined && document.querySelector('.flag-key') !== null) {
      shown = true;
      afterPaint(now => store('data-shown', now));
    }
    const text = document.querySelector('.count bdi')?.textContent;
    if (text === count) return;
    count = text;
    const start = pressed;
    pressed = undefined;
    if (start === undefined) return;
    afterPaint(now => {
      store('data-letters', letters.push(now - start));
      store('data-times', letters);
    });
  }).observe(document, { childList: true, characterData: true, subtree: true });
}`;

export const signIn = async (browser: Browser, { url }: Project): Promise<SignedIn> => {
  const context = await browser.newContext({ viewport: { width: 1_440, height: 900 } });
  await context.addInitScript(PROBE);
  const page = await context.newPage();
  await page.goto(`${url}/sign-in?to=/segments`);
  await page.fill('input[name=key]', SERVER_SETTINGS.PENNON_ADMIN_KEY);
  await page.keyboard.press('Enter');
  await page.waitForSelector('.account');
  return { page, session: await context.newCDPSession(page) };
};

const BITS_PER_BYTE = 8;
const SLOWEST_LOAD_MS = 120_000;

const slowDown = async (session: CDPSession, conditions: Conditions): Promise<void> => {
  const { cpuSlowdown, megabitsPerSecond } = conditions;
  const throughput =
    megabitsPerSecond === undefined ? -1 : (megabitsPerSecond * 1e6) / BITS_PER_BYTE;
  await session.send('Emulation.setCPUThrottlingRate', { rate: cpuSlowdown });
  await session.send('Network.enable');
  await session.send('Network.emulateNetworkConditions', {
    offline: false,
    latency: 0,
    downloadThroughput: throughput,
    uploadThroughput: throughput,
  });
};

/** Opens the list of flags with an empty cache, and returns the milliseconds until it has been painted. */
export const measureLoad = async (
  { page, session }: SignedIn,
  { url }: Project,
  conditions: Conditions,
): Promise<number> => {
  await page.goto('about:blank');
  await slowDown(session, conditions);
  await session.send('Network.clearBrowserCache');
  await page.goto(`${url}/flags`);
  const shown = page.locator('html[data-shown]');
  await shown.waitFor({ timeout: SLOWEST_LOAD_MS });
  return Number(await shown.getAttribute('data-shown'));
};

/** Returns how many elements the page has. */
export const countNodes = ({ page }: SignedIn): Promise<number> =>
  page.evaluate<number>('document.querySelectorAll("*").length');

/** Presses keys in the search, and returns the milliseconds of each until its result was painted. */
export const measureLetters = async (
  { page }: SignedIn,
  keys: readonly string[],
): Promise<number[]> => {
  await page.focus('input[type=search]');
  for (const [index, key] of keys.entries()) {
    await page.keyboard.press(key);
    await page.locator(`html[data-letters="${index + 1}"]`).waitFor();
  }
  const text = await page.locator('html').getAttribute('data-times');
  return z.array(z.number()).parse(JSON.parse(text ?? '[]'));
};
