import type { Page, Response } from 'playwright-core';
import { describe, expect, it } from 'vitest';

import { openPage, signIn } from './support/console-page.ts';
import { expectSoon, setUpConsole } from './support/console-tests.ts';
import { readSizes, sentKib } from './support/sizes.ts';

const tests = setUpConsole();

/** KiB of compressed scripts. */
const MAX_FIRST_LOAD = 170;
const MAX_PART = 60;
/** Larger parts, which few pages load. */
const MAX_EDITOR = 120;
const EDITORS = /editor/;

describe('the scripts of the console', () => {
  it('are small, and so is what each page and part adds', () => {
    const { start, parts } = readSizes(tests.built.folder);
    expect(Object.keys(parts)).toContain('src/flags/flags-page.tsx');
    expect(start + (parts['src/flags/flags-page.tsx'] ?? 0)).toBeLessThan(MAX_FIRST_LOAD);
    const tooLarge = Object.entries(parts).filter(
      ([name, size]) => size > (EDITORS.test(name) ? MAX_EDITOR : MAX_PART),
    );
    expect(tooLarge).toEqual([]);
  });

  it.each([
    ['/flags', '.flag-key', MAX_FIRST_LOAD],
    ['/flags/first', '.flag-tabs', MAX_FIRST_LOAD + MAX_PART],
    ['/segments', '.wide-page', MAX_FIRST_LOAD + MAX_PART],
  ])('are no more than that when a person opens %s', async (path, selector, max) => {
    await createFlag('first');
    const page = await openPage(tests.browser, `${tests.url}/sign-in`);
    await signIn(page);
    await page.waitForSelector('.flag-key');
    const scripts = new Set<string>();
    page.on('response', response => void scripts.add(fileOf(response)));
    await page.goto(tests.url + path);
    await page.waitForSelector(selector);
    await page.waitForLoadState('networkidle');
    const files = [...scripts].filter(file => file.endsWith('.js'));
    const sum = files.reduce((all, file) => all + sentKib(tests.built.folder, file), 0);
    expect(files.length).toBeGreaterThan(1);
    expect(sum).toBeLessThan(max);
  });
});

const fileOf = (response: Response): string => new URL(response.url()).pathname.slice(1);

const createFlag = (key: string): Promise<unknown> =>
  tests.server.api('POST', '/flags', { body: { key, enabled: true } });

const openFlags = async (expected?: RegExp): Promise<Page> => {
  for (const key of ['first', 'second']) await createFlag(key);
  const page = await openPage(tests.browser, `${tests.url}/flags`, expected && { expected });
  await signIn(page);
  await page.waitForSelector('.flag-key');
  return page;
};

describe('a part that is loaded later', () => {
  it('explains that the page must be loaded again if an upgrade has removed its file', async () => {
    const page = await openFlags(/404/);
    await page.route(/dialog-frame/, route => route.fulfill({ status: 404, body: '' }));
    await page.getByRole('button', { name: 'New flag' }).click();
    await page.getByRole('alert').getByText('If Pennon has been upgraded').waitFor();
    expect(await page.locator('.flag-key').count()).toBe(2);
    await page.unroute(/dialog-frame/);
    await page.getByRole('button', { name: 'Load again' }).click();
    await page.waitForSelector('.flag-key');
    await page.getByRole('button', { name: 'New flag' }).click();
    await page.getByRole('dialog', { name: 'New flag' }).waitFor();
  });

  it.each([
    ['dialog', 'New flag', /New flag/],
    ['menu', 'admin', /Sign out/],
  ])(
    'as a %s, explains that the browser is offline, and opens on demand',
    async (role, name, text) => {
      const page = await openFlags(/ERR_INTERNET_DISCONNECTED|dynamically imported|status of 503/);
      await page.context().setOffline(true);
      await page.getByRole('button', { name, exact: true }).click();
      const alert = page.getByRole('alert').filter({ hasText: 'You are offline' });
      await alert.getByRole('button', { name: 'Try again' }).click();
      await alert.waitFor();
      await page.context().setOffline(false);
      await alert.getByRole('button', { name: 'Try again' }).click();
      await page.locator(`[role=${role}]`, { hasText: text }).waitFor();
      await alert.waitFor({ state: 'detached' });
      expect(await page.locator('.flag-key').count()).toBe(2);
    },
  );

  it('as a page, explains that the server cannot be reached, and opens on demand', async () => {
    const page = await openFlags(/ERR_INTERNET_DISCONNECTED|the browser is offline/);
    await page.context().setOffline(true);
    await page.getByRole('link', { name: 'Segments' }).click();
    const alert = page.getByRole('alert').filter({ hasText: 'Check the network' });
    await alert.waitFor();
    await page.context().setOffline(false);
    await page.getByRole('button', { name: 'Try again' }).click();
    await page.getByRole('button', { name: 'New segment' }).waitFor();
    expect(await alert.count()).toBe(0);
  });

  it('as a menu, opens by the keyboard and returns the focus to its button', async () => {
    const page = await openFlags();
    const button = page.getByRole('button', { name: 'admin' });
    for (const key of ['Enter', 'ArrowDown', ' ']) {
      await button.focus();
      await page.keyboard.press(key);
      await page.getByRole('menu').waitFor();
      await page.keyboard.press('ArrowDown');
      await expectSoon(() => page.evaluate(`document.activeElement.getAttribute('role')`)).toMatch(
        /^menuitem/,
      );
      await page.keyboard.press('Escape');
      await page.getByRole('menu').waitFor({ state: 'detached' });
      await expectSoon(() => page.evaluate(`document.activeElement.className`)).toContain(
        'account',
      );
    }
  });

  it('as a dialog, returns the focus to the element that opened it', async () => {
    const page = await openFlags();
    await page.getByRole('button', { name: 'New flag' }).focus();
    await page.keyboard.press('Enter');
    await page.waitForSelector('[role=dialog] input:focus');
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await expectSoon(() => page.evaluate(`document.activeElement.textContent`)).toBe('New flag');
  });
});
