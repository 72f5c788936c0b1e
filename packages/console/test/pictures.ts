/**
 * Takes the pictures of the console in docs/images: `node packages/console/test/pictures.ts`. They show a server with
 * example data in this process.
 */
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';

import type { Page } from 'playwright-core';

import { builtConsole } from '../../../server/test/support/console.ts';
import { startServer, type TestServer } from '../../../server/test/support/server.ts';
import { shiftedClock } from '../../../server/test/support/shifted-clock.ts';
import { signIn, startBrowser } from './support/console-page.ts';
import { createExampleData } from './support/example-data.ts';

const FOLDER = join(import.meta.dirname, '../../../docs/images');
const FLAG = '/flags/new-checkout?env=production';

type Picture = {
  readonly name: string;
  readonly path: string;
  /** Waits for what the picture shows. */
  readonly prepare: (page: Page) => Promise<void>;
};

const PICTURES: readonly Picture[] = [
  {
    name: 'console-flags',
    path: '/flags',
    prepare: async page => {
      await page.locator('.recent-usage svg').first().waitFor();
    },
  },
  {
    name: 'console-rules',
    path: FLAG,
    prepare: async page => {
      await page.locator('.rule-toggle').nth(1).click();
      await page.locator('.rule-body').waitFor();
    },
  },
  {
    name: 'console-try',
    path: `${FLAG}&tab=try`,
    prepare: async page => {
      await page.getByRole('button', { name: 'Grace, staff', exact: true }).click();
      await page.locator('.step.held').first().waitFor();
    },
  },
  {
    name: 'console-usage',
    path: `${FLAG}&tab=usage`,
    prepare: async page => {
      await page.getByRole('button', { name: '14 days' }).click();
      await page.locator('.chart canvas').waitFor();
      await page.getByRole('button', { name: '14 days', pressed: true }).waitFor();
    },
  },
];

const HOUR_MS = 3_600_000;
const POLL_MS = 500;

/** Servers store what they have counted every ten seconds. */
const countsAreStored = async (server: TestServer): Promise<void> => {
  const recent = Date.now() - HOUR_MS;
  for (;;) {
    const { body } = await server.api('GET', '/usage?flag=new-checkout&resolution=minute');
    if (Date.parse(body.lastEvaluated ?? '') > recent) return;
    await setTimeout(POLL_MS);
  }
};

const takePictures = async (): Promise<void> => {
  const shifted = shiftedClock();
  const { source } = await builtConsole();
  await using server = await startServer({ console: source, clock: shifted.clock });
  await createExampleData(server, shifted);
  await countsAreStored(server);
  const url = await server.listen();
  const browser = await startBrowser();
  const context = await browser.newContext({
    viewport: { width: 1_440, height: 860 },
    colorScheme: 'light',
    reducedMotion: 'reduce',
    timezoneId: 'Europe/Berlin',
  });
  const page = await context.newPage();
  await page.goto(url);
  await signIn(page);
  for (const { name, path, prepare } of PICTURES) {
    await page.goto(url + path);
    await prepare(page);
    await page.mouse.move(0, 0);
    await page.waitForLoadState('networkidle');
    await page.screenshot({ path: join(FOLDER, `${name}.png`), animations: 'disabled' });
  }
  await browser.close();
};

await takePictures();
