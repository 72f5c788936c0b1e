import type { Page } from 'playwright-core';
import { beforeEach, describe, expect, it } from 'vitest';

import { expectLayout, openPage, signIn, type PageOptions } from './support/console-page.ts';
import { expectSoon, setUpConsole } from './support/console-tests.ts';

const tests = setUpConsole();

beforeEach(async () => {
  for (const key of ['new-checkout', 'old-checkout'])
    await tests.server.api('POST', '/flags', { body: { key, enabled: true } });
});

const open = async (options?: PageOptions): Promise<Page> => {
  const page = await openPage(tests.browser, `${tests.url}/flags`, options);
  await signIn(page);
  await page.locator('.flag-key').first().waitFor();
  return page;
};

const openPalette = async (page: Page): Promise<void> => {
  await page.keyboard.press('Control+K');
  await page.locator('[role=combobox]:focus').waitFor();
};

/** Presses the keys of a sequence, which counts only without a pause. */
const pressInSequence = (page: Page, ...keys: readonly string[]) =>
  Promise.all(keys.map(key => page.keyboard.press(key)));

const results = (page: Page) => page.locator('.command bdi').allInnerTexts();

describe('the palette', () => {
  it('opens the page of a flag that is found by a part of its key', async () => {
    const page = await open();
    await openPalette(page);
    await page.keyboard.type('old-ch');
    await expectSoon(() => results(page).then(([first]) => first)).toBe('old-checkout');
    await page.keyboard.press('Enter');
    await page.waitForURL(/\/flags\/old-checkout/);
    await page.getByRole('dialog').waitFor({ state: 'detached' });
  });

  it('opens pages, and moves with the arrow keys', async () => {
    const page = await open();
    await openPalette(page);
    const second = page.locator('.command').nth(1);
    await page.keyboard.press('ArrowDown');
    await second.and(page.locator('[aria-selected=true]')).waitFor();
    expect(await page.getByRole('combobox').getAttribute('aria-activedescendant')).toBe(
      await second.getAttribute('id'),
    );
    await page.keyboard.type('invit');
    await expectSoon(() => results(page)).toEqual(['Invitations']);
    await page.keyboard.press('Enter');
    await page.waitForURL(/settings\/invitations/);
  });

  it('disables a flag after a review, with a reason', async () => {
    const page = await open();
    await openPalette(page);
    await page.keyboard.type('disable new production');
    await expectSoon(() => results(page)).toEqual(['Disable new-checkout in production']);
    await page.keyboard.press('Enter');
    const dialog = page.getByRole('dialog', { name: 'Disable new-checkout in production?' });
    await dialog.getByRole('textbox').fill('OPS-17');
    await dialog.getByRole('button', { name: 'Apply' }).click();
    await dialog.waitFor({ state: 'detached' });
    expect((await tests.server.api('GET', '/flags/new-checkout')).body.enabled).toBe(false);
    const { body } = await tests.server.api('GET', '/audit?limit=1');
    expect(body.items[0]).toMatchObject({ key: 'new-checkout', comment: 'OPS-17' });
  });

  it('has no action for those who may not do it', async () => {
    const page = await openPage(tests.browser, `${tests.url}/flags`);
    await signIn(page, await tests.server.keyOf('viewer', '*'));
    await page.locator('.flag-key').first().waitFor();
    await openPalette(page);
    await page.keyboard.type('disable');
    await page.getByText('Nothing has this name.').waitFor();
    expect(await results(page)).toEqual([]);
  });
});

describe('shortcuts', () => {
  it('open pages, and are listed', async () => {
    const page = await open();
    await pressInSequence(page, 'g', 'a');
    await page.waitForURL(/\/audit/);
    await page.getByRole('heading', { name: 'Audit' }).waitFor();
    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'Keyboard shortcuts' }).waitFor();
    await pressInSequence(page, 'g', 'f');
    expect(page.url()).toContain('/audit');
  });

  it('of single letters do nothing once they are turned off', async () => {
    const page = await open();
    await page.keyboard.press('?');
    await page.getByRole('link', { name: 'Single letters' }).click();
    await page.getByRole('checkbox', { name: 'Single letters' }).uncheck();
    await page.getByRole('heading', { name: 'Settings' }).click();
    await pressInSequence(page, 'g', 'f');
    await page.keyboard.press('?');
    expect(await page.getByRole('dialog').count()).toBe(0);
    await openPalette(page);
    expect(page.url()).toContain('/settings/account');
  });
});

describe.each<PageOptions>([
  { theme: 'light' },
  { theme: 'dark', width: 390, language: 'de' },
  { theme: 'light', language: 'pseudo', width: 320 },
])('with %j, the palette has no barrier', options => {
  it('for people with disabilities, and is not wider than the window', async () => {
    await tests.server.api('POST', '/flags', {
      body: { key: 'x'.repeat(100), name: 'y'.repeat(200), enabled: true },
    });
    const page = await openPage(tests.browser, `${tests.url}/flags`, options);
    await signIn(page);
    await page.locator('.flag-key').first().waitFor();
    const check = (name: string) => expectLayout(page, name, options);
    await page.keyboard.press('Control+K');
    await page.locator('[role=combobox]:focus').waitFor();
    await page.keyboard.type('xx');
    await page.locator('.command').first().waitFor();
    await check('palette');
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await page.keyboard.press('?');
    await page.locator('.shortcuts').waitFor();
    await check('shortcuts');
  });
});
