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

const open = async (path: string, options?: PageOptions, key?: string): Promise<Page> => {
  const page = await openPage(tests.browser, tests.url + path, options);
  await signIn(page, key);
  await page.locator('.section').first().waitFor();
  return page;
};

const create = async (kind: 'flags' | 'segments', body: object, environment = 'production') => {
  const path = `/api/v1/${kind}?environment=${environment}`;
  const { status, text } = await tests.server.request('POST', path, { body });
  expect([status, text]).toEqual([201, text]);
};

const staff = (value: readonly string[] = ['ada']) => ({
  key: 'staff',
  conditions: [{ attribute: 'targetingKey', operator: 'in', value }],
});

const submit = async (page: Page) => {
  await page.locator('[role=dialog] [type=submit]').click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
};

describe('segments', () => {
  it('are created, changed after a review, and deleted', async () => {
    const page = await open('/segments?env=production');
    await page.getByRole('button', { name: 'New segment' }).click();
    await page.getByRole('dialog').getByLabel('Key', { exact: true }).fill('staff');
    await page.getByRole('dialog').getByLabel('Is one of').fill('ada\ngrace');
    await submit(page);
    await page.waitForURL(/segments\/staff/);
    await page.getByRole('textbox', { name: '2 values' }).fill('ada\ngrace\nlin');
    await page.getByRole('button', { name: 'Review' }).click();
    await page.getByRole('dialog').getByRole('textbox').fill('OPS-17');
    await submit(page);
    const { body } = await tests.server.api('GET', '/segments/staff');
    expect(body).toMatchObject({ ...staff(['ada', 'grace', 'lin']), version: 2 });
    const audit = await tests.server.api('GET', '/audit?limit=1');
    expect(audit.body.items[0]).toMatchObject({ key: 'staff', comment: 'OPS-17' });
    await page.getByRole('button', { name: 'Delete', exact: true }).click();
    await submit(page);
    await page.getByText('There are no segments in this environment.').waitFor();
  });

  it('are tried with a context before they are written', async () => {
    await create('segments', staff());
    const page = await open('/segments/staff?env=production', { expected: /400/ });
    await page.getByRole('button', { name: 'Test' }).click();
    await page.getByText('The context is in the segment.').waitFor();
    await page.getByRole('textbox', { name: '1 value' }).fill('grace');
    await page.getByRole('button', { name: 'Test' }).click();
    await page.getByText('The context is not in the segment.').waitFor();
    await page.getByLabel('Context, as JSON').fill('[1');
    await page.getByRole('button', { name: 'Test' }).click();
    await page.getByText('This is not an object in JSON').waitFor();
    expect((await tests.server.api('GET', '/segments/staff')).body.version).toBe(1);
  });

  it('list the flags that use them, and cannot be deleted then', async () => {
    await create('segments', staff());
    await create('flags', {
      key: 'checkout',
      enabled: true,
      rules: [{ conditions: [{ any: [{ segment: 'staff' }] }] }],
    });
    await create('flags', { key: 'other', enabled: true });
    const page = await open('/segments/staff?env=production', { expected: /409/ });
    await page.getByRole('link', { name: 'checkout' }).waitFor();
    expect(await page.locator('.links a').count()).toBe(1);
    await page.getByRole('button', { name: 'Delete', exact: true }).click();
    await page.locator('[role=dialog] [type=submit]').click();
    await page.getByRole('dialog').getByText('checkout').waitFor();
  });

  it('that changed elsewhere are merged, and in the same field by choice', async () => {
    await create('segments', staff());
    const page = await open('/segments/staff?env=production', { expected: /412/ });
    const apply = async () => {
      await page.getByRole('button', { name: 'Review' }).click();
      await submit(page);
    };
    const name = page.getByLabel('Name', { exact: true });
    const saved = async () => (await tests.server.api('GET', '/segments/staff')).body;
    await name.fill('Mine');
    await tests.server.api('PATCH', '/segments/staff', { body: { description: 'Theirs' } });
    await apply();
    const notice = page.getByRole('alert', { name: 'The segment has changed' });
    expect(await notice.innerText()).toContain('Theirs');
    await tests.server.api('PATCH', '/segments/staff', { body: { name: 'Other' } });
    await notice.getByRole('button', { name: 'Continue with this' }).click();
    expect((await saved()).name).toBe('Other');
    await apply();
    const merge = notice.getByRole('button', { name: 'Continue with this' });
    expect(await merge.isDisabled()).toBe(true);
    await notice.getByRole('radio', { name: 'Keep mine' }).check();
    await merge.click();
    await apply();
    expect(await saved()).toMatchObject({ name: 'Mine', description: 'Theirs', version: 4 });
  });

  it('cannot be changed by a viewer, and name the role that may', async () => {
    await create('segments', staff());
    const key = await tests.server.keyOf('viewer', '*');
    const page = await open('/segments/staff?env=production', {}, key);
    expect(await page.locator('.note').innerText()).toContain('editor');
    expect(await page.getByRole('combobox', { name: 'Operator' }).isDisabled()).toBe(true);
    expect(await page.getByRole('button', { name: 'Delete' }).count()).toBe(0);
  });
});

describe('comparing environments', () => {
  it('promotes the chosen flags with the segments that they need, after a review', async () => {
    await create('segments', staff(), 'development');
    const rules = [{ conditions: [{ segment: 'staff' }] }];
    await create('flags', { key: 'checkout', enabled: true, rules }, 'development');
    await create('flags', { key: 'ranking', enabled: true, owner: 'ada' }, 'development');
    await create('flags', { key: 'ranking', enabled: false, owner: 'grace' });
    await create('flags', { key: 'same', enabled: true }, 'development');
    await create('flags', { key: 'same', enabled: true });
    const page = await open('/compare?from=development&to=production');
    await expectSoon(() => page.locator('.item strong').allInnerTexts()).toEqual([
      'checkout',
      'ranking',
      'staff',
    ]);
    const promote = page.getByRole('button', { name: /^Promote/ });
    expect(await promote.getAttribute('aria-disabled')).toBe('true');
    await page.getByRole('checkbox', { name: 'Choose checkout' }).check();
    await page.getByRole('checkbox', { name: 'Choose ranking' }).check();
    await promote.click();
    await page.locator('.promoted').getByText('staff').waitFor();
    expect(await page.locator('.promoted').innerText()).toContain('owner');
    await page.getByRole('dialog').getByRole('textbox').fill('Release 7');
    await submit(page);
    const ranking = (await tests.server.api('GET', '/flags/ranking')).body;
    expect(ranking).toMatchObject({ owner: 'ada', enabled: false });
    expect((await tests.server.api('GET', '/flags/checkout')).body.enabled).toBe(false);
    expect((await tests.server.api('GET', '/segments/staff')).status).toBe(200);
    const { body } = await tests.server.api('GET', '/audit?flag=checkout&limit=1');
    expect(body.items[0]).toMatchObject({ from: 'development', comment: 'Release 7' });
    await page.getByText('differs: enabled').first().waitFor();
  });

  it('takes whether a flag is enabled if that is chosen', async () => {
    await create('flags', { key: 'checkout', enabled: true }, 'development');
    await create('flags', { key: 'checkout', enabled: false });
    const page = await open('/compare?from=development&to=production');
    await page.getByRole('checkbox', { name: 'Choose checkout' }).check();
    await page.getByRole('button', { name: /^Promote/ }).click();
    await page.locator('.promoted').getByText('stays the same').waitFor();
    await page.getByRole('checkbox', { name: 'Also take' }).check();
    await page.locator('.promoted').getByText('changes:').waitFor();
    await submit(page);
    expect((await tests.server.api('GET', '/flags/checkout')).body.enabled).toBe(true);
    await page.getByText('They are the same.').first().waitFor();
  });

  it('is not previewed again once it is made, if the list shows it before the dialog is closed', async () => {
    await create('flags', { key: 'checkout', enabled: true, owner: 'ada' }, 'development');
    await create('flags', { key: 'checkout', enabled: true, owner: 'grace' });
    const page = await open('/compare?from=development&to=production');
    await page.getByRole('checkbox', { name: 'Choose checkout' }).check();
    await page.getByRole('button', { name: /^Promote/ }).click();
    await page.locator('.promoted').getByText('changes:').waitFor();
    let previews = 0;
    await page.route(/promote/, async route => {
      const response = await route.fetch();
      await page.getByText('They are the same.').first().waitFor();
      previews = await page.locator('.promoted').getByText('changes:').count();
      await route.fulfill({ response });
    });
    await submit(page);
    expect(previews).toBe(1);
    expect((await tests.server.api('GET', '/flags/checkout')).body.owner).toBe('ada');
  });

  it('is shown again if a flag changed after the review', async () => {
    await create('flags', { key: 'checkout', enabled: true, owner: 'ada' }, 'development');
    const page = await open('/compare?from=development&to=production', { expected: /412/ });
    await page.getByRole('checkbox', { name: 'Choose checkout' }).check();
    await page.getByRole('button', { name: /^Promote/ }).click();
    await page.locator('.promoted').getByText('is created').waitFor();
    await create('flags', { key: 'checkout', enabled: true, owner: 'grace' });
    await page.locator('[role=dialog] [type=submit]').click();
    await page.locator('.promoted').getByText('changes:').waitFor();
    await submit(page);
    expect((await tests.server.api('GET', '/flags/checkout')).body.owner).toBe('ada');
  });
});

describe('the differences of many flags', () => {
  const COUNT = 5_000;
  const MAX_NODES = 800;
  const keyAt = (number: number) => `flag-${String(number).padStart(4, '0')}`;

  const importMany = async (): Promise<void> => {
    await create('flags', { key: 'template', enabled: true }, 'development');
    const { body } = await tests.server.request(
      'GET',
      '/api/v1/flags/template?environment=development',
    );
    const { etag: _, warnings: __, ...document } = body;
    const flags = Array.from({ length: COUNT }, (___, number) => ({
      ...document,
      key: keyAt(number),
    }));
    const { createdAt } = document;
    const imported = await tests.server.request('POST', '/api/v1/import?overwrite=true', {
      body: {
        formatVersion: 1,
        environments: [{ key: 'development', createdAt, flags, segments: [] }],
      },
    });
    expect([imported.status, imported.text]).toEqual([200, imported.text]);
  };

  it('are drawn as far as they are visible, are found by a filter, and stay chosen', async () => {
    await importMany();
    const page = await open('/compare?from=development&to=production');
    await page.getByText(keyAt(0)).waitFor();
    expect(await page.evaluate('document.querySelectorAll("*").length')).toBeLessThan(MAX_NODES);
    await page.getByText('5,000 of 5,000').waitFor();
    await page.getByRole('checkbox', { name: `Choose ${keyAt(0)}` }).check();
    const filter = page.getByRole('searchbox', { name: 'Filter' });
    await filter.fill('FLAG-49 99');
    await page.getByText('10 of 5,000').waitFor();
    await page.getByRole('checkbox', { name: `Choose ${keyAt(COUNT - 1)}` }).check();
    await filter.fill('none');
    await page.getByText('Nothing matches the filter.').waitFor();
    await filter.fill('');
    expect(await page.getByRole('checkbox', { name: `Choose ${keyAt(0)}` }).isChecked()).toBe(true);
    await page.getByRole('button', { name: 'Promote 2 flags to production' }).click();
    await expectSoon(() => page.locator('.promoted strong').allInnerTexts()).toEqual([
      keyAt(0),
      keyAt(COUNT - 1),
    ]);
  });

  it('are reached by the keyboard beyond the visible ones', async () => {
    await importMany();
    const page = await open('/compare?from=development&to=production');
    await page.getByRole('checkbox', { name: `Choose ${keyAt(0)}` }).focus();
    for (let reached = 0; reached < 40; reached += 1) {
      // The items after the focused one are drawn once the list has scrolled.
      await page.locator(`.item[aria-posinset="${reached + 2}"]`).waitFor();
      await page.keyboard.press('Tab');
      await page.keyboard.press('Tab');
    }
    const focused = await page.evaluate<string>('document.activeElement.closest("li").innerText');
    expect(focused).toContain(keyAt(40));
    const item = page.locator('.item').filter({ hasText: keyAt(40) });
    expect(await item.getAttribute('aria-posinset')).toBe('41');
    expect(await item.getAttribute('aria-setsize')).toBe(String(COUNT));
  });
});

describe.each(LAYOUTS)('with %j, segments and comparisons have no barrier', options => {
  it('for people with disabilities, and are not wider than the window', async () => {
    const long = 'x'.repeat(100);
    await create('segments', { ...staff([HOSTILE, long]), name: HOSTILE }, 'development');
    await create('segments', { ...staff([HOSTILE]), key: long }, 'development');
    await create('flags', { key: 'checkout', enabled: true, name: HOSTILE }, 'development');
    await create('flags', { key: long, enabled: true }, 'development');
    await create('flags', { key: long, enabled: true, owner: 'z'.repeat(200) });
    const page = await open('/segments?env=development', options);
    const check = (name: string) => expectLayout(page, name, options);
    await page.locator('.item').first().waitFor();
    await check('segments');
    await page.getByRole('link', { name: 'staff' }).click();
    await page.locator('.condition').first().waitFor();
    await check('segment');
    await page.goto(`${tests.url}/compare?from=development&to=production`);
    await page.locator('.item').first().waitFor();
    await check('compare');
    for (const box of await page.locator('.item input:enabled').all()) await box.check();
    await page.locator('.section-header .button').click();
    await page.locator('.promoted').waitFor();
    await check('promotion');
  });
});
