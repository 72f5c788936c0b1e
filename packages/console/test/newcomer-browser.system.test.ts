import type { Page } from 'playwright-core';
import { afterAll, describe, expect, it } from 'vitest';

import { useRedis } from '../../../server/test/redis/setup.ts';
import { openStore } from '../../../server/test/redis/store.ts';
import {
  createSqliteStores,
  newPrefix,
  type Store,
} from '../../../server/test/support/sqlite-store.ts';
import { PASSWORD } from '../../../server/test/support/sign-in.ts';
import { openPage, signIn } from './support/console-page.ts';
import { expectSoon, setUpConsole } from './support/console-tests.ts';

const sqlite = createSqliteStores();
afterAll(sqlite.remove);

describe('on the embedded store', () => {
  describeJourneys(sqlite.open);
});

describe('on Redis', () => {
  const redis = useRedis();
  describeJourneys(() => openStore(redis().url, { prefix: newPrefix() }));
});

function describeJourneys(open: () => Promise<Store>): void {
  const tests = setUpConsole(async () => ({ store: await open() }));
  const read = async () => (await tests.server.api('GET', '/flags/new-checkout')).body;
  const evaluate = async () =>
    tests.server.request('POST', '/ofrep/v1/evaluate/flags/new-checkout', {
      key: await tests.server.keyOf('server'),
      body: { context: { targetingKey: 'ada' } },
    });

  it('a newcomer gets an account, makes a flag, tries and evaluates it, sees who changed what, and undoes it', async () => {
    const startedAt = performance.now();
    const admin = await openPage(tests.browser, `${tests.url}/`);
    await signIn(admin);
    const page = await joinAsAda(admin);

    await page.getByRole('button', { name: 'New flag' }).click();
    await page.getByRole('dialog').getByRole('textbox', { name: 'Key' }).fill('new-checkout');
    await page.getByRole('button', { name: 'Create' }).click();
    await page.waitForURL(/flags\/new-checkout/);
    await page.goto(`${tests.url}/flags/new-checkout?env=production`);
    await page.getByRole('switch', { name: 'Enabled' }).click();
    await page.getByRole('button', { name: 'Add rule' }).click();
    await page.getByRole('textbox', { name: 'Percentage' }).fill('50');
    await page.getByRole('button', { name: 'Review' }).click();
    await page.getByRole('dialog').getByRole('textbox').fill('A first try');
    await page.locator('[type=submit]:not([aria-disabled=true])').click();
    await page.locator('.draft-bar').waitFor({ state: 'detached' });
    expect(await read()).toMatchObject({ enabled: true, rules: [{ percentage: 50 }] });

    await openTab(page, 'Try');
    await page.getByRole('group', { name: 'Attribute 1' }).getByLabel('Value').last().fill('ada');
    await page.locator('.step').first().waitFor();

    await openTab(page, 'Code');
    await page.getByRole('button', { name: 'Copy' }).click();
    await page.getByText('Copied').waitFor();
    const copied = await page.evaluate<string>('navigator.clipboard.readText()');
    expect(copied).toContain('new-checkout');
    await page.getByText('Waiting for the first evaluation').waitFor();
    await evaluate();
    await page.locator('.first-evaluation.done').waitFor();

    await openTab(page, 'History');
    await expectSoon(() => page.locator('.version').first().innerText()).toContain('A first try');
    expect(await page.locator('.version').first().innerText()).toContain('Ada Lovelace');
    await page.getByRole('button', { name: 'Revert to version 1' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Revert' }).click();
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await expectSoon(read).toMatchObject({ version: 3, enabled: false });
    const seconds = (performance.now() - startedAt) / 1_000;
    process.stdout.write(`A newcomer's first minutes took ${seconds.toFixed(1)} s.\n`);
  });

  it('a day of work is possible with the keyboard alone', async () => {
    const page = await openPage(tests.browser, `${tests.url}/flags`);
    await signIn(page);
    await page.getByRole('button', { name: 'New flag' }).first().waitFor();
    await page.keyboard.press('n');
    await page.waitForSelector('[role=dialog] input:focus');
    await page.keyboard.type('new-checkout');
    await page.keyboard.press('Enter');
    await page.waitForURL(/flags\/new-checkout/);
    await page.locator('.flag-tabs').waitFor();

    await tabTo(page, page.getByRole('link', { name: 'production' }));
    await page.keyboard.press('Enter');
    await page.waitForURL(/env=production/);
    await tabTo(page, page.getByRole('switch', { name: 'Enabled' }));
    await page.keyboard.press('Space');
    await tabTo(page, page.getByRole('button', { name: 'Add rule' }));
    await page.keyboard.press('Enter');
    await tabTo(page, page.getByRole('textbox', { name: 'Percentage' }));
    await page.keyboard.type('50');
    await tabTo(page, page.getByRole('button', { name: 'Review' }));
    await page.keyboard.press('Enter');
    await page.locator('[role=dialog]:focus-within').waitFor();
    await tabTo(page, page.getByRole('dialog').getByRole('textbox'));
    await page.keyboard.type('By keyboard');
    await tabTo(page, page.getByRole('dialog').locator('[type=submit]:not([aria-disabled=true])'));
    await page.keyboard.press('Enter');
    await page.locator('.draft-bar').waitFor({ state: 'detached' });
    expect(await read()).toMatchObject({ enabled: true, rules: [{ percentage: 50 }] });

    await tabTo(page, page.locator('.flag-tabs').getByRole('link', { name: 'Try' }));
    await page.keyboard.press('Enter');
    const attribute = page.getByRole('group', { name: 'Attribute 1' });
    await tabTo(page, attribute.getByLabel('Value').last());
    await page.keyboard.type('ada');
    await page.locator('.step').first().waitFor();

    await tabTo(page, page.locator('.flag-tabs').getByRole('link', { name: 'History' }));
    await page.keyboard.press('Enter');
    await tabTo(page, page.getByRole('button', { name: 'Revert to version 1' }));
    await page.keyboard.press('Enter');
    await page.locator('[role=dialog]:focus-within').waitFor();
    await tabTo(page, page.getByRole('dialog').getByRole('button', { name: 'Revert' }));
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await expectSoon(read).toMatchObject({ version: 3, enabled: false });
  });

  /** Invites a person, and opens the link of the invitation in another browser as that person. */
  const joinAsAda = async (admin: Page): Promise<Page> => {
    await admin.goto(`${tests.url}/settings/invitations`);
    await admin.getByRole('button', { name: 'Invite' }).click();
    const dialog = admin.getByRole('dialog');
    await dialog.getByLabel('E-mail address', { exact: true }).fill('ada@example.com');
    await dialog.getByLabel('All environments').selectOption('admin');
    await admin.locator('[role=dialog] [type=submit]').click();
    const link = await admin.locator('.secret input').inputValue();
    const page = await openPage(tests.browser, link);
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await page.getByLabel('Your name').fill('Ada Lovelace');
    await page.getByLabel('Password').fill(PASSWORD);
    await page.getByRole('button', { name: 'Join' }).click();
    await page.getByRole('button', { name: 'Ada Lovelace' }).waitFor();
    return page;
  };
}

const openTab = (page: Page, name: string): Promise<void> =>
  page.locator('.flag-tabs').getByText(name, { exact: true }).click();

/** A page has fewer elements that take the focus. */
const MAX_TABS = 120;

/** Presses Tab until an element has the focus. */
const tabTo = async (page: Page, target: ReturnType<Page['locator']>): Promise<void> => {
  await target.first().waitFor();
  const focused = target.and(page.locator(':focus'));
  for (let tabs = 0; tabs < MAX_TABS && (await focused.count()) === 0; tabs += 1)
    await page.keyboard.press('Tab');
  expect(await focused.count()).toBe(1);
};
