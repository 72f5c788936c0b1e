import { expect, it } from 'vitest';

import type { RunMoments } from '../src/experiments/moments.ts';
import { createFakeClock } from './support/fake-clock.ts';
import { conversion, givenMoments } from './support/given-moments.ts';
import { startServer } from './support/server.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const START = Date.parse('2026-12-01T09:00:00Z');
const DAYS = 14;
const UNITS_PER_DAY = 4_500;

/** A generator of the same numbers from 0 to 1 in each run (mulberry32). */
const seeded = (seed: number) => () => {
  seed = (seed + 0x6d_2b_79_f5) | 0;
  let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
};

type Rates = { readonly off: number; readonly on: number };

/** Units by chance, one after the other, with a variant and a conversion. */
const simulate = (seed: number, rates: Rates) => {
  const random = seeded(seed);
  const counts = { off: [0, 0], on: [0, 0] };
  const days = Array.from({ length: DAYS }, () => {
    for (let i = 0; i < UNITS_PER_DAY; i += 1) {
      const variant = random() < 0.5 ? 'off' : 'on';
      const [units = 0, converted = 0] = counts[variant];
      counts[variant] = [units + 1, converted + Number(random() < rates[variant])];
    }
    return structuredClone(counts);
  });
  return (at: number): Partial<RunMoments> => {
    const day = days[Math.min(DAYS, Math.floor((at - START) / DAY_MS)) - 1];
    const { off: [off = 0, offConverted = 0] = [], on: [on = 0, onConverted = 0] = [] } = day ?? {};
    return {
      units: { off, on },
      metrics: { bought: { off: conversion(off, offConverted), on: conversion(on, onConverted) } },
    };
  };
};

/** Runs an experiment to its end, with a look each day, and returns the outcome of each look. */
const run = async (seed: number, rates: Rates) => {
  const clock = createFakeClock(START);
  const { given, source } = givenMoments();
  await using server = await startServer({ clock, momentsSource: source });
  given.of = simulate(seed, rates);
  const window = { toMs: HOUR_MS };
  await server.api('POST', '/metrics', {
    body: { key: 'bought', kind: 'conversion', event: 'bought', window },
  });
  const split = ['off', 'on'].map(variant => ({ variant, weight: 1 }));
  const rules = [{ id: 'r', split }];
  await server.api('POST', '/flags', { body: { key: 'f', enabled: true, rules } });
  const metrics = [{ metric: 'bought', role: 'primary', minimumEffect: 0.1 }];
  const plan = {
    end: new Date(START + DAYS * DAY_MS).toISOString(),
    units: DAYS * UNITS_PER_DAY,
  };
  await server.api('POST', '/experiments', {
    body: { key: 'e', flag: 'f', rule: 'r', control: 'off', metrics, plan },
  });
  await server.api('POST', '/experiments/e/start');
  const looks: string[] = [];
  const look = async () => (await server.api('GET', '/experiments/e/results')).body;
  for (let day = 1; day < DAYS; day += 1) {
    clock.jump(DAY_MS);
    looks.push((await look()).recommendation.outcome);
  }
  clock.jump(DAY_MS);
  const state = async () => (await server.api('GET', '/experiments/e')).body.state;
  await expect.poll(state).toBe('settling');
  clock.jump(3 * HOUR_MS);
  await expect.poll(state).toBe('ended');
  return { looks, final: await look() };
};

it('an experiment without a difference is never decided, however often one looks', async () => {
  const { looks, final } = await run(7, { off: 0.1, on: 0.1 });
  expect(looks).toEqual(looks.map(() => 'wait'));
  expect(final).toMatchObject({
    final: true,
    recommendation: { outcome: 'noDifference', reason: 'noMeaningfulDifference' },
    sampleRatio: { mismatch: false },
  });
});

it('an experiment with a large effect is decided early, and stays decided', async () => {
  const { looks, final } = await run(8, { off: 0.1, on: 0.12 });
  const first = looks.indexOf('ship');
  expect(first).toBeLessThan(DAYS - 1);
  expect(looks.slice(first)).toEqual(looks.slice(first).map(() => 'ship'));
  const [comparison] = final.metrics[0].comparisons;
  expect(comparison).toMatchObject({
    outcome: 'better',
    decidedAt: new Date(START + (first + 1) * DAY_MS).toISOString(),
  });
  expect(comparison.relativeLower).toBeLessThan(0.2);
  expect(comparison.relativeUpper).toBeGreaterThan(0.2);
});

it('an experiment with a harmful effect is not shipped', async () => {
  const { final } = await run(9, { off: 0.1, on: 0.09 });
  expect(final.recommendation).toMatchObject({ outcome: 'doNotShip', variant: 'on' });
});
