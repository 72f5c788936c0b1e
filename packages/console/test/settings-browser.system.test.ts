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
const PASSWORD = 'correct horse battery';

const open = async (path: string, options?: PageOptions): Promise<Page> => {
  const page = await openPage(tests.browser, tests.url + path, options);
  await signIn(page);
  await page.locator('.section').first().waitFor();
  return page;
};

const click = (page: Page, name: string) => page.getByRole('button', { name, exact: true }).click();

/** Fills a field of the dialog that is open. */
const fill = (page: Page, label: string, text: string) =>
  page.getByRole('dialog').getByLabel(label, { exact: true }).fill(text);

const submit = (page: Page) => page.locator('[role=dialog] [type=submit]').click();

const closed = (page: Page) => page.getByRole('dialog').waitFor({ state: 'detached' });

const items = (page: Page) => page.locator('.item strong').allInnerTexts();

/** Returns the secret that is shown once, and closes its dialog. */
const secretOf = async (page: Page): Promise<string> => {
  const secret = await page.locator('.secret input').inputValue();
  await click(page, 'Done');
  await closed(page);
  return secret;
};

const invite = async (email: string, environment = '*', role = 'admin'): Promise<string> => {
  const { body, text } = await tests.server.request('POST', '/api/v1/invitations', {
    body: { email, grants: [{ environment, role }] },
  });
  expect(text).toContain('/join#');
  return body.path.split('#')[1];
};

/** Signs a page in as a new person. */
const join = async (page: Page, name: string, token: string, path: string): Promise<void> => {
  await page.evaluate(
    async ([person, invitation, password]) => {
      const response = await fetch('/auth/join', {
        method: 'POST',
        headers: { 'x-pennon-console': '1', 'content-type': 'application/json' },
        body: JSON.stringify({ name: person, token: invitation, password }),
      });
      if (!response.ok) throw new Error(await response.text());
      localStorage.setItem('pennon-signed-in', '');
    },
    [name, token, PASSWORD],
  );
  await page.goto(tests.url + path);
  await page.locator('.wide-page').waitFor();
};

describe('the settings', () => {
  it('make, change, delete and restore environments', async () => {
    const page = await open('/settings/environments', { expected: /400/ });
    await click(page, 'New environment');
    await fill(page, 'Key', 'not a key');
    await submit(page);
    await page.getByRole('dialog').getByText('Use only the letters').waitFor();
    await fill(page, 'Key', 'qa');
    await fill(page, 'Name', 'Quality');
    await page.getByLabel('Colour').selectOption('purple');
    await fill(page, 'Position', '1');
    await submit(page);
    await closed(page);
    await expectSoon(() => items(page).then(([first]) => first)).toBe('Quality');
    await click(page, 'Edit qa');
    await fill(page, 'Name', '');
    await page.getByRole('checkbox').check();
    await submit(page);
    await closed(page);
    const { body } = await tests.server.request('GET', '/api/v1/environments');
    const changed = body.items.find(({ key }: { key: string }) => key === 'qa');
    expect(changed).toMatchObject({ color: 'purple', order: 1, confirm: true });
    expect(changed.name).toBeUndefined();
    await click(page, 'Delete qa');
    await fill(page, 'Enter qa to confirm', 'another');
    await submit(page);
    await page.getByRole('dialog').getByText('must be "qa"').waitFor();
    await fill(page, 'Enter qa to confirm', 'qa');
    await submit(page);
    await closed(page);
    await click(page, 'Restore qa');
    await submit(page);
    await closed(page);
    await page.getByRole('button', { name: 'Delete qa' }).waitFor();
  });

  it('show the secret of a new key once, and revoke it', async () => {
    const page = await open('/settings/keys');
    await click(page, 'New key');
    await fill(page, 'Name', HOSTILE);
    await page.getByLabel('Role').selectOption('viewer');
    await page.getByLabel('Environment').selectOption('production');
    await submit(page);
    const secret = await secretOf(page);
    expect(secret).toMatch(/^pennon_viewer_/);
    expect((await tests.server.api('GET', '/flags', { key: secret })).status).toBe(200);
    expect(await page.content()).not.toContain(secret);
    await click(page, `Revoke ${HOSTILE}`);
    await submit(page);
    await closed(page);
    await expectSoon(
      async () => (await tests.server.api('GET', '/flags', { key: secret })).status,
    ).toBe(401);
    await page.getByRole('button', { name: `Revoke ${HOSTILE}` }).waitFor({ state: 'detached' });
  });

  it('create a key whose evaluations are exposures', async () => {
    const page = await open('/settings/keys');
    await click(page, 'New key');
    await fill(page, 'Name', 'ofrep');
    await page.getByLabel('Role').selectOption('server');
    await page.getByLabel('Environment').selectOption('production');
    await page.getByLabel('Evaluations count as exposures').check();
    await submit(page);
    expect(await secretOf(page)).toMatch(/^pennon_server_/);
    await page.getByText('evaluations count as exposures').waitFor();
    const { body } = await tests.server.request('GET', '/api/v1/keys');
    expect(body.items).toContainEqual(
      expect.objectContaining({ name: 'ofrep', exposeOnEvaluate: true }),
    );
  });

  it('invite people, change their roles, and reset their passwords', async () => {
    const page = await open('/settings/invitations');
    await click(page, 'Invite');
    await fill(page, 'E-mail address', 'ada@example.com');
    await page.getByRole('dialog').getByLabel('production').selectOption('editor');
    await submit(page);
    const link = new URL(await secretOf(page));
    expect([link.origin, link.pathname]).toEqual([tests.url, '/join']);
    await page.getByText('ada@example.com').waitFor();
    // The page of a person who is deleted loses its session.
    const other = await openPage(tests.browser, `${tests.url}/sign-in`, { expected: /401/ });
    await join(other, 'Ada', link.hash.slice(1), '/settings/account');
    await other.getByText('Signed in as Ada: editor in production').waitFor();

    await page.getByRole('link', { name: 'People' }).click();
    await click(page, 'Edit Ada');
    await fill(page, 'Name', 'Ada Lovelace');
    await page.getByRole('dialog').getByLabel('production').selectOption('viewer');
    await submit(page);
    await closed(page);
    await page.getByText('viewer in production').waitFor();
    await click(page, 'Reset password of Ada Lovelace');
    await submit(page);
    expect(await secretOf(page)).toContain('/join#');
    await click(page, 'Delete Ada Lovelace');
    await submit(page);
    await closed(page);
    await page.getByText('There are no people yet.').waitFor();
  });

  it('withdraw an invitation', async () => {
    await invite('ada@example.com');
    const page = await open('/settings/invitations');
    await click(page, 'Withdraw the invitation of ada@example.com');
    await submit(page);
    await closed(page);
    await page.getByText('There are no open invitations.').waitFor();
    expect((await tests.server.request('GET', '/api/v1/invitations')).body.items).toEqual([]);
  });

  it('make groups of people with the same roles', async () => {
    const other = await openPage(tests.browser, `${tests.url}/sign-in`);
    await join(other, 'Ada', await invite('ada@example.com', 'production', 'viewer'), '/settings');
    const page = await open('/settings/groups');
    await click(page, 'New group');
    await fill(page, 'Key', 'checkout');
    await fill(page, 'Name', 'Checkout team');
    await page.getByRole('checkbox', { name: 'Ada (ada@example.com)' }).check();
    await page.getByRole('dialog').getByLabel('All environments').selectOption('editor');
    await submit(page);
    await closed(page);
    await page.getByText('1 member').waitFor();
    await other.reload();
    await other.getByRole('link', { name: 'My account' }).click();
    await other.getByText('editor in all environments').first().waitFor();
    await click(page, 'Delete Checkout team');
    await submit(page);
    await closed(page);
    await page.getByText('There are no groups.').waitFor();
    expect((await tests.server.request('GET', '/api/v1/groups')).body.items).toEqual([]);
  });

  it('change the own password, and make and revoke personal tokens', async () => {
    const page = await openPage(tests.browser, `${tests.url}/sign-in`, { expected: /400/ });
    await join(page, 'Ada', await invite('ada@example.com'), '/settings/account');
    await click(page, 'Change password');
    await fill(page, 'Current password', 'not the current one');
    await fill(page, 'New password', 'another long password');
    await submit(page);
    await page.getByRole('dialog').getByText('is not your current password').waitFor();
    await fill(page, 'Current password', PASSWORD);
    await submit(page);
    await closed(page);
    await click(page, 'New token');
    await fill(page, 'Name', 'script');
    await page.getByLabel('Environment').selectOption('production');
    await submit(page);
    const token = await secretOf(page);
    expect((await tests.server.api('GET', '/flags', { key: token })).status).toBe(200);
    await click(page, 'Revoke script');
    await submit(page);
    await closed(page);
    await expectSoon(
      async () => (await tests.server.api('GET', '/flags', { key: token })).status,
    ).toBe(401);
  });

  it('end the sessions of others, who must sign in again', async () => {
    const other = await openPage(tests.browser, `${tests.url}/sign-in`, { expected: /401/ });
    await join(other, 'Ada', await invite('ada@example.com'), '/settings/account');
    const page = await open('/settings/account');
    await click(page, 'End a session of Ada');
    await submit(page);
    await closed(page);
    await other.reload();
    await other.waitForURL(/sign-in/);
    expect(await other.locator('.wide-page').count()).toBe(0);
  });

  it('list the servers, with their store and what they lack', async () => {
    const page = await open('/settings/servers');
    await page.getByText('The store is available.').waitFor();
    const server = page.locator('.item');
    expect(await server.count()).toBe(1);
    expect(await server.innerText()).toMatch(/sends you this page[^]+version [^]+has all changes/);
  });

  it('keep what was chosen for this browser', async () => {
    const page = await open('/settings/account');
    await page.getByLabel('Appearance').selectOption('dark');
    expect(await page.locator('html').getAttribute('data-theme')).toBe('dark');
    const stored = await page.evaluate(() => localStorage.getItem('pennon-preferences'));
    expect(JSON.parse(stored ?? '{}')).toMatchObject({ theme: 'dark', language: 'en' });
  });

  it('are grey for those who may not change them, with the role that may', async () => {
    const page = await openPage(tests.browser, `${tests.url}/settings/environments`);
    await signIn(page, await tests.server.keyOf('editor', '*'));
    const create = page.getByRole('button', { name: 'New environment' });
    await create.click({ force: true });
    expect(await create.getAttribute('aria-disabled')).toBe('true');
    expect(await create.getAttribute('title')).toContain('admin');
    expect(await page.getByRole('dialog').count()).toBe(0);
    for (const name of ['Keys', 'People', 'Groups', 'Invitations', 'Servers']) {
      await page.getByRole('link', { name }).click();
      await page.locator('.note').getByText('admin').waitFor();
    }
  });
});

describe.each(LAYOUTS)('with %j, the settings have no barrier', options => {
  it('for people with disabilities, and are not wider than the window', async () => {
    await tests.server.request('PATCH', '/api/v1/environments/production', {
      body: { name: 'y'.repeat(200), description: HOSTILE, confirm: true },
    });
    await tests.server.request('POST', '/api/v1/environments', { body: { key: 'x'.repeat(100) } });
    await tests.server.request(
      'DELETE',
      `/api/v1/environments/${'x'.repeat(100)}?confirm=${'x'.repeat(100)}`,
    );
    await invite(`${'a'.repeat(60)}@example.com`);
    const other = await openPage(tests.browser, `${tests.url}/sign-in`);
    await join(other, 'z'.repeat(100), await invite('ada@example.com'), '/settings');
    await tests.server.request('POST', '/api/v1/groups', { body: { key: 'team', name: HOSTILE } });
    const page = await open('/settings/environments', options);
    const check = (name: string) => expectLayout(page, name, options);
    for (const name of ['environments', 'keys', 'people', 'groups', 'invitations', 'account']) {
      const link = page.locator(`.wide-page a[href$=${name}]`);
      const title = name === 'account' ? '' : await link.innerText();
      await link.click();
      await link.and(page.locator('[aria-current]')).waitFor();
      await page.locator('.section h2', { hasText: title }).first().waitFor();
      await page.locator('.item').first().waitFor();
      await check(name);
      if (name === 'account') continue;
      await page
        .locator(name === 'people' ? '.item-actions .button' : '.section-header .button')
        .first()
        .click();
      await page.getByRole('dialog').waitFor();
      await check(`dialog of ${name}`);
      await page.keyboard.press('Escape');
      await closed(page);
    }
  });
});
