import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';

import { createFakeClock, type FakeClock } from '../../../server/test/support/fake-clock.ts';
import { conversion, givenMoments } from '../../../server/test/support/given-moments.ts';
import { expectLayout, openPage, signIn, type PageOptions } from './support/console-page.ts';
import { expectSoon, HOSTILE, setUpConsole } from './support/console-tests.ts';

const TICK_MS = 15_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;

let clock: FakeClock;
const { given, source } = givenMoments();
const tests = setUpConsole(async () => {
  clock = createFakeClock();
  return { clock, momentsSource: source };
});

const open = async (path: string, options?: PageOptions, key?: string): Promise<Page> => {
  const page = await openPage(tests.browser, tests.url + path, options);
  await signIn(page, key);
  return page;
};

const send = async (path: string, body: object = {}) => {
  const { status, text } = await tests.server.request(
    'POST',
    `/api/v1/${path}?environment=production`,
    { body },
  );
  expect([path, status, text]).toEqual([path, expect.toBeOneOf([200, 201]), text]);
};

const read = async (path: string) => (await tests.server.api('GET', path)).body;

const PLAN = { attribute: 'plan', operator: 'in', value: ['pro'] };
const FLAG = {
  key: 'checkout',
  enabled: true,
  rules: [{ id: 'paying', conditions: [PLAN], variant: 'on' }],
};
const FAILED = {
  key: 'failed',
  kind: 'conversion',
  event: 'failed',
  window: { toMs: MINUTE_MS },
  direction: 'decrease',
};
const RAMP = {
  key: 'checkout-release',
  flag: 'checkout',
  rule: 'paying',
  control: 'off',
  treatment: 'on',
  steps: [
    { share: 1, holdMinutes: 60 },
    { share: 5, holdMinutes: 240 },
    { share: 50, holdMinutes: 1_440, approval: true },
  ],
  guardrails: [{ metric: 'failed', tolerance: 0.02, onHarm: 'rollback' }],
};

/** So many units of each variant, of which these failed, seen now. */
const seen = (units: number, control: number, treatment: number): void => {
  given.of = at => ({
    units: { off: units, on: units },
    lastExposureAt: at,
    metrics: { failed: { off: conversion(units, control), on: conversion(units, treatment) } },
  });
};

const createRamp = async (change: object = {}) => {
  await send('flags', FLAG);
  await send('metrics', FAILED);
  await send('ramps', { ...RAMP, ...change });
};

const PAGE = '/experiments/ramps/checkout-release?env=production';

const act = async (page: Page, name: string, comment?: string) => {
  await page.getByRole('button', { name, exact: true }).click();
  if (comment !== undefined)
    await page
      .getByRole('dialog')
      .getByLabel(/reason/i)
      .fill(comment);
  await submit(page);
};

const submit = async (page: Page) => {
  await page.locator('[role=dialog] [type=submit]').click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
};

describe('a ramp', () => {
  it('is made for a rule of a flag, and everything that can be entered is in it', async () => {
    await send('flags', FLAG);
    await send('metrics', FAILED);
    const page = await open('/flags/checkout?env=production', { expected: /400/ });
    await page.getByRole('button', { name: 'Actions of rule 1' }).click();
    await page.getByRole('menuitem', { name: 'Release gradually…' }).click();
    const dialog = page.getByRole('dialog');
    expect(await dialog.getByLabel('Key', { exact: true }).inputValue()).toBe('checkout-release');
    expect(await dialog.getByLabel('Rule', { exact: true }).inputValue()).toBe('paying');
    await dialog.getByRole('button', { name: 'Remove step 3' }).click();
    const last = dialog.getByRole('group', { name: 'Step 3' });
    await last.getByLabel('Needs approval').check();
    await last.getByLabel('Share').fill('60');
    await last.getByLabel('Unit of time').selectOption('hour');
    await dialog.getByRole('button', { name: 'Add guardrail' }).click();
    await dialog.getByLabel('Tolerance').fill('2');
    await dialog.getByLabel('On harm').selectOption('pause');
    await dialog.getByLabel('False alarms').fill('1');
    await dialog.locator('[type=submit]').click();
    await last.getByText(/at most 50/).waitFor();
    expect(await last.getByLabel('Share').getAttribute('aria-invalid')).toBe('true');
    await last.getByLabel('Share').fill('50');
    await dialog.getByLabel('False alarms').fill('51');
    await dialog.locator('[type=submit]').click();
    await dialog.getByText('must be more than 0 and at most 50').waitFor();
    await dialog.getByLabel('False alarms').fill('1');
    await submit(page);
    await page.waitForURL(/ramps\/checkout-release/);
    expect(await read('/ramps/checkout-release')).toMatchObject({
      state: 'draft',
      rule: 'paying',
      treatment: 'on',
      control: 'off',
      steps: [
        { share: 1, holdMinutes: 60, approval: false },
        { share: 5, holdMinutes: 240, approval: false },
        { share: 50, holdMinutes: 60, approval: true },
      ],
      guardrails: [{ metric: 'failed', tolerance: 0.02, onHarm: 'pause' }],
      alpha: 0.01,
      minUnits: 100,
      onMismatch: 'pause',
      staleAfterMinutes: 30,
    });
    await page.getByRole('link', { name: 'checkout', exact: true }).click();
    await page.getByText('Prepared for ramp').waitFor();
  });

  it('without guardrails adds a rule, and is changed and deleted', async () => {
    await send('flags', FLAG);
    const page = await open('/experiments/ramps?env=production');
    await page.getByRole('button', { name: 'New ramp' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Key', { exact: true }).fill('plain');
    await dialog.getByLabel('Flag').fill('checkout');
    await expectSoon(() => dialog.getByLabel('New variant').inputValue()).toBe('on');
    await submit(page);
    await page.getByText('It has not begun').waitFor();
    expect(await read('/ramps/plain')).toMatchObject({ rule: 'release', guardrails: [] });
    await act(page, 'Start');
    await page.locator('.verdict').getByText('Step 1 of 4: 1% get “on”').waitFor();
    expect((await read('/flags/checkout')).rules[1]).toMatchObject({ percentage: 1 });
    await act(page, 'Roll back');
    await page.locator('.verdict').getByText('It was rolled back at step 1').waitFor();
    await page.getByRole('button', { name: 'Edit' }).click();
    for (const number of [4, 3, 2])
      await dialog.getByRole('button', { name: `Remove step ${number}` }).click();
    await dialog.getByLabel('Share').fill('80');
    await submit(page);
    await page.locator('.line-step').getByText('80%').waitFor();
    expect((await read('/ramps/plain')).steps).toHaveLength(1);
    await act(page, 'Delete');
    await page.waitForURL(/ramps\?env=production/);
    await page.getByText('There are no ramps').waitFor();
  });

  it('shows what each step waits for, is approved and advanced, and its rule leads to it', async () => {
    await createRamp();
    given.of = at => ({ lastExposureAt: at - 31 * MINUTE_MS });
    const page = await open(PAGE);
    await act(page, 'Start', 'Everyone is at work');
    await page.getByText('No events of failed in the last 7 days').waitFor();
    await page.getByText('1 hour left').waitFor();
    expect(await page.locator('[aria-current=step]').innerText()).toMatch(/^1%\s+now/);
    const waits = page.locator('.waits');
    const verdict = page.locator('.verdict');
    await waits.getByText('There was no exposure for 30 minutes.').waitFor();
    await waits.getByText('0 with the new variant, 0 with the control; 100 of each').waitFor();
    seen(200, 4, 4);
    clock.advance(TICK_MS);
    await waits.getByText('There was no exposure').waitFor({ state: 'detached' });
    await page.getByText('Counted: treatment 4, control 4').waitFor();
    expect(await page.locator('.evidence').innerText()).toMatch(/Evidence 0.*harm is found at 40/);
    // The stream shows what others do, too.
    await send('ramps/checkout-release/advance');
    await verdict.getByText('Step 2 of 3: 5% get “on”').waitFor();
    await act(page, 'Next step now');
    await waits.getByText('A person must approve').waitFor();
    await act(page, 'Approve');
    await waits.getByText('A person must approve').waitFor({ state: 'detached' });
    await act(page, 'Pause');
    await waits.getByText('Resume the ramp, or roll it back.').waitFor();
    await act(page, 'Resume');
    await page.getByText('running', { exact: true }).waitFor();
    await page.locator('.item').filter({ hasText: 'Started' }).getByText('at work').waitFor();
    await page.goto(`${tests.url}/flags/checkout?env=production`);
    const rule = page.locator('.rule');
    await rule.getByText('Decided by ramp checkout-release').waitFor();
    expect(await rule.getByRole('button', { name: 'Actions of rule 1' }).count()).toBe(0);
    await rule.getByRole('link', { name: 'checkout-release' }).click();
    await verdict.getByText('Step 3 of 3: 50% get “on”').waitFor();
  });

  it('that does harm is shown rolled back, with everything that it was decided on', async () => {
    await createRamp();
    const page = await open(PAGE);
    seen(5_000, 50, 50);
    await act(page, 'Start');
    await page.getByText('watching').waitFor();
    seen(5_000, 50, 400);
    clock.advance(TICK_MS);
    await page.locator('.verdict').getByText('It was rolled back at step 1').waitFor();
    const entry = page.locator('.item').filter({ hasText: 'Rolled back' });
    await entry.getByText('pennon:ramp').waitFor();
    await entry.getByText('“on” is worse than “off” in failed.').waitFor();
    const german = await open(PAGE, { language: 'de' });
    const reason = german.locator('.reason').first();
    expect(await reason.innerText()).toContain('„on“ ist schlechter als „off“ in failed.');
    expect(await reason.innerText()).not.toContain('worse');
    await entry.getByText('What it was decided on').click();
    const sum = entry.getByRole('row').filter({ has: page.getByText('sum', { exact: true }) });
    expect(await sum.innerText()).toMatch(/sum\s+400\s+50/);
    await page.getByRole('link', { name: 'Ramps in production' }).click();
    await page.locator('.item').getByText('rolled back').waitFor();
  });

  it('without trust in the data is shown paused, with the cause in the language of the page', async () => {
    await createRamp();
    const page = await open(PAGE);
    seen(5_000, 50, 50);
    await act(page, 'Start');
    await page.getByText('watching').waitFor();
    given.of = at => ({ units: { off: 5_000, on: 9_000 }, lastExposureAt: at });
    clock.advance(TICK_MS);
    const german = await open(PAGE, { language: 'de' });
    await german.locator('.reason').first().waitFor();
    const text = await german.locator('.reason').first().innerText();
    expect(text).toContain('Die Anzahlen der Einheiten passen nicht zu den Gewichten.');
  });

  it('cannot be changed by a viewer, and names the role that may', async () => {
    await createRamp();
    const viewer = await tests.server.keyOf('viewer', 'production');
    const page = await open(PAGE, {}, viewer);
    const start = page.getByRole('button', { name: 'Start' });
    expect(await start.getAttribute('aria-disabled')).toBe('true');
    expect(await start.getAttribute('title')).toContain('editor');
    await page.goto(`${tests.url}/flags/checkout?env=production`);
    await page.getByText('Prepared for ramp').waitFor();
    expect(await page.getByRole('button', { name: 'Release gradually' }).count()).toBe(0);
  });
});

/** A ramp that has not begun is also among the screens that a test visits in all layouts. */
const LAYOUTS: readonly PageOptions[] = [
  { theme: 'light' },
  { theme: 'dark', width: 390, language: 'de' },
  { theme: 'light', width: 320, language: 'pseudo' },
];

describe.each(LAYOUTS)('the pages of ramps, %o', options => {
  it('have no barriers, and are as wide as the window', async () => {
    await createRamp({ description: HOSTILE });
    await send('ramps', { ...RAMP, key: 'prepared', rule: 'other', guardrails: [] });
    seen(80, 4, 12);
    await send('ramps/checkout-release/start');
    await send('ramps/checkout-release/advance');
    clock.advance(HOUR_MS);
    const page = await open(PAGE, options);
    await page.locator('.evidence-bar').waitFor();
    await page.locator('.section:last-child .item').first().waitFor();
    await expectLayout(page, 'ramp', options);
    await page.goto(`${tests.url}/experiments/ramps?env=production`);
    await page.locator('.attention').waitFor();
    await expectLayout(page, 'ramps', options);
    await page.locator('.section-header > .button').click();
    await page.getByRole('dialog').locator('.ramp-rows').nth(1).locator('.button').click();
    await page.locator('.ramp-row.guardrail').waitFor();
    await expectLayout(page, 'new ramp', options);
  });
});

it('an experiment names the treatments and the metrics in which the server has found harm', async () => {
  const split = ['off', 'on'].map(variant => ({ variant, weight: 1 }));
  await send('flags', { ...FLAG, rules: [{ id: 'half', split }] });
  await send('metrics', FAILED);
  await send('metrics', { ...FAILED, key: 'bought', event: 'bought', direction: 'increase' });
  await send('experiments', {
    key: 'checkout-2',
    flag: 'checkout',
    rule: 'half',
    control: 'off',
    metrics: [
      { metric: 'bought', role: 'primary' },
      { metric: 'failed', role: 'guardrail', onHarm: 'pause' },
    ],
  });
  await send('experiments/checkout-2/start');
  const bought = { off: conversion(5_000, 500), on: conversion(5_000, 500) };
  const failed = { off: conversion(5_000, 50), on: conversion(5_000, 400) };
  given.of = at => ({
    units: { off: 5_000, on: 5_000 },
    lastExposureAt: at,
    metrics: { bought, failed },
  });
  clock.advance(TICK_MS);
  await expect
    .poll(async () => (await read('/experiments/checkout-2')).harms)
    .toMatchObject([{ variant: 'on', done: 'pause' }]);
  const path = '/experiments/key/checkout-2?env=production';
  const page = await open(path);
  const harm = page.getByRole('region', { name: 'Harm' });
  await harm.getByText('“on” is worse than “off” in failed.').waitFor();
  await harm.getByText('The flag was disabled.').waitFor();
  await expectLayout(page, 'an experiment with harm', {});
  const german = await open(path, { language: 'de' });
  await german.getByText('„on“ ist schlechter als „off“ in failed.').waitFor();
});
