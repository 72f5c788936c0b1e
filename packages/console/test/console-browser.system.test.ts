import type { Page, Route } from 'playwright-core';
import { describe, expect, it } from 'vitest';

import { createAwayStore } from '../../../server/test/support/away-store.ts';
import { startServer } from '../../../server/test/support/server.ts';
import { stoppedClock } from '../../../server/test/support/shifted-clock.ts';
import {
  closePages,
  findBarriers,
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

/** Opens the console and signs in. */
const open = async (options?: PageOptions, path = '/flags'): Promise<Page> => {
  const page = await openPage(tests.browser, tests.url + path, options);
  await signIn(page);
  return page;
};

const switchOf = (page: Page, flag: string, environment = 'production') =>
  page.getByRole('switch', { name: `${flag} in ${environment}` });

const enabledIn = async (key: string, environment = 'production'): Promise<unknown> =>
  (await tests.server.request('GET', `/api/v1/flags/${key}?environment=${environment}`)).body
    .enabled;

describe('signing in', () => {
  it('with a wrong key shows why not, and with the right one opens the page that required it', async () => {
    await create('wanted', { tags: ['a b'] });
    await create('other');
    const page = await openPage(tests.browser, `${tests.url}/flags?q=tag:%22a+b%22`, {
      expected: /401/,
    });
    await page.fill('input[name=key]', 'wrong-key-0123456789-0123456789');
    await page.keyboard.press('Enter');
    await expectSoon(() => page.getByRole('alert').innerText()).toMatch(/key/);
    const entries = await page.evaluate('history.length');
    await signIn(page);
    await page.waitForSelector('.flag-key');
    expect(await page.locator('.flag-key').allInnerTexts()).toEqual(['wanted']);
    expect(new URL(page.url()).searchParams.get('q')).toBe('tag:"a b"');
    expect(await page.evaluate('history.length')).toBe(entries);
  });

  it('lasts over a reload, and ends by signing out', async () => {
    const page = await open();
    await page.reload();
    // The server would refuse what the page still reads when it signs out.
    await page.waitForSelector('.live:not(.waiting)');
    await page.getByRole('button', { name: 'admin' }).click();
    await page.getByRole('menuitem', { name: 'Sign out' }).click();
    await page.waitForURL(`${tests.url}/sign-in`);
    await page.goto(`${tests.url}/flags`);
    await page.waitForURL(/sign-in/);
    expect(await page.locator('.account').count()).toBe(0);
  });

  it('never follows a link to another site', async () => {
    const page = await openPage(tests.browser, `${tests.url}/sign-in?to=//example.com/flags`);
    await signIn(page);
    expect(new URL(page.url()).origin).toBe(tests.url);
  });

  it('is required again once the key has been deleted, and forgets what it has read', async () => {
    await create('first');
    const key = await tests.server.keyOf('editor', '*');
    const page = await openPage(tests.browser, `${tests.url}/flags`, { expected: /401/ });
    await signIn(page, key);
    await page.waitForSelector('.flag-key');
    const { body } = await tests.server.request('GET', '/api/v1/keys');
    const { id } = body.items.find(({ role }: { role: string }) => role === 'editor');
    await tests.server.request('DELETE', `/api/v1/keys/${id}`);
    await page.waitForURL(/sign-in\?to=/);
    await page.route(/trpc/, () => {});
    await signIn(page, await tests.server.keyOf('viewer', 'development'));
    await page.getByText('Loading…').waitFor();
    expect(await page.locator('.flag-key').count()).toBe(0);
  });
});

describe('the list of flags', () => {
  it('shows what changes through the API, without a reload', async () => {
    await create('first', { enabled: false });
    const page = await open();
    await page.waitForSelector('.live:not(.waiting)');
    await create('second', { enabled: true });
    await switchOf(page, 'second').waitFor();
    await tests.server.api('PATCH', '/flags/first', { body: { enabled: true } });
    await switchOf(page, 'first').and(page.locator('[aria-checked=true]')).waitFor();
    await tests.server.api('DELETE', '/flags/second');
    await switchOf(page, 'second').waitFor({ state: 'detached' });
    expect(await page.locator('.count').innerText()).toContain('1 flag');
  });

  it('follows changes again after a new environment was created', async () => {
    await create('first');
    const page = await open();
    await tests.server.request('POST', '/api/v1/environments', { body: { key: 'staging' } });
    await page.getByRole('columnheader', { name: 'staging' }).waitFor();
    await create('first', { enabled: true }, 'staging');
    await switchOf(page, 'first', 'staging').waitFor();
    await expectSoon(() => page.locator('.count').innerText()).toContain('live');
  });

  it('writes a switch at once', async () => {
    await create('first', { enabled: false });
    const page = await open();
    await switchOf(page, 'first').click();
    await expectSoon(() => enabledIn('first')).toBe(true);
    await switchOf(page, 'first').and(page.locator('[aria-checked=true]')).waitFor();
  });

  it('changes several flags in one commit, after a review with a reason for the audit log', async () => {
    for (const key of ['a', 'b', 'c']) await create(key, { enabled: true });
    const page = await open();
    await page.getByRole('checkbox', { name: 'Choose a', exact: true }).check();
    await page.getByRole('checkbox', { name: 'Choose c', exact: true }).check();
    await page.getByRole('button', { name: 'Disable in' }).click();
    await page.getByRole('menuitem', { name: 'production' }).click();
    await page.getByRole('dialog').getByRole('textbox').fill('Störung OPS-17 ✓');
    await page.getByRole('button', { name: 'Apply' }).click();
    await expectSoon(() => enabledIn('c')).toBe(false);
    expect([await enabledIn('a'), await enabledIn('b')]).toEqual([false, true]);
    const { body } = await tests.server.api('GET', '/audit?limit=2');
    const [last, previous] = body.items;
    expect([last.comment, previous.comment]).toEqual(['Störung OPS-17 ✓', 'Störung OPS-17 ✓']);
    expect(last.revision).toBe(previous.revision);
  });

  it('shows a change in an environment with "confirm" for review before it is written', async () => {
    await create('first', { enabled: true });
    const environment = { name: 'Live', color: 'red', confirm: true };
    await tests.server.request('PATCH', '/api/v1/environments/production', { body: environment });
    const page = await open();
    await page.getByRole('columnheader', { name: 'Live' }).waitFor();
    await switchOf(page, 'first').click();
    await page.getByRole('dialog', { name: 'Disable first in production?' }).waitFor();
    await page.locator('[role=dialog]:focus-within').waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    expect(await enabledIn('first')).toBe(true);
    await switchOf(page, 'first').click();
    await page.getByRole('dialog').getByRole('textbox').fill('OPS-18');
    await page.getByRole('button', { name: 'Apply' }).click();
    await expectSoon(() => enabledIn('first')).toBe(false);
    const { body } = await tests.server.api('GET', '/audit?limit=1');
    expect(body.items[0]).toMatchObject({ key: 'first', comment: 'OPS-18' });
  });

  it('cannot be changed by a viewer, and names the role that may', async () => {
    await create('first', { enabled: false });
    const page = await openPage(tests.browser, `${tests.url}/flags`);
    await signIn(page, await tests.server.keyOf('viewer', '*'));
    await switchOf(page, 'first').click({ force: true });
    expect(await switchOf(page, 'first').getAttribute('aria-disabled')).toBe('true');
    expect(await switchOf(page, 'first').getAttribute('title')).toContain('editor');
    expect(await enabledIn('first')).toBe(false);
  });

  it('shows how often each flag was evaluated in the last 24 hours', async () => {
    await using server = await startServer({
      console: tests.built.source,
      clock: stoppedClock(),
    });
    for (const key of ['used', 'unused']) {
      const body = { key, enabled: true, defaultVariant: 'on' };
      const { status, text } = await server.api('POST', '/flags', { body });
      expect([status, text]).toEqual([201, text]);
    }
    for (let number = 0; number < 3; number += 1)
      await server.api('POST', '/evaluate', { body: { flagKey: 'used', context: {} } });
    await expectSoon(async () => (await server.api('GET', '/usage?flag=used')).body.total).toBe(3);
    const page = await openPage(tests.browser, `${await server.listen()}/flags`);
    await signIn(page);
    const cells = page.locator('.grid-body .recent-usage');
    await expectSoon(() => cells.allInnerTexts()).toEqual(['0', '3']);
    expect(await page.locator('.recent-usage path').getAttribute('d')).toMatch(/^M23 16h/);
    expect(await cells.last().getAttribute('title')).toMatch(/^Last evaluated/);
    await page.setViewportSize({ width: 390, height: 900 });
    const lines = page.locator('.card .recent-usage');
    await expectSoon(() => lines.allInnerTexts()).toEqual([
      expect.stringMatching(/^0\s*24 h$/),
      expect.stringMatching(/^3\s*24 h$/),
    ]);
    await closePages(tests.browser);
  });

  it('has numbers in the order in which people count', async () => {
    for (const key of ['flag-10', 'flag-2', 'flag-1']) await create(key);
    const page = await open();
    await page.waitForSelector('.flag-key');
    await create('flag-3');
    await expectSoon(() => page.locator('.flag-key').allInnerTexts()).toEqual([
      'flag-1',
      'flag-2',
      'flag-3',
      'flag-10',
    ]);
  });

  it('has its search and its order in the URL, and reports words that it does not know', async () => {
    for (const key of ['a', 'b', 'c']) await create(key, { enabled: key !== 'b' });
    const page = await open();
    await page.getByRole('searchbox').fill('production:on nothing:known');
    await page.getByRole('button', { name: /^Flag/ }).click();
    await expectSoon(() => page.locator('.flag-key').allInnerTexts()).toEqual(['c', 'a']);
    expect(await page.locator('.search .error').innerText()).toContain('nothing:known');
    const { searchParams } = new URL(page.url());
    expect([searchParams.get('q'), searchParams.get('sort')]).toEqual([
      'production:on nothing:known',
      '-key',
    ]);
    await page.reload();
    await page.waitForSelector('.flag-key');
    expect(await page.locator('.flag-key').allInnerTexts()).toEqual(['c', 'a']);
  });

  it('has views that everyone has, and those that a person has saved', async () => {
    await create('switched-on', { enabled: true });
    await create('switched-off', { enabled: false });
    const page = await open();
    const shown = () => page.locator('.flag-key').allInnerTexts();
    const choose = async (name: string) => {
      await page.getByRole('button', { name: 'Views' }).click();
      await page.getByRole('menuitem', { name }).click();
    };
    await choose('Off in production');
    await expectSoon(shown).toEqual(['switched-off']);
    expect(new URL(page.url()).searchParams.get('q')).toBe('production:off');
    await page.getByRole('searchbox').fill('switched-on');
    await choose('Save this view…');
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('button', { name: 'Save' }).click();
    await dialog.getByText('Enter a name.').waitFor();
    await dialog.getByLabel('Name').fill(HOSTILE);
    await dialog.getByRole('button', { name: 'Save' }).click();
    await dialog.waitFor({ state: 'detached' });
    await choose('All flags');
    await expectSoon(shown).toEqual(['switched-off', 'switched-on']);
    await page.reload();
    await choose(HOSTILE);
    await expectSoon(shown).toEqual(['switched-on']);
    await choose(`Remove “${HOSTILE}”`);
    await page.getByRole('button', { name: 'Views' }).click();
    await page.getByRole('menuitem', { name: 'Save this view…' }).waitFor();
    expect(await page.getByRole('menuitem', { name: HOSTILE }).count()).toBe(0);
  });

  it('shows names that look like markup as text', async () => {
    await create('hostile', { name: HOSTILE, tags: [HOSTILE], owner: HOSTILE });
    const page = await open();
    await page.waitForSelector('.flag-about');
    expect(await page.locator('.flag-about').innerText()).toBe(`${HOSTILE} #${HOSTILE}`);
    expect(await page.locator('.grid img').count()).toBe(0);
  });

  it('can be used with the keyboard alone', async () => {
    for (const key of ['a', 'b', 'c']) await create(key, { enabled: false });
    const page = await openPage(tests.browser, `${tests.url}/flags`);
    const press = async (...keys: readonly string[]) => {
      for (const key of keys) await page.keyboard.press(key);
    };
    await page.waitForSelector('input[name=key]:focus');
    await signIn(page);
    await page.waitForSelector('.flag-key');
    await press('/');
    await page.keyboard.type('b');
    await expectSoon(() => page.locator('.flag-key').allInnerTexts()).toEqual(['b']);
    await press('Control+A', 'Delete');
    await expectSoon(() => page.locator('.flag-key').count()).toBe(3);
    for (let stops = 0; stops < 12; stops += 1) {
      if (await page.evaluate(`document.activeElement.matches('[data-position]')`)) break;
      await press('Tab');
    }
    await press('ArrowDown', 'End', 'ArrowUp', 'ArrowDown', 'Space');
    await expectSoon(() =>
      page.locator('[data-position]:focus').getAttribute('aria-label'),
    ).toMatch(/^b in/);
    await press('Home', 'Space');
    await expectSoon(() => enabledIn('b')).toBe(true);
    await page
      .getByRole('checkbox', { name: 'Choose b', exact: true })
      .and(page.locator(':checked'))
      .waitFor();
    await press('Control+End', 'Space');
    await expectSoon(() => enabledIn('c')).toBe(true);
  });

  it('reports that the server is away, and is current again afterwards', async () => {
    await create('first', { enabled: false });
    const page = await open({ expected: /ERR_|Failed to load|Failed to fetch/ });
    await page.waitForSelector('.live:not(.waiting)');
    await page.context().setOffline(true);
    await page.waitForSelector('.live.waiting');
    await page.getByText('The server does not respond. Reconnecting').waitFor();
    await switchOf(page, 'first').click();
    await expectSoon(() => page.getByRole('alert').allInnerTexts()).toEqual([
      expect.stringContaining('does not respond'),
    ]);
    await page.context().setOffline(false);
    await page.getByRole('button', { name: 'Dismiss' }).click();
    await page.waitForSelector('.live:not(.waiting)');
    await page.locator('.connection:empty').waitFor({ state: 'attached' });
    await switchOf(page, 'first').click();
    await expectSoon(() => enabledIn('first')).toBe(true);
  });

  it('is not live while the server hangs, and is current afterwards', async () => {
    await create('first', { enabled: false });
    const page = await open();
    await page.waitForSelector('.live:not(.waiting)');
    const held: Route[] = [];
    await page.route(/readyz|trpc/, route => void held.push(route));
    await page.waitForSelector('.live.waiting');
    await page.unroute(/readyz|trpc/);
    await tests.server.api('PATCH', '/flags/first', { body: { enabled: true } });
    for (const route of held) await route.continue().catch(() => {});
    await switchOf(page, 'first').and(page.locator('[aria-checked=true]')).waitFor();
    await page.waitForSelector('.live:not(.waiting)');
    expect(held.length).toBeGreaterThan(0);
  });

  it('has no stream while the page is in a tab behind others, and is current afterwards', async () => {
    await create('first', { enabled: false });
    const page = await open();
    const streams = async (): Promise<number> =>
      (await tests.server.request('GET', '/api/v1/status')).body.servers[0].streams;
    const show = (visibility: string) =>
      page.evaluate(value => {
        Object.defineProperty(document, 'visibilityState', { value, configurable: true });
        document.dispatchEvent(new Event('visibilitychange'));
      }, visibility);
    await page.waitForSelector('.live:not(.waiting)');
    await show('hidden');
    await tests.server.api('PATCH', '/flags/first', { body: { enabled: true } });
    await show('visible');
    await switchOf(page, 'first').and(page.locator('[aria-checked=true]')).waitFor();
    await show('hidden');
    await expectSoon(streams).toBe(0);
  });

  it('shows why a change was not made while the store is away', async () => {
    const store = createAwayStore();
    await using broken = await startServer({ console: tests.built.source, wrapStore: store.wrap });
    await broken.api('POST', '/flags', { body: { key: 'first', enabled: false } });
    const page = await openPage(tests.browser, `${await broken.listen()}/flags`, {
      expected: /503/,
    });
    await signIn(page);
    await switchOf(page, 'first').waitFor();
    store.isAway = true;
    await switchOf(page, 'first').click();
    await expectSoon(() => page.getByRole('alert').innerText()).toMatch(/store/);
    await page.locator('[role=switch][aria-checked=false]').waitFor();
    await page.route(/readyz/, route => route.fulfill({ json: { status: 'degraded' } }));
    await page.getByText('The store is away. Evaluations continue').waitFor();
    await closePages(tests.browser);
  });

  it('helps to create the first flag by the API, and shows it', async () => {
    const page = await open();
    expect(await page.locator('.empty').innerText()).toContain('/api/v1/flags?environment=');
    await create('first');
    await switchOf(page, 'first').waitFor();
  });

  it('creates a flag in several environments, disabled, and opens its page', async () => {
    for (const key of ['staging', 'qa'])
      await tests.server.request('POST', '/api/v1/environments', { body: { key } });
    const page = await open();
    await page.getByRole('button', { name: 'New flag' }).click();
    const dialog = page.getByRole('dialog', { name: 'New flag' });
    await dialog.getByRole('checkbox', { name: 'qa' }).uncheck();
    await dialog.getByRole('textbox', { name: 'Key' }).fill('new checkout');
    await dialog.getByText('Use only the letters').waitFor();
    const submit = dialog.getByRole('button', { name: 'Create' });
    expect(await submit.getAttribute('aria-disabled')).toBe('true');
    await dialog.getByRole('textbox', { name: 'Key' }).fill('new-checkout');
    await dialog.getByRole('textbox', { name: 'Name' }).fill('Checkout');
    await dialog.getByRole('combobox', { name: 'Type' }).selectOption('string');
    await dialog.getByRole('button', { name: 'Create' }).click();
    await page.waitForURL(/flags\/new-checkout\?/);
    await page.locator('.variant').first().waitFor();
    const flagIn = (environment: string) =>
      tests.server.request('GET', `/api/v1/flags/new-checkout?environment=${environment}`);
    expect((await flagIn('staging')).body).toMatchObject({
      name: 'Checkout',
      type: 'string',
      enabled: false,
    });
    expect((await flagIn('production')).status).toBe(200);
    expect((await flagIn('qa')).status).toBe(404);
  });

  it('creates a flag with the keyboard alone, and leaves out environments that have it on another attempt', async () => {
    await create('first', {}, 'production');
    await tests.server.request('POST', '/api/v1/environments', { body: { key: 'zoo' } });
    await create('taken', {}, 'zoo');
    const page = await open({ expected: /409/ });
    await page.waitForSelector('.flag-key');
    await page.keyboard.press('n');
    await page.waitForSelector('[role=dialog] input:focus');
    await page.keyboard.type('taken');
    await page.keyboard.press('Enter');
    const dialog = page.getByRole('dialog');
    await expectSoon(() => dialog.getByRole('alert').innerText()).toContain('exists');
    expect(await dialog.getByRole('checkbox', { name: 'production' }).isChecked()).toBe(false);
    expect(await dialog.getByRole('checkbox', { name: 'zoo' }).isChecked()).toBe(true);
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    await page.getByRole('switch', { name: 'taken in production' }).waitFor();
  });

  it('explains at the field why a key is not valid, before a request', async () => {
    const page = await open();
    await page.waitForSelector('.empty');
    await page.keyboard.press('n');
    const dialog = page.getByRole('dialog');
    const field = dialog.getByRole('textbox', { name: 'Key' });
    await field.press('Enter');
    await expectSoon(() => dialog.getByRole('alert').first().innerText()).toContain('Enter a key');
    for (const [key, problem] of [
      ['new checkout', 'no spaces'],
      ['prüfung', 'no other letters'],
      ['.hidden', 'Begin with'],
      ['a..b', 'Two dots'],
      ['x'.repeat(101), 'at most 100'],
    ] as const) {
      await field.fill(key);
      await expectSoon(() => dialog.getByRole('alert').first().innerText()).toContain(problem);
      await field.press('Enter');
      expect(await field.getAttribute('aria-invalid')).toBe('true');
    }
    // The page would have an error in its console if the server had refused one.
    await field.fill('a.b_c-D9');
    expect(await field.getAttribute('aria-invalid')).toBe('false');
    await field.press('Enter');
    await page.waitForURL(/flags\/a\.b_c-D9/);
  });

  it('offers no new flag to a viewer', async () => {
    const page = await openPage(tests.browser, `${tests.url}/flags`);
    await signIn(page, await tests.server.keyOf('viewer', '*'));
    await page.waitForSelector('.empty');
    await page.keyboard.press('n');
    expect(await page.getByRole('button', { name: 'New flag' }).count()).toBe(0);
    expect(await page.getByRole('dialog').count()).toBe(0);
  });
});

describe('a server with a base path', () => {
  it('serves the console below it, with deep links and pages that are loaded later', async () => {
    await using below = await startServer({ console: tests.built.source, basePath: '/tools/p' });
    const base = `${await below.listen()}/tools/p`;
    await below.request('POST', '/tools/p/api/v1/flags?environment=production', {
      body: { key: 'first', enabled: true },
    });
    const page = await openPage(tests.browser, `${base}/flags?q=first`);
    await signIn(page);
    await page.waitForSelector('.flag-key');
    expect(page.url()).toBe(`${base}/flags?q=first`);
    await page.waitForSelector('.live:not(.waiting)');
    await closePages(tests.browser);
  });
});

describe.each<PageOptions>([
  { theme: 'light' },
  { theme: 'dark' },
  { theme: 'light', width: 390 },
  { theme: 'dark', width: 390, language: 'de' },
  { theme: 'light', language: 'pseudo' },
  { theme: 'light', language: 'pseudo', width: 320 },
])('with %j, no page has a barrier', options => {
  it('for people with disabilities, or is wider than the window', async () => {
    for (const key of ['a', 'b']) await create(key, { enabled: key === 'a', name: HOSTILE });
    await create('x'.repeat(100), { name: 'y'.repeat(200), owner: 'z'.repeat(100) });
    const page = await openPage(tests.browser, `${tests.url}/flags`, options);
    const check = async (name: string) => {
      expect([name, await findBarriers(page)]).toEqual([name, []]);
      const { width = 1_440 } = options;
      expect([name, await page.evaluate('document.documentElement.scrollWidth')]).toEqual([
        name,
        width,
      ]);
    };
    await page.waitForSelector('input[name=key]');
    await check('sign in');
    await signIn(page);
    await page.waitForSelector('.flag-key');
    await check('flags');
    await page.click('.account');
    await page.waitForSelector('[role=menu]');
    await check('account');
    await page.keyboard.press('Escape');
    if (await page.locator('.choice').count()) {
      await page.locator('.grid-body .choice input').first().check();
      await page.locator('.grid-body .choice input').last().check();
      await page.locator('.bulk button').first().click();
      await page.getByRole('menuitem').first().click();
      await page.waitForSelector('[role=dialog]');
      await check('review');
      await page.keyboard.press('Escape');
    }
    await page.locator('.list-bar .primary').click();
    await page.waitForSelector('[role=dialog]');
    await check('new flag');
    await page.keyboard.press('Escape');
    await page.setViewportSize({ width: options.width ?? 1_440, height: 256 });
    const list = await page.locator('.grid-scroller, .cards-scroller').boundingBox();
    expect(list?.height).toBeGreaterThanOrEqual(150);
    await page.getByRole('searchbox').fill('nothing:known at-all');
    await page.waitForSelector('.empty');
    await check('no result');
    await page.goto(`${tests.url}/unknown`);
    await page.waitForSelector('h1');
    expect(await page.locator('nav a[href$="/segments"]').isVisible()).toBe(true);
    await check('unknown page');
  });
});

describe('the list of 1,000 flags in 5 environments', () => {
  it('is at most 800 elements, and each flag can be reached', async () => {
    const environments = ['production', 'staging', 'qa', 'canary', 'demo'];
    for (const key of environments.slice(1))
      await tests.server.request('POST', '/api/v1/environments', { body: { key } });
    const template = { name: 'A flag', tags: ['generated'], rules: [{ percentage: 10 }] };
    await create('flag', template);
    const { body: flag } = await tests.server.request(
      'GET',
      '/api/v1/flags/flag?environment=production',
    );
    const { etag: _, warnings: __, ...document } = flag;
    const flags = Array.from({ length: 1_000 }, (___, number) => ({
      ...document,
      key: `flag-${String(number).padStart(4, '0')}`,
      enabled: number % 2 === 0,
    }));
    const { createdAt } = document;
    const imported = await tests.server.request('POST', '/api/v1/import?overwrite=true', {
      body: {
        formatVersion: 1,
        environments: environments.map(key => ({ key, createdAt, flags, segments: [] })),
      },
    });
    expect([imported.status, imported.text]).toEqual([200, imported.text]);
    const page = await open();
    await page.waitForSelector('.flag-key');
    expect(await page.evaluate('document.querySelectorAll("*").length')).toBeLessThanOrEqual(800);
    await page.locator('[data-position="0:1"]').focus();
    await page.keyboard.press('Control+End');
    await expectSoon(() =>
      page.locator('[data-position]:focus').getAttribute('aria-label'),
    ).toMatch(/^flag-0999 in/);
  });
});
