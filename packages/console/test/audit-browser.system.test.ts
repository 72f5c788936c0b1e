import { readFileSync } from 'node:fs';

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

const open = async (path: string, options?: PageOptions): Promise<Page> => {
  const page = await openPage(tests.browser, tests.url + path, options);
  await signIn(page);
  await page.locator('.item').first().waitFor();
  return page;
};

const titles = (page: Page) => page.locator('.item-about > strong').allInnerTexts();

const create = async (key: string, fields: object = {}) => {
  const { status, text } = await tests.server.api('POST', '/flags', {
    body: { key, enabled: true, ...fields },
  });
  expect([status, text]).toEqual([201, text]);
};

describe('the audit log', () => {
  it('shows who changed what, with the reason and the differences', async () => {
    await create('checkout', { description: HOSTILE });
    await tests.server.api('PATCH', '/flags/checkout', {
      body: { enabled: false },
      headers: { 'x-change-comment': 'OPS-17' },
    });
    const page = await open('/audit');
    const entry = page.locator('.item', { hasText: 'flag.update' });
    expect(await entry.innerText()).toContain('“OPS-17”');
    await entry.locator('summary').click();
    expect(await entry.locator('.changes').innerText()).toMatch(/enabled\s+true\s+false/);
    expect(await page.locator('.items img').count()).toBe(0);
  });

  it('has its filters in the URL', async () => {
    await create('one');
    await create('two');
    const page = await open('/audit');
    await page.getByRole('searchbox', { name: 'Flag' }).fill('one');
    await page.keyboard.press('Enter');
    await expectSoon(() => titles(page)).toEqual(['flag.create one']);
    expect(new URL(page.url()).searchParams.get('flag')).toBe('one');
    await page.goto(`${tests.url}/audit`);
    await page.getByLabel('Action').selectOption('session.create');
    await expectSoon(async () => (await titles(page)).every(each => each.includes('session'))).toBe(
      true,
    );
    await page.getByLabel('Until').fill('2020-01-01T00:00');
    await page.getByLabel('Action').focus();
    await page.getByText('There are no such entries.').waitFor();
  });

  it('has more entries than one page', async () => {
    for (let number = 0; number < 60; number += 1) await create(`flag-${number}`);
    const page = await open('/audit?environment=production');
    await page.getByRole('button', { name: 'Show older entries' }).click();
    await expectSoon(() => page.locator('.item').count()).toBeGreaterThanOrEqual(60);
  });

  it('can be saved as a file', async () => {
    await create('checkout');
    const page = await open('/audit?flag=checkout&environment=production', {
      expected: /^blob:/,
    });
    for (const [name, start] of [
      ['Save as CSV', 'at,actor,action'],
      ['Save as NDJSON', '{"id":'],
    ] as const) {
      const saved = page.waitForEvent('download');
      await page.getByRole('button', { name }).click();
      const text = readFileSync(await (await saved).path(), 'utf8');
      expect(text.startsWith(start)).toBe(true);
      expect(text).toContain('checkout');
    }
  });

  it('brings back a deleted flag, unless its key is used again', async () => {
    await create('checkout', { owner: 'ada' });
    await tests.server.api('DELETE', '/flags/checkout');
    const page = await open('/audit');
    const restore = async () => {
      await page.getByRole('button', { name: 'Restore checkout' }).click();
      await page.locator('[role=dialog] [type=submit]').click();
    };
    await restore();
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    expect((await tests.server.api('GET', '/flags/checkout')).body).toMatchObject({
      owner: 'ada',
      version: 2,
    });
    await restore();
    await page.getByRole('dialog').getByText('created again').waitFor();
    expect((await tests.server.api('GET', '/flags/checkout')).body.version).toBe(2);
  });

  it('is that of one environment for those who may read one', async () => {
    await create('checkout');
    const page = await openPage(tests.browser, `${tests.url}/audit`);
    await signIn(page, await tests.server.keyOf('viewer', 'production'));
    await page.locator('.item').first().waitFor();
    expect(await page.getByLabel('Environment').locator('option').allInnerTexts()).toEqual([
      'production',
    ]);
  });
});

describe.each(LAYOUTS)('with %j, the audit log has no barrier', options => {
  it('for people with disabilities, and is not wider than the window', async () => {
    await create('x'.repeat(100), { description: HOSTILE, owner: 'y'.repeat(200) });
    await tests.server.api('DELETE', `/flags/${'x'.repeat(100)}`, {
      headers: { 'x-change-comment': 'z'.repeat(300) },
    });
    const page = await open('/audit', options);
    await page.locator('summary').first().click();
    await expectLayout(page, 'audit', options);
  });
});
