import { expect, test } from 'vitest';

import { QUICK, SIMULATIONS } from '../src/statistics/benchmark.ts';
import { measure } from '../src/statistics/simulation.ts';

test.each(SIMULATIONS.map(each => [each.title, each] as const))('%s', (_, simulation) => {
  const { share, atLeast, atMost } = measure(simulation, QUICK.runs, QUICK.errors);
  expect(share).toBeGreaterThanOrEqual(atLeast);
  expect(share).toBeLessThanOrEqual(atMost);
});

test('a promise that does not hold is measured as such', () => {
  const run = (random: { uniform: () => number }) => random.uniform() < 0.1;
  expect(measure({ title: '', limit: { atMost: 0.05 }, run }, 2_000, 4).holds).toBe(false);
  expect(measure({ title: '', limit: { atLeast: 0.15 }, run }, 2_000, 4).holds).toBe(false);
  expect(measure({ title: '', limit: { atMost: 0.11 }, run }, 2_000, 4).holds).toBe(true);
});

test('runs that do not count are left out, and a seed repeats a run', () => {
  const run = (random: { uniform: () => number }) => {
    const drawn = random.uniform();
    return drawn < 0.5 ? undefined : drawn < 0.75;
  };
  const simulation = { title: '', limit: {}, run };
  expect(measure(simulation, 4_000).share).toBeCloseTo(0.5, 1);
  expect(measure(simulation, 500)).toEqual(measure(simulation, 500));
});
