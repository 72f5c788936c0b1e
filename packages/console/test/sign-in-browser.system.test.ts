import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { builtConsole, type BuiltConsole } from '../../../server/test/support/console.ts';
import { freePort } from '../../../server/test/support/free-ports.ts';
import { startProvider, type TestProvider } from '../../../server/test/support/oidc-provider.ts';
import { startServer, type TestServer } from '../../../server/test/support/server.ts';
import { joinAs, PASSWORD } from '../../../server/test/support/sign-in.ts';
import {
  closePages,
  findBarriers,
  openPage,
  startBrowser,
  type PageOptions,
} from './support/console-page.ts';

const EMAIL = 'ada@example.com';
const ADA = { sub: 'ada-1', name: 'Ada Lovelace', email: EMAIL, email_verified: true };
const EDITOR = { environment: '*', role: 'editor' } as const;

let built: BuiltConsole;
let browser: Browser;
beforeAll(async () => {
  built = await builtConsole();
  browser = await startBrowser();
});
afterAll(() => browser.close());

let provider: TestProvider;
let server: TestServer;
let url: string;
beforeEach(async () => {
  // The provider must know the address of the server before it starts.
  const port = await freePort();
  url = `http://127.0.0.1:${port}`;
  provider = await startProvider({ url });
  server = await startServer({ console: built.source, signIn: { oidc: provider.settings() } });
  await server.listen({ port });
  return async () => {
    await closePages(browser);
    await server.close();
    await provider.close();
  };
});

/** A page that may visit the provider. */
const open = (path: string, options: PageOptions = {}): Promise<Page> =>
  openPage(browser, url + path, { expected: new RegExp(`^${provider.issuer}/`), ...options });

const invite = async (body: object): Promise<string> =>
  (await server.request('POST', '/api/v1/invitations', { body })).body.path;

const alertOf = (page: Page) => page.getByRole('alert').filter({ hasText: /./ });

describe('the page to sign in', () => {
  it('leads to the provider, and then to the page that required it', async () => {
    await invite({ email: EMAIL, grants: [EDITOR] });
    provider.setUser(ADA);
    const page = await open('/flags?q=tag:web');
    await page.getByRole('button', { name: 'Sign in with Example' }).click();
    await page.getByRole('button', { name: 'Ada Lovelace' }).waitFor();
    const { pathname, searchParams } = new URL(page.url());
    expect([pathname, searchParams.get('q')]).toEqual(['/flags', 'tag:web']);
    await page.reload();
    await page.getByRole('button', { name: 'Ada Lovelace' }).waitFor();
  });

  it('explains why the provider could not sign a person in', async () => {
    provider.setUser(ADA);
    const page = await open('/sign-in');
    await page.getByRole('button', { name: 'Sign in with Example' }).click();
    await page.waitForURL(/problem=noRole/);
    expect(await alertOf(page).innerText()).toContain('You have no role yet.');
  });

  it('takes an e-mail address and a password, and remembers that', async () => {
    await joinAs(server, [EDITOR], EMAIL);
    const page = await open('/sign-in', { expected: /401/ });
    await page.getByRole('button', { name: 'Use an e-mail address and a password' }).click();
    await page.getByLabel('E-mail address').fill(EMAIL);
    await page.getByLabel('Password').fill('a wrong password');
    await page.keyboard.press('Enter');
    await alertOf(page).waitFor();
    await page.getByLabel('Password').fill(PASSWORD);
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: EMAIL }).click();
    await page.getByRole('menuitem', { name: 'Sign out' }).click();
    await page.getByLabel('E-mail address').waitFor();
    expect(await page.locator('input[name=key]').count()).toBe(0);
  });

  it.each([
    ['light', 1_440],
    ['dark', 390],
  ] as const)('has no barriers, %s at %d pixels', async (theme, width) => {
    const page = await open('/sign-in?problem=emailTaken', { theme, width });
    await page.getByRole('button', { name: 'Use an e-mail address and a password' }).click();
    expect(await findBarriers(page)).toEqual([]);
  });
});

describe('the page of an invitation', () => {
  it('makes a new person, who is signed in', async () => {
    const page = await open(await invite({ email: EMAIL, grants: [EDITOR] }));
    await page.getByLabel('Your name').fill('Ada Lovelace');
    expect(await page.getByLabel('E-mail address').inputValue()).toBe(EMAIL);
    await page.getByLabel('Password').fill(PASSWORD);
    await page.getByRole('button', { name: 'Join' }).click();
    await page.getByRole('button', { name: 'Ada Lovelace' }).waitFor();
    expect(page.url()).toBe(`${url}/flags`);
  });

  it('can be used by signing in with the provider', async () => {
    provider.setUser(ADA);
    const page = await open(await invite({ email: EMAIL, grants: [EDITOR] }));
    await page.getByRole('button', { name: 'Sign in with Example' }).click();
    await page.getByRole('button', { name: 'Ada Lovelace' }).waitFor();
    expect((await server.request('GET', '/api/v1/invitations')).body.items).toEqual([]);
  });

  it('lets a person set another password', async () => {
    await joinAs(server, [EDITOR], EMAIL);
    const [{ id }] = (await server.request('GET', '/api/v1/people')).body.items;
    const page = await open(await invite({ person: id }));
    await page.getByRole('heading', { name: 'Set a new password' }).waitFor();
    expect(await page.getByLabel('Your name').count()).toBe(0);
    await page.getByLabel('New password').fill('another long one');
    await page.getByRole('button', { name: 'Set the password' }).click();
    await page.getByRole('button', { name: EMAIL }).waitFor();
  });

  it('explains a link that cannot be used any longer', async () => {
    const page = await open('/join#abc-def', { expected: /404/ });
    expect(await alertOf(page).innerText()).toContain('an admin can make another one');
    await page.getByRole('link', { name: 'Sign in' }).click();
    await page.waitForURL(`${url}/sign-in`);
  });

  it.each([
    ['light', 1_440],
    ['dark', 390],
  ] as const)('has no barriers, %s at %d pixels', async (theme, width) => {
    const path = await invite({ email: EMAIL, grants: [EDITOR] });
    const page = await open(path, { theme, width });
    await page.getByLabel('Your name').waitFor();
    expect(await findBarriers(page)).toEqual([]);
  });
});
