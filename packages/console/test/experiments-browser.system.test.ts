import type { Page } from 'playwright-core';
import { beforeEach, describe, expect, it } from 'vitest';

import {
  expectLayout,
  LAYOUTS,
  openPage,
  signIn,
  type PageOptions,
} from './support/console-page.ts';
import { conversion, givenMoments } from '../../../server/test/support/given-moments.ts';
import { shiftedClock } from '../../../server/test/support/shifted-clock.ts';
import { HOSTILE, setUpConsole } from './support/console-tests.ts';

const { given, source } = givenMoments();
const { clock, setBehind } = shiftedClock();
const tests = setUpConsole(async () => ({ momentsSource: source, clock }));

beforeEach(() => {
  given.moments = {};
  given.health = {};
  given.environment = {};
  given.units = {};
  delete given.of;
  setBehind(0);
});

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

const DAY_MS = 86_400_000;

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
    await page.waitForURL(/experiments\/key\/checkout-2/);
    await page.getByText(HOSTILE).waitFor();
    const { body: draft } = await tests.server.api('GET', '/experiments/checkout-2');
    expect(draft).toMatchObject({ ...EXPERIMENT, hypothesis: HOSTILE, state: 'draft' });
    await page.getByRole('button', { name: 'Start' }).click();
    await submit(page);
    await page.getByText('running', { exact: true }).waitFor();
    await page.getByText('No events of bought in the last 7 days').waitFor();
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

  it('are planned by the calculator, with the weights of the split', async () => {
    const split = [
      { variant: 'on', weight: 1 },
      { variant: 'off', weight: 3 },
    ];
    await create('flags', { ...FLAG, rules: [{ ...RULE, split }] });
    await create('metrics', BOUGHT);
    const page = await openPage(tests.browser, `${tests.url}/experiments?env=production`, {
      expected: /400/,
    });
    await signIn(page);
    await page.getByRole('button', { name: 'New experiment' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Key', { exact: true }).fill('checkout-2');
    await dialog.getByLabel('Flag').fill('checkout');
    await dialog.getByLabel('Control').selectOption('off');
    await dialog.getByLabel('bought').selectOption('primary');
    await dialog.locator('.calculator summary').click();
    await dialog.getByLabel('Effect, in %').fill('10');
    await dialog.getByLabel('Units a day').fill('5000');
    await dialog.getByLabel('Baseline rate, in %').fill('140');
    await dialog.getByRole('button', { name: 'Compute' }).click();
    await dialog.getByText('must be a rate between 0 and 1').waitFor();
    await dialog.getByLabel('Baseline rate, in %').fill('10');
    await dialog.getByRole('button', { name: 'Compute' }).click();
    const body = { kind: 'conversion', baseline: 0.1, effect: 0.1, unitsPerDay: 5_000 };
    const { body: plan } = await tests.server.request('POST', '/api/v1/plan', {
      body: { ...body, weights: [3, 1] },
    });
    await dialog
      .getByText(`${plan.units.toLocaleString('en')} units find an effect of 10%`)
      .waitFor();
    await dialog.getByLabel('Units a day').fill('');
    await dialog.getByRole('button', { name: 'Compute' }).click();
    await dialog.getByText('in the last 14 days no experiment of the rule had units').waitFor();
    await create('experiments', { ...EXPERIMENT, key: 'earlier' });
    await tests.server.api('POST', '/experiments/earlier/start');
    const today = new Date(clock.now()).toISOString().slice(0, 'yyyy-mm-dd'.length);
    given.health = { unitsByDay: { [today]: { on: 1_250, off: 3_750 } } };
    await dialog.getByRole('button', { name: 'Compute' }).click();
    await dialog.getByText('5,000 units a day were exposed').waitFor();
    await dialog.getByRole('button', { name: 'Use for the plan' }).click();
    await submit(page);
    await page.waitForURL(/experiments\/key\/checkout-2/);
    const { body: created } = await tests.server.api('GET', '/experiments/checkout-2');
    expect(created.plan.units).toBe(plan.units);
    const days = (Date.parse(created.plan.end) - Date.now()) / DAY_MS;
    expect(Math.round(days)).toBe(plan.recommendedDays);
  });

  it('show one unit, whose value is in no address', async () => {
    await runExperiment();
    const at = new Date().getTime();
    const exposure = { variant: 'off', firstMs: at, quarantined: false, settled: false };
    const values = [{ metric: 'bought', value: 1, denominator: null, countsFromMs: at + DAY_MS }];
    given.units = {
      ada: { assigned: 'on', exposure, metrics: values },
      grace: { assigned: null, exposure: { ...exposure, quarantined: true }, metrics: values },
    };
    const page = await open('/experiments/key/checkout-2?env=production');
    const urls: string[] = [];
    page.on('request', request => void urls.push(request.url()));
    const section = page.getByRole('region', { name: 'One unit' });
    await section.getByLabel('Value of targetingKey').fill('ada');
    await section.getByRole('button', { name: 'Look up' }).click();
    const row = section.getByRole('row').filter({ hasText: 'bought' });
    await row.getByRole('cell', { name: '1', exact: true }).waitFor();
    expect(await section.locator('.facts').innerText()).toMatch(
      /conditions hold\s+on\s.*exposed to\s+off\s/s,
    );
    await expectLayout(page, 'one unit', {});
    await section.getByLabel('Value of targetingKey').fill('grace');
    await section.getByRole('button', { name: 'Look up' }).click();
    await section.getByText('It saw several variants').waitFor();
    expect(await row.count()).toBe(0);
    await section.getByLabel('Value of targetingKey').fill(HOSTILE);
    await section.getByRole('button', { name: 'Look up' }).click();
    await section.getByText('not exposed').waitFor();
    expect([page.url(), ...urls].filter(url => /ada|grace/.test(url))).toEqual([]);
    const editor = await tests.server.keyOf('editor', 'production');
    const other = await open('/experiments/key/checkout-2?env=production', {}, editor);
    const find = other.getByRole('button', { name: 'Look up' });
    expect(await find.getAttribute('title')).toBe('Needs the role admin in production');
  });

  it('cannot be changed by a viewer, and name the role that may', async () => {
    await create('flags', FLAG);
    await create('metrics', BOUGHT);
    await create('experiments', EXPERIMENT);
    const viewer = await tests.server.keyOf('viewer', 'production');
    const page = await open('/experiments/key/checkout-2?env=production', {}, viewer);
    const start = page.getByRole('button', { name: 'Start' });
    expect(await start.getAttribute('aria-disabled')).toBe('true');
    expect(await start.getAttribute('title')).toContain('editor');
  });
});

const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 'yyyy-mm-dd'.length);

/** The moments of so many days of a running experiment. */
const momentsOfDays = (days: number) => {
  const n = Math.round(3_000 * days);
  return {
    units: { on: n, off: n },
    metrics: {
      bought: { on: conversion(n, Math.round(n * 0.12)), off: conversion(n, Math.round(n * 0.1)) },
      error: {
        on: conversion(n, Math.round(n * 0.01)),
        off: conversion(n, Math.round(n * 0.0103)),
      },
    },
  };
};

const PLAN = { units: 84_000, end: new Date(Date.now() + 4 * DAY_MS).toISOString() };

/** An experiment that has run for ten days, and is planned for fourteen. */
const runForDays = async () => {
  const start = Date.now() - 10 * DAY_MS;
  setBehind(10 * DAY_MS);
  await runExperiment({ plan: PLAN });
  setBehind(0);
  given.of = at => momentsOfDays((at - start) / DAY_MS);
  const days = Array.from({ length: 11 }, (_, day) => start + day * DAY_MS);
  const each = { on: 3_000, off: 3_000 };
  given.health = {
    exposures: 64_200,
    repeats: 4_200,
    late: 310,
    unitsByDay: Object.fromEntries(
      days.map((day, index) => [dayOf(day), { on: 2_900 + 37 * index, off: 2_950 + 31 * index }]),
    ),
    unitsBySdk: { 'pennon-node 1.4.0': each, 'pennon-web 1.4.0': each },
  };
  given.environment = {
    rejected: { TOO_OLD: 4, UNKNOWN_EVENT: 12 },
    unknownEvents: ['bougth', HOSTILE],
  };
};

/** A running experiment whose treatment sells more than its control. */
const runExperiment = async (fields: object = {}) => {
  await create('flags', FLAG);
  await create('metrics', BOUGHT);
  await create('metrics', { ...BOUGHT, key: 'error', event: 'error', direction: 'decrease' });
  const guardrail = { metric: 'error', role: 'guardrail', onHarm: 'warn' };
  const metrics = [...EXPERIMENT.metrics, guardrail];
  await create('experiments', { ...EXPERIMENT, metrics, ...fields });
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
    const page = await open('/experiments/key/checkout-2?env=production');
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

  it('show intervals over time with the planned end, and the units a day', async () => {
    await runForDays();
    const page = await open('/experiments/key/checkout-2?env=production');
    const intervals = page.getByRole('region', { name: 'Intervals over time' });
    await intervals.locator('canvas').waitFor();
    await intervals.getByText('true for all looks together').waitFor();
    await intervals.getByText('All intervals').click();
    const rows = intervals.getByRole('row');
    await rows.nth(70).waitFor();
    expect(await rows.nth(1).innerText()).toMatch(/\+20%.*better/);
    const health = page.getByRole('region', { name: 'Health of the events' });
    await health.locator('canvas').waitFor();
    await health.getByText('All days').click();
    await health.getByRole('row').filter({ hasText: '2,900' }).getByText('fits').waitFor();
    expect(await health.innerText()).toContain('TOO_OLD: 4');
    await health.getByText(HOSTILE).waitFor();
  });

  it('are marked as not to be trusted, with what is wrong above them', async () => {
    await runForDays();
    given.of = () => ({ units: { on: 30_000, off: 20_000 } });
    given.health = {
      exposures: 50_000,
      mismatched: { 'old 1.0.0': 3 },
      unverified: { 'web 1.0.0': 4_100, 'node 1.0.0': 11 },
      unitsBySdk: { 'web 1.0.0': { on: 9_000, off: 4_000 }, 'node 1.0.0': { on: 900, off: 900 } },
    };
    given.environment = { lagMs: 180_000, dropped: { exposures: 7, tracks: 0 } };
    const page = await open('/experiments/key/checkout-2?env=production');
    await page.getByText('do not fit the weights with: \u2068web 1.0.0\u2069.').waitFor();
    await page.getByText('rule gives, by: \u2068old 1.0.0\u2069.').waitFor();
    await page.getByText('with a delay of 3 minutes').waitFor();
    const health = page.getByRole('region', { name: 'Health of the events' });
    expect(await health.innerText()).toMatch(/Not verified, because units are hashed\s+4,111/);
    const sdk = health.getByRole('row').filter({ hasText: 'web 1.0.0' });
    await sdk.getByRole('cell', { name: '4,100' }).waitFor();
    await page.getByText('In the whole environment, clients could not send 7 exposures').waitFor();
    await page.getByText('Not to be trusted').waitFor();
    expect(await page.getByRole('row').filter({ hasText: 'bought' }).count()).toBe(1);
  });

  it('are in the list, with the progress', async () => {
    await runForDays();
    const page = await open('/experiments?env=production');
    const item = page.getByRole('listitem').filter({ hasText: 'checkout-2' });
    await item.getByText('Ship it. “\u2068on\u2069” is better than the control in').waitFor();
    expect(await item.innerText()).toContain('71.4% of the planned units');
  });

  it('have words in the language of the page', async () => {
    await runForDays();
    const page = await open('/experiments/key/checkout-2?env=production', { language: 'de' });
    await page.getByText('ist besser als die Kontrolle bei').waitFor();
    expect(await page.locator('.warning').allInnerTexts()).toEqual([
      'Vor dem geplanten Ende entschieden. Der Schätzwert ist wahrscheinlich zu groß; das Intervall stimmt.',
    ]);
  });

  it('are named before a decision, with what the audit log will have', async () => {
    await runForDays();
    const page = await open('/experiments/key/checkout-2?env=production');
    await page.locator('.interval').first().waitFor();
    await page.getByRole('button', { name: 'Decide' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('The rule serves').selectOption('on');
    await dialog.getByLabel(/reason/i).fill('More are sold');
    const preview = dialog.getByRole('region', { name: 'The audit log will have' });
    // Results are read again at intervals, so both texts are of the same moment.
    const [shown, behind] = await page.evaluate(() =>
      ['.audit-preview', 'main'].map(
        selector => document.querySelector<HTMLElement>(selector)?.innerText ?? '',
      ),
    );
    expect(shown).toContain('rule half of checkout serves “on” to all');
    expect(shown).toContain('“More are sold”');
    expect(shown).toContain('The estimate is likely too large; the interval is right.');
    const [, id = 'none'] = /Results (\S+), as of/.exec(shown ?? '') ?? [];
    expect(behind).toContain(`Results ${id}`);
    await dialog.getByLabel('The rule serves').selectOption('');
    await preview.getByText('rule half of checkout is removed').waitFor();
    await dialog.getByLabel('The rule serves').selectOption('on');
    await submit(page);
    await page.getByText('Decided: on for all').waitFor();
  });

  it.each(LAYOUTS)('have no barriers, and are as wide as the window, %o', async options => {
    await runForDays();
    given.health = { ...given.health, mismatched: { [HOSTILE]: 3 } };
    const page = await open('/experiments/key/checkout-2?env=production', options);
    await page.locator('.chart canvas').nth(1).waitFor();
    await expectLayout(page, 'results', options);
    await page.goto(`${tests.url}/experiments?env=production`);
    await page.locator('.outcome').waitFor();
    await expectLayout(page, 'experiments with results', options);
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
    await page.goto(`${tests.url}/experiments/key/checkout-2?env=production`);
    await page.locator('.facts').waitFor();
    await expectLayout(page, 'experiment', options);
  });
});
