import { expect, it } from 'vitest';

import { openPage, signIn } from './support/console-page.ts';
import { expectSoon, setUpConsole } from './support/console-tests.ts';

const tests = setUpConsole();

const read = async () => (await tests.server.api('GET', '/flags/new-checkout')).body;

it('a newcomer makes a flag, tries it, evaluates it, finds who changed what, and undoes it', async () => {
  const page = await openPage(tests.browser, `${tests.url}/`);
  await signIn(page);
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

  await page.locator('.flag-tabs').getByText('Try', { exact: true }).click();
  await page.getByRole('group', { name: 'Attribute 1' }).getByLabel('Value').last().fill('ada');
  await page.locator('.step').first().waitFor();

  await page.locator('.flag-tabs').getByText('Code', { exact: true }).click();
  await page.getByText('Waiting for the first evaluation').waitFor();
  await tests.server.request('POST', '/ofrep/v1/evaluate/flags/new-checkout', {
    key: await tests.server.keyOf('server'),
    body: { context: { targetingKey: 'ada' } },
  });
  await page.locator('.first-evaluation.done').waitFor();

  await page.locator('.flag-tabs').getByText('History', { exact: true }).click();
  await expectSoon(() => page.locator('.version').first().innerText()).toContain('A first try');
  await page.getByRole('button', { name: 'Revert to version 1' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Revert' }).click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await expectSoon(read).toMatchObject({ version: 3, enabled: false });
});
