import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';

import {
  findBarriers,
  LAYOUTS,
  openPage,
  signIn,
  type PageOptions,
} from './support/console-page.ts';
import { expectSoon, HOSTILE, setUpConsole } from './support/console-tests.ts';

const tests = setUpConsole();

const create = async (key: string, fields: object = {}) => {
  const { status, text } = await tests.server.request(
    'POST',
    '/api/v1/flags?environment=production',
    { body: { key, enabled: true, ...fields } },
  );
  expect([status, text]).toEqual([201, text]);
};

type OpenOptions = PageOptions & { readonly key?: string };

const open = async (tab: string, { key, ...options }: OpenOptions = {}): Promise<Page> => {
  const page = await openPage(tests.browser, `${tests.url}/flags/flag?tab=${tab}`, options);
  await signIn(page, key);
  await page.locator('.cm-content').first().waitFor();
  return page;
};

const editor = (page: Page) => page.getByRole('textbox', { name: 'The flag as JSON' });

/** The texts of the lines that are marked. */
const marked = (page: Page, kind: 'problem' | 'warning') => ({
  lines: () => page.locator(`.cm-line.${kind}`).allInnerTexts(),
  numbers: () => page.locator(`.cm-gutterElement.${kind}`).allInnerTexts(),
});

const isInEditor = (page: Page): Promise<boolean> =>
  page.evaluate("document.activeElement.matches('.json-editor')");

const draftCount = (page: Page) => page.locator('.draft-bar').count();

/** Undoes what was typed: in several steps if there was a pause between the letters. */
const undo = async (page: Page, isUndone: () => Promise<boolean>): Promise<void> =>
  expectSoon(async () => {
    await page.keyboard.press('Control+z');
    return isUndone();
  }).toBe(true);

describe('the JSON editor', () => {
  it('takes what is typed into the draft, and undoes it', async () => {
    await create('flag', { name: 'Before' });
    const page = await open('json');
    await page.locator('.cm-line', { hasText: '"Before"' }).click();
    await page.keyboard.press('End');
    await page.keyboard.press('ArrowLeft');
    await page.keyboard.type(' and after');
    await expectSoon(() => editor(page).innerText()).toContain('"name": "Before and after"');
    await expectSoon(() => draftCount(page)).toBe(1);
    await undo(page, async () => (await draftCount(page)) === 0);
    expect(await editor(page).innerText()).toContain('"name": "Before"');
  });

  it('replaces selected lines by what is typed', async () => {
    await create('flag');
    const page = await open('json');
    await editor(page).click();
    await page.keyboard.press('Control+a');
    await page.keyboard.type('[]');
    await expectSoon(() => editor(page).innerText()).toBe('[]');
    await undo(page, async () => (await editor(page).innerText()).includes('"enabled": true'));
  });

  it('keeps the cursor while the server checks what is typed', async () => {
    await create('flag', { name: 'x' });
    const page = await open('json');
    await page.locator('.cm-line', { hasText: '"x"' }).click();
    await page.keyboard.press('End');
    await page.keyboard.press('ArrowLeft');
    for (const letter of 'abcdef') {
      const checked = page.waitForResponse(/evaluation.preview/);
      await page.keyboard.type(letter);
      await checked;
    }
    await expectSoon(() => editor(page).innerText()).toContain('"name": "xabcdef"');
  });

  it('marks the line at which a text stops being JSON, and names it', async () => {
    await create('flag');
    const page = await open('json');
    await editor(page).fill('{\n  "enabled": true\n  "rules": []\n}');
    await expectSoon(() => page.locator('.json-tab .findings').innerText()).toMatch(
      /^Line 3 This is not a JSON object/,
    );
    await expectSoon(() => marked(page, 'problem').lines()).toEqual(['  "rules": []']);
    expect(await marked(page, 'problem').numbers()).toEqual(['3']);
    expect(await editor(page).getAttribute('aria-invalid')).toBe('true');
    await page.keyboard.press('Control+End');
    await page.getByRole('button', { name: 'Line 3' }).click();
    expect(await isInEditor(page)).toBe(true);
    await page.keyboard.type(',');
    await page.getByText('This is not a JSON object').waitFor({ state: 'hidden' });
    await expectSoon(() => marked(page, 'problem').lines()).not.toContain(',  "rules": []');
  });

  it('marks the line of what the server refuses', async () => {
    await create('flag', { defaultVariant: 'off' });
    const page = await open('json');
    const document = JSON.parse(await editor(page).innerText());
    const rule = { conditions: [{ attribute: 'plan', operator: 'in', value: 'pro' }] };
    await editor(page).fill(
      JSON.stringify({ ...document, rules: [{ ...rule, variant: 'on' }] }, null, 2),
    );
    await expectSoon(() => marked(page, 'problem').lines()).toEqual(['          "value": "pro"']);
    const number = await marked(page, 'problem').numbers();
    await page.getByRole('button', { name: `Line ${number[0]}` }).waitFor();
  });

  it('is left with the keyboard by Escape and Tab, as the text beside it explains', async () => {
    await create('flag');
    const page = await open('json');
    await page.getByText('Escape, then Tab').waitFor();
    await page.locator('.flag-bar .switch').focus();
    await page.keyboard.press('Tab');
    expect(await isInEditor(page)).toBe(true);
    await page.keyboard.press('Control+Home');
    await page.keyboard.press('Tab');
    expect(await isInEditor(page)).toBe(true);
    expect(await page.locator('.cm-line').first().innerText()).toBe('  {');
    await page.keyboard.press('Escape');
    await page.keyboard.press('Shift+Tab');
    expect(await isInEditor(page)).toBe(false);
    await page.keyboard.press('Tab');
    await page.keyboard.press('Escape');
    await page.keyboard.press('Tab');
    expect(await isInEditor(page)).toBe(false);
  });

  it('takes letters that are shortcuts elsewhere', async () => {
    await create('flag');
    const page = await open('json');
    await editor(page).click();
    await page.keyboard.type('gf?n/');
    expect(page.url()).toContain('/flags/flag?tab=json');
    expect(await page.getByRole('dialog').count()).toBe(0);
    expect(await editor(page).innerText()).toContain('gf?n/');
  });

  it('can be read, but not edited, by a viewer', async () => {
    await create('flag', { name: 'Read me' });
    const page = await open('json', { key: await tests.server.keyOf('viewer', '*') });
    expect(await editor(page).getAttribute('aria-readonly')).toBe('true');
    await editor(page).click();
    await page.keyboard.type('x');
    expect(JSON.parse(await editor(page).innerText())).toMatchObject({ name: 'Read me' });
    expect(await page.getByText('Tab indents').count()).toBe(0);
    await page.keyboard.press('Tab');
    expect(await isInEditor(page)).toBe(false);
  });

  it('shows marks that reverse text as points, and keeps text of other directions in its place', async () => {
    await create('flag', { name: HOSTILE, description: 'שלום 123' });
    const page = await open('json');
    expect(await page.locator('.flag-header bdi').allInnerTexts()).toEqual(['flag', HOSTILE]);
    const line = page.locator('.cm-line', { hasText: 'gnp.exe' });
    expect(await line.locator('.cm-specialChar').count()).toBe(1);
    expect(await page.locator('.cm-content img[onerror]').count()).toBe(0);
    const hebrew = page.locator('.cm-line', { hasText: 'שלום' });
    expect(await hebrew.locator('.cm-iso').count()).toBeGreaterThan(0);
  });

  it('takes contexts and values of variants', async () => {
    await create('flag', {
      type: 'object',
      variants: { a: { size: 1 }, b: {} },
      defaultVariant: 'a',
    });
    const page = await open('variants');
    const value = page.getByRole('textbox', { name: 'Value of a' });
    await value.fill('{"size": ');
    await page.getByRole('button', { name: 'Line 1' }).waitFor();
    await value.fill('{"size": 42}');
    await page.getByText('This is not JSON.').waitFor({ state: 'hidden' });
    await page.getByRole('link', { name: 'JSON' }).click();
    await expectSoon(() => editor(page).innerText()).toContain('"size": 42');
  });

  it.each(LAYOUTS)('has no barriers in %j, with problems too', async options => {
    const variants = { a: { on: true, n: null, size: 1 }, b: {} };
    await create('flag', { type: 'object', variants, defaultVariant: 'a' });
    const page = await open('json', options);
    const content = page.locator('.cm-content');
    expect(await findBarriers(page)).toEqual([]);
    await content.fill('{\n  "a": \n}');
    await page.locator('.findings .link').waitFor();
    expect(await findBarriers(page)).toEqual([]);
    const folder = process.env['CONSOLE_SCREENSHOTS'];
    if (folder !== undefined)
      await page.screenshot({ path: `${folder}/editor ${options.width} ${options.theme}.png` });
  });
});
