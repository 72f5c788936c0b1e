import { expect, test } from 'vitest';

import { runRamps, STEP_COUNT } from '../src/ramps/simulation.ts';

const FEW = { seed: 3, count: 6, minutesBetweenLooks: 15 };

test('releases without harm are not rolled back, and reach all users', async () => {
  const ramps = await runRamps({ ...FEW, failed: { off: 0.01, on: 0.01 }, hours: 48 });
  expect(ramps).toHaveLength(FEW.count);
  for (const { state, step, minutes } of ramps) {
    expect([state, step]).toEqual(['completed', STEP_COUNT + 1]);
    expect(minutes).toBeLessThanOrEqual(42 * 60);
  }
});

test('releases with 20 times as many errors are rolled back at 1 %', async () => {
  const ramps = await runRamps({
    ...FEW,
    minutesBetweenLooks: 5,
    failed: { off: 0.01, on: 0.2 },
    hours: 1,
  });
  expect(ramps).toHaveLength(FEW.count);
  for (const { state, step, minutes } of ramps) {
    expect([state, step]).toEqual(['rolledBack', 1]);
    expect(minutes).toBeLessThanOrEqual(20);
  }
});
