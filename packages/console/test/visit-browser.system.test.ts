import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';

import { PASSWORD } from '../../../server/test/support/sign-in.ts';
import { createConsoleRouter } from '../src/app/router.tsx';
import { createApi } from '../src/api/api.ts';
import { expectLayout, openPage, type PageOptions } from './support/console-page.ts';
import { setUpConsole } from './support/console-tests.ts';
import { ADMIN, createFullProject } from './support/full-project.ts';
import { SCREENS, type Screen } from './support/screens.ts';

const tests = setUpConsole();
const WITHOUT_SESSION = ['/sign-in', '/join'];
const REDIRECTS = ['/', '/settings', '/experiments/$key'];
/** Only for a busy machine. */
const VISIT_MS = 600_000;

/** Visits the pages that need no session, and signs in as a person. */
const open = async (options: PageOptions): Promise<Page> => {
  const { joinPath } = await createFullProject(tests.server);
  const page = await openPage(tests.browser, tests.url + joinPath, options);
  await page.waitForSelector('input[name=password]');
  await expectScreen(page, 'join', options);
  await page.goto(`${tests.url}/sign-in`);
  await page.waitForSelector('input[name=key]');
  await expectScreen(page, 'sign in', options);
  await page.evaluate(
    async ([email, password]) => {
      const response = await fetch('/auth/session', {
        method: 'POST',
        headers: { 'x-pennon-console': '1', 'content-type': 'application/json' },
        body: JSON.stringify({ email, password }),
      });
      if (!response.ok) throw new Error(await response.text());
      localStorage.setItem('pennon-signed-in', '');
    },
    [ADMIN, PASSWORD],
  );
  await page.goto(`${tests.url}/flags`);
  return page;
};

/** Goes to a screen as a link does, without another load of the page. */
const visit = async (page: Page, screen: Screen): Promise<void> => {
  await page.evaluate(path => {
    history.pushState(null, '', path);
    dispatchEvent(new PopStateEvent('popstate'));
  }, screen.path);
  await page.locator(screen.ready).first().waitFor();
  await screen.prepare?.(page);
};

/** Checks what a page shows. Names that look like markup must be text. */
const expectScreen = async (page: Page, name: string, options: PageOptions): Promise<void> => {
  await expectLayout(page, name, options);
  expect([name, await page.locator('img[src=x]').count()]).toEqual([name, 0]);
};

const OVERLAYS = '[role=dialog], [role=menu]';

/** Dialogs are opened in the first. */
const LAYOUTS: readonly PageOptions[] = [
  { theme: 'light' },
  { theme: 'dark' },
  { theme: 'light', width: 390 },
  { theme: 'dark', width: 390, language: 'pseudo' },
];

describe.each(LAYOUTS)('all screens of the console, with %j', options => {
  it(
    'have no barrier, no error, no violation of the policy and no request to another site',
    { timeout: VISIT_MS },
    async () => {
      const page = await open(options);
      for (const screen of SCREENS) {
        await visit(page, screen);
        await expectScreen(page, screen.name, options);
        for (const overlay of options === LAYOUTS[0] ? (screen.overlays ?? []) : []) {
          await overlay.open(page);
          await page.locator(OVERLAYS).first().waitFor();
          await expectScreen(page, `${screen.name}, ${overlay.name}`, options);
          await page.keyboard.press('Escape');
          await page.locator(OVERLAYS).first().waitFor({ state: 'detached' });
        }
      }
    },
  );
});

it('the visit has the page of each route', () => {
  const { routesByPath } = createConsoleRouter({ api: createApi('/'), basePath: '/' });
  const visited = new Set([...WITHOUT_SESSION, ...REDIRECTS, ...SCREENS.map(each => each.route)]);
  expect(Object.keys(routesByPath).filter(path => !visited.has(path))).toEqual([]);
});
