import { afterEach, beforeEach, expect, it } from 'vitest';

import { guardrail } from '@pennon/statistics';

import { secureRandom } from '../src/random.ts';
import { openMemoryStore } from '../src/store/memory.ts';
import { createFakeClock, type FakeClock } from './support/fake-clock.ts';
import { conversion, givenMoments } from './support/given-moments.ts';
import { startServer, type TestServer } from './support/server.ts';

const START = Date.parse('2026-12-01T09:00:00Z');
const TICK_MS = 15_000;
const N = 1_000;

let clock: FakeClock;
let server: TestServer;
let { given, source } = givenMoments();

const api = async (method: 'GET' | 'POST' | 'PATCH', path: string, body?: object) => {
  const response = await server.api(method, path, body === undefined ? {} : { body });
  if (response.status >= 300) throw new Error(response.text);
  return response.body;
};
const read = () => api('GET', '/experiments/checkout');
const flag = () => api('GET', '/flags/new-checkout');
const audited = async () => (await api('GET', '/audit?limit=2')).items;

const RULE = {
  id: 'test',
  conditions: [],
  bucketBy: 'targetingKey',
  percentage: 20,
  split: ['off', 'on'].map(variant => ({ variant, weight: 1 })),
};

/** Units of each variant of which so many failed, seen now. */
const seen = (control: number, treatment: number, change: object = {}) => {
  given.of = at => ({
    units: { off: N, on: N },
    lastExposureAt: at,
    metrics: { failed: { off: conversion(N, control), on: conversion(N, treatment) } },
    ...change,
  });
};

const start = async (onHarm: string | undefined) => {
  const metrics = [
    { metric: 'bought', role: 'primary' },
    { metric: 'failed', role: 'guardrail', onHarm },
  ];
  const design = { flag: 'new-checkout', rule: 'test', control: 'off', metrics };
  await api('POST', '/experiments', { key: 'checkout', ...design });
  await api('POST', '/experiments/checkout/start');
};

/** Advances the clock by several ticks. The results need the thread of a tick, so they come after it. */
const pass = async (): Promise<void> => {
  for (let tick = 0; tick < 3; tick += 1) {
    clock.advance(TICK_MS);
    await api('GET', '/experiments/checkout/results');
    await new Promise(resolve => setImmediate(resolve));
  }
};

beforeEach(async () => {
  clock = createFakeClock(START);
  ({ given, source } = givenMoments());
  const store = openMemoryStore({ random: secureRandom });
  server = await startServer({ clock, momentsSource: source, store });
  for (const key of ['failed', 'bought'])
    await api('POST', '/metrics', {
      key,
      kind: 'conversion',
      event: key,
      window: { toMs: 60_000 },
      direction: key === 'failed' ? 'decrease' : 'increase',
    });
  await api('POST', '/flags', { key: 'new-checkout', enabled: true, rules: [RULE] });
});
afterEach(() => server.close());

it('harm with rollback stops the run, and the same units get the control, in one commit', async () => {
  seen(5, 5);
  await start('rollback');
  await pass();
  expect(await read()).toMatchObject({ state: 'running' });
  seen(5, 60);
  clock.advance(TICK_MS);
  await expect.poll(read).toMatchObject({ state: 'stopped', harms: [{ done: 'rollback' }] });
  const { split: _, ...rule } = RULE;
  expect((await flag()).rules).toEqual([{ ...rule, variant: 'off' }]);
  const entries = await audited();
  const actor = { kind: 'system', id: 'pennon:experiment' };
  expect(entries).toMatchObject([
    { action: 'flag.update', actor },
    { action: 'experiment.rollback', actor },
  ]);
  expect(entries[0].revision).toBe(entries[1].revision);
  expect((await api('GET', '/experiments/checkout/results')).state).toBe('stopped');
});

it('its audit entry has everything to compute the evidence again', async () => {
  seen(5, 60);
  await start('rollback');
  clock.advance(TICK_MS);
  await expect.poll(read).toMatchObject({ state: 'stopped' });
  const [{ evidence, variant, text }] = (await audited())[1].after.harms;
  expect([variant, text]).toEqual(['on', '"on" is worse than "off" in metric "failed".']);
  const { mature, soFar, share, direction, tolerance, alpha } = evidence;
  const fields = { kind: 'conversion', ...mature, soFar, share, direction, tolerance, alpha };
  const again = guardrail(fields as Parameters<typeof guardrail>[0]);
  expect([again.harming, again.needed]).toEqual([true, evidence.needed]);
});

it('harm with pause disables the flag, once: a person who enables it has decided', async () => {
  seen(5, 60);
  await start('pause');
  clock.advance(TICK_MS);
  await expect.poll(read).toMatchObject({ state: 'running', harms: [{ done: 'pause' }] });
  const paused = await flag();
  expect([paused.enabled, paused.rules]).toEqual([false, [RULE]]);
  await api('PATCH', '/flags/new-checkout', { enabled: true });
  await pass();
  expect((await flag()).enabled).toBe(true);
  expect((await read()).harms).toHaveLength(1);
});

it.each(['warn', undefined])(
  'harm with onHarm %s is noted once, and nothing else',
  async onHarm => {
    seen(5, 60);
    await start(onHarm);
    clock.advance(TICK_MS);
    await expect.poll(read).toMatchObject({ state: 'running', harms: [{ done: 'warn' }] });
    await pass();
    const { harms, state } = await read();
    expect([harms.length, state]).toEqual([1, 'running']);
    const { enabled, rules } = await flag();
    expect([enabled, rules]).toEqual([true, [RULE]]);
  },
);

it.each([
  ['events are not counted yet', { lagMs: 61_000 }],
  ['the variants do not have the units of their weights', { units: { off: 1_000, on: 2_000 } }],
])('nothing is done while %s', async (_, change) => {
  seen(5, 60, change);
  await start('rollback');
  await pass();
  expect(await read()).toMatchObject({ state: 'running' });
  expect(await read()).not.toHaveProperty('harms');
});

it('what a person has changed in the meantime stays: the share of the traffic, and other rules', async () => {
  seen(5, 5);
  await start('rollback');
  const rules = [
    { ...RULE, percentage: 50 },
    { id: 'rest', conditions: [], bucketBy: 'targetingKey', percentage: 100, variant: 'on' },
  ];
  await api('PATCH', '/flags/new-checkout', { rules });
  seen(5, 60);
  clock.advance(TICK_MS);
  await expect.poll(read).toMatchObject({ state: 'stopped' });
  const { split: _, ...rule } = RULE;
  expect((await flag()).rules).toEqual([{ ...rule, percentage: 50, variant: 'off' }, rules[1]]);
});

it('a run that a person has stopped is left alone, and a restart begins without harms', async () => {
  seen(5, 60);
  await start('pause');
  await api('POST', '/experiments/checkout/stop');
  await pass();
  expect((await flag()).enabled).toBe(true);
  await api('POST', '/experiments/checkout/restart');
  clock.advance(TICK_MS);
  await expect.poll(read).toMatchObject({ harms: [{ done: 'pause' }] });
  await api('POST', '/experiments/checkout/stop');
  expect(await api('POST', '/experiments/checkout/restart')).not.toHaveProperty('harms');
});
