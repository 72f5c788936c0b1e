import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';

import {
  expectLayout,
  LAYOUTS,
  openPage,
  signIn,
  type PageOptions,
} from './support/console-page.ts';
import { expectSoon, HOSTILE, setUpConsole } from './support/console-tests.ts';

const tests = setUpConsole();

const create = async (key: string, fields: object = {}, environment = 'production') => {
  const path = `/api/v1/flags?environment=${environment}`;
  const { status, text } = await tests.server.request('POST', path, {
    body: { key, enabled: true, ...fields },
  });
  expect([status, text]).toEqual([201, text]);
};

const createEnvironment = (key: string) =>
  tests.server.request('POST', '/api/v1/environments', { body: { key } });

const open = async (options?: PageOptions, key?: string): Promise<Page> => {
  const page = await openPage(tests.browser, `${tests.url}/flags`, options);
  await signIn(page, key);
  await page.waitForSelector('.flag-key');
  return page;
};

const choose = async (page: Page, ...keys: readonly string[]): Promise<void> => {
  for (const key of keys)
    await page.getByRole('checkbox', { name: `Choose ${key}`, exact: true }).check();
};

const readFlag = async (key: string, environment = 'production') =>
  tests.server.request('GET', `/api/v1/flags/${key}?environment=${environment}`);

const tagsOf = async (key: string, environment?: string): Promise<unknown> =>
  (await readFlag(key, environment)).body.tags;

describe('several chosen flags', () => {
  it('are tagged in all their environments, each in one commit, after a preview', async () => {
    await createEnvironment('staging');
    await create('a', { tags: ['old'] });
    await create('a', {}, 'staging');
    await create('b');
    await create('c');
    const page = await open();
    await choose(page, 'a', 'b');
    await page.getByRole('button', { name: 'Tag…' }).click();
    const dialog = page.getByRole('dialog', { name: 'Tag 2 flags' });
    await dialog.getByRole('textbox', { name: 'Tags to add' }).fill(`new, ${HOSTILE}`);
    await dialog.getByRole('checkbox', { name: 'old' }).check();
    const preview = dialog.getByRole('list', { name: 'What happens to each flag' });
    // What reverses text in one tag does not reverse others.
    await expectSoon(() => preview.locator('ins').allInnerTexts()).toEqual(
      Array.from({ length: 3 }, () => `\u2068new\u2069, \u2068${HOSTILE}\u2069`),
    );
    expect(await preview.locator('del').allInnerTexts()).toContain('\u2068old\u2069');
    await dialog.getByRole('textbox', { name: /Reason/ }).fill('OPS-1');
    await dialog.getByRole('button', { name: 'Apply' }).click();
    await dialog.waitFor({ state: 'detached' });
    const tags = ['new', HOSTILE];
    expect([await tagsOf('a'), await tagsOf('a', 'staging'), await tagsOf('b')]).toEqual([
      tags,
      tags,
      tags,
    ]);
    expect(await tagsOf('c')).toBeUndefined();
    const { items } = (await tests.server.api('GET', '/audit?limit=2')).body;
    const [last, previous] = items;
    expect([last.comment, last.revision]).toEqual(['OPS-1', previous.revision]);
    // The button that opened the dialog has the focus again.
    await expectSoon(() => page.evaluate<string>('document.activeElement.textContent')).toBe(
      'Tag…',
    );
  });

  it('are deleted, unless another flag refers to one, which shows the reason', async () => {
    await create('a');
    await create('b');
    const rules = [{ conditions: [{ flag: 'a', variants: ['on'] }], variant: 'on' }];
    await create('user', { rules });
    const page = await open();
    await choose(page, 'a', 'b');
    await page.getByRole('button', { name: 'Delete…' }).click();
    const dialog = page.getByRole('dialog', { name: 'Delete 2 flags' });
    const remove = dialog.getByRole('button', { name: 'Delete' });
    await remove.click();
    await expectSoon(() => dialog.getByRole('alert').allInnerTexts()).toContainEqual(
      expect.stringContaining('choose an environment'),
    );
    await dialog.getByRole('checkbox', { name: 'production' }).check();
    const item = dialog.getByRole('listitem').filter({ hasText: 'is used by flag "user"' });
    await item.first().waitFor();
    expect(await item.first().locator('strong').first().innerText()).toBe('a');
    await remove.click();
    await expectSoon(() => dialog.getByRole('alert').allInnerTexts()).toContainEqual(
      expect.stringContaining('Nothing was changed'),
    );
    expect((await readFlag('b')).status).toBe(200);
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });

    await choose(page, 'user');
    await page.getByRole('button', { name: 'Delete…' }).click();
    const second = page.getByRole('dialog', { name: 'Delete 3 flags' });
    await second.getByRole('checkbox', { name: 'production' }).check();
    await second.getByRole('button', { name: 'Delete' }).click();
    await second.waitFor({ state: 'detached' });
    await page.getByText('There are no flags yet').waitFor();
    // What had the focus was removed, so the page has it: the next Tab is not at the top.
    await expectSoon(() => page.evaluate<string>('document.activeElement.id')).toBe('main');
  });

  it('are copied to another environment after a preview', async () => {
    await createEnvironment('staging');
    for (const key of ['a', 'b']) await create(key);
    const page = await open();
    await choose(page, 'a', 'b');
    await page.getByRole('button', { name: 'Copy to' }).click();
    await page.getByRole('menuitem', { name: 'staging' }).click();
    const dialog = page.getByRole('dialog');
    await expectSoon(() => dialog.locator('.promoted > li').count()).toBe(2);
    expect(await dialog.getByRole('combobox', { name: 'Copy from' }).inputValue()).toBe(
      'production',
    );
    await dialog.getByRole('button', { name: 'Apply' }).click();
    await dialog.waitFor({ state: 'detached' });
    const copies = [await readFlag('a', 'staging'), await readFlag('b', 'staging')];
    expect(copies.map(({ body }) => body.enabled)).toEqual([false, false]);
  });

  it('cannot be changed by a viewer, and the buttons name the role that may', async () => {
    await create('a');
    const page = await open({}, await tests.server.keyOf('viewer', '*'));
    await choose(page, 'a');
    for (const name of ['Enable in', 'Disable in', 'Tag…', 'Delete…']) {
      const button = page.getByRole('button', { name });
      expect(await button.getAttribute('aria-disabled')).toBe('true');
      expect(await button.getAttribute('title')).toContain('editor');
    }
  });

  it.each(LAYOUTS)('are previewed without barriers: %j', async layout => {
    await createEnvironment('staging');
    await create('a', { tags: ['old', HOSTILE] });
    await create('b-with-a-rather-long-key-that-does-not-fit-in-a-narrow-window');
    await create('a', {}, 'staging');
    const page = await open({ ...layout, width: 1_440 });
    await page.locator('.grid input[type=checkbox]').first().check();
    await page.setViewportSize({ width: layout.width ?? 1_440, height: 900 });
    await page.locator('.bulk .button').nth(3).click();
    const dialog = page.getByRole('dialog');
    await dialog.locator('input').nth(2).fill('new');
    await dialog.locator('ins').first().waitFor();
    await expectLayout(page, 'bulk', layout);
  });
});
