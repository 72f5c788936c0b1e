import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';

import {
  expectLayout,
  LAYOUTS,
  openPage,
  signIn,
  type PageOptions,
} from './support/console-page.ts';
import { conversion, givenMoments } from '../../../server/test/support/given-moments.ts';
import { HOSTILE, setUpConsole } from './support/console-tests.ts';

const { given, source } = givenMoments();
const tests = setUpConsole(async () => ({ momentsSource: source }));

const open = async (path: string, options?: PageOptions, key?: string): Promise<Page> => {
  const page = await openPage(tests.browser, tests.url + path, options);
  await signIn(page, key);
  await page.locator('.section').first().waitFor();
  return page;
};

const create = async (kind: 'flags' | 'metrics' | 'experiments', body: object) => {
  const path = `/api/v1/${kind}?environment=production`;
  const { status, text } = await tests.server.request('POST', path, { body });
  expect([status, text]).toEqual([201, text]);
};

const RULE = {
  id: 'half',
  conditions: [],
  split: [
    { variant: 'on', weight: 1 },
    { variant: 'off', weight: 1 },
  ],
};

const FLAG = { key: 'checkout', enabled: true, rules: [RULE] };
const BOUGHT = { key: 'bought', kind: 'conversion', event: 'bought', window: { toMs: 86_400_000 } };
const EXPERIMENT = {
  key: 'checkout-2',
  hypothesis: 'One page sells more.',
  flag: 'checkout',
  rule: 'half',
  control: 'off',
  metrics: [{ metric: 'bought', role: 'primary', minimumEffect: 0.03 }],
};

const submit = async (page: Page) => {
  await page.locator('[role=dialog] [type=submit]').click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
};

describe('metrics', () => {
  it('are created, changed, copied and deleted', async () => {
    const page = await open('/experiments/metrics?env=production');
    await page.getByRole('button', { name: 'New metric' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Key', { exact: true }).fill('revenue');
    await dialog.getByLabel('Kind').selectOption('sum');
    await dialog.getByLabel('Event', { exact: true }).fill('bought');
    await dialog.getByLabel('Cap').fill('1000');
    await dialog.getByLabel('Counts for').fill('36');
    await dialog.locator('[name="toMs:unit"]').selectOption('hour');
    await submit(page);
    await page.getByText('sum of bought of each unit within 36 hours · more is better').waitFor();
    await page.getByRole('button', { name: 'Edit revenue' }).click();
    await dialog.getByLabel('Direction').selectOption('decrease');
    await submit(page);
    await page.getByRole('button', { name: 'Copy revenue' }).click();
    await submit(page);
    await page.getByText('revenue-2').waitFor();
    const { body } = await tests.server.api('GET', '/metrics/revenue-2');
    expect(body).toMatchObject({
      kind: 'sum',
      event: 'bought',
      cap: 1_000,
      window: { fromMs: 0, toMs: 129_600_000 },
      direction: 'decrease',
    });
    await page.getByRole('button', { name: 'Delete revenue-2' }).click();
    await submit(page);
    await page.getByText('revenue-2').waitFor({ state: 'detached' });
  });

  it('of a ratio have two events', async () => {
    const page = await open('/experiments/metrics?env=production');
    await page.getByRole('button', { name: 'New metric' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Key', { exact: true }).fill('latency');
    await dialog.getByLabel('Kind').selectOption('ratio');
    await dialog.getByLabel('Numerator').selectOption('sum');
    await dialog.locator('[name="numerator.event"]').fill('page');
    await dialog.locator('[name="denominator.event"]').fill('page');
    await submit(page);
    const { body } = await tests.server.api('GET', '/metrics/latency');
    expect(body).toMatchObject({
      numerator: { kind: 'sum', event: 'page' },
      denominator: { kind: 'count', event: 'page' },
    });
  });

  it('show what the server refuses at the field', async () => {
    const page = await openPage(tests.browser, `${tests.url}/experiments/metrics`, {
      expected: /400/,
    });
    await signIn(page);
    await page.getByRole('button', { name: 'New metric' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Key', { exact: true }).fill('visited');
    await dialog.getByLabel('Event', { exact: true }).fill('visited');
    await dialog.getByLabel('Counts for').fill('91');
    await dialog.locator('[type=submit]').click();
    await dialog.getByText(/90 days/).waitFor();
    expect(await dialog.getByLabel('Counts for').getAttribute('aria-invalid')).toBe('true');
  });
});

describe('experiments', () => {
  it('are created, started and decided', async () => {
    await create('flags', FLAG);
    await create('metrics', BOUGHT);
    const page = await open('/experiments?env=production');
    await page.getByRole('button', { name: 'New experiment' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Key', { exact: true }).fill('checkout-2');
    await dialog.getByLabel('Hypothesis').fill(HOSTILE);
    await dialog.getByLabel('Flag').fill('checkout');
    await dialog.getByLabel('Control').selectOption('off');
    await dialog.getByLabel('bought').selectOption('primary');
    await dialog.getByLabel('Smallest relative difference').fill('3');
    await submit(page);
    await page.waitForURL(/experiments\/checkout-2/);
    await page.getByText(HOSTILE).waitFor();
    const { body: draft } = await tests.server.api('GET', '/experiments/checkout-2');
    expect(draft).toMatchObject({ ...EXPERIMENT, hypothesis: HOSTILE, state: 'draft' });
    await page.getByRole('button', { name: 'Start' }).click();
    await submit(page);
    await page.getByText('running', { exact: true }).waitFor();
    await page.getByRole('button', { name: 'Decide' }).click();
    await dialog.getByLabel('The rule serves').selectOption('on');
    await dialog.getByLabel(/reason/i).fill('More are sold');
    await submit(page);
    await page.getByText('stopped', { exact: true }).waitFor();
    const { body: flag } = await tests.server.api('GET', '/flags/checkout');
    expect(flag.rules[0].variant).toBe('on');
    await page.getByRole('link', { name: /^Experiments in/ }).click();
    await page.getByText('Decided: on for all').waitFor();
  });

  it('cannot be changed by a viewer, and name the role that may', async () => {
    await create('flags', FLAG);
    await create('metrics', BOUGHT);
    await create('experiments', EXPERIMENT);
    const viewer = await tests.server.keyOf('viewer', 'production');
    const page = await open('/experiments/checkout-2?env=production', {}, viewer);
    const start = page.getByRole('button', { name: 'Start' });
    expect(await start.getAttribute('aria-disabled')).toBe('true');
    expect(await start.getAttribute('title')).toContain('editor');
  });
});

/** A running experiment whose treatment sells more than its control. */
const runExperiment = async () => {
  await create('flags', FLAG);
  await create('metrics', BOUGHT);
  await create('metrics', { ...BOUGHT, key: 'error', event: 'error', direction: 'decrease' });
  const guardrail = { metric: 'error', role: 'guardrail', onHarm: 'warn' };
  const metrics = [...EXPERIMENT.metrics, guardrail];
  await create('experiments', { ...EXPERIMENT, metrics });
  await tests.server.api('POST', '/experiments/checkout-2/start', { body: {} });
  given.moments = {
    units: { on: 30_000, off: 30_000 },
    metrics: {
      bought: { on: conversion(30_000, 3_600), off: conversion(30_000, 3_000) },
      error: { on: conversion(30_000, 300), off: conversion(30_000, 310) },
    },
  };
};

describe('results', () => {
  it('show what is known, with intervals, a verdict in words and the guardrails', async () => {
    await runExperiment();
    const page = await open('/experiments/checkout-2?env=production');
    const row = page.getByRole('row').filter({ hasText: 'bought' });
    await row.getByText('better').waitFor();
    expect(await row.innerText()).toContain('+20%');
    expect(await row.getByRole('img').getAttribute('aria-label')).toMatch(/^\+\d.* to \+\d/);
    await page.getByText('The numbers of units fit the weights.').waitFor();
    await page.getByText('watching').waitFor();
    given.moments = { units: { on: 30_000, off: 20_000 } };
    await page.reload();
    await page.getByText('Do not trust these results.').waitFor();
    await page.getByText('do not fit the weights').waitFor();
  });

  it.each(LAYOUTS)('have no barriers, and are as wide as the window, %o', async options => {
    await runExperiment();
    const page = await open('/experiments/checkout-2?env=production', options);
    await page.locator('.interval').first().waitFor();
    await expectLayout(page, 'results', options);
  });
});

describe.each(LAYOUTS)('the pages of experiments, %o', options => {
  it('have no barriers, and are as wide as the window', async () => {
    await create('flags', FLAG);
    await create('metrics', { ...BOUGHT, name: HOSTILE });
    await create('experiments', { ...EXPERIMENT, hypothesis: HOSTILE });
    const page = await open('/experiments?env=production', options);
    await expectLayout(page, 'experiments', options);
    await page.goto(`${tests.url}/experiments/metrics?env=production`);
    await page.locator('.items').waitFor();
    await expectLayout(page, 'metrics', options);
    await page.goto(`${tests.url}/experiments/checkout-2?env=production`);
    await page.locator('.facts').waitFor();
    await expectLayout(page, 'experiment', options);
  });
});
