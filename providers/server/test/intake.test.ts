import { describe, expect, it } from 'vitest';

import { createIntake } from '../src/intake.ts';

/** An intake whose takings end when the test says so. */
const openIntake = () => {
  const taken: string[] = [];
  const ends: (() => void)[] = [];
  let rests = 0;
  const take = (told: string): Promise<void> => {
    taken.push(told);
    return new Promise(resolve => void ends.push(resolve));
  };
  const intake = createIntake(take, () => (rests += 1));
  const end = async () => {
    ends.shift()?.();
    await new Promise(resolve => void setImmediate(resolve));
  };
  return { intake, taken, end, rests: () => rests };
};

describe('what is told while something is taken in', () => {
  it('waits for its end, and of several only the newest is taken', async () => {
    const { intake, taken, end, rests } = openIntake();
    intake.offer('first');
    intake.offer('second');
    intake.offer('third');
    expect(taken).toEqual(['first']);
    await end();
    expect([taken, rests(), intake.isBusy()]).toEqual([['first', 'third'], 0, true]);
    await end();
    expect([taken, rests(), intake.isBusy()]).toEqual([['first', 'third'], 1, false]);
  });

  it('is not taken where the intake is closed meanwhile, and nothing is told any more', async () => {
    const { intake, taken, end, rests } = openIntake();
    intake.offer('first');
    intake.offer('second');
    intake.close();
    await end();
    intake.offer('third');
    expect([taken, rests()]).toEqual([['first'], 0]);
  });
});

it('what comes after a rest is taken at once', async () => {
  const { intake, taken, end } = openIntake();
  intake.offer('first');
  await end();
  intake.offer('second');
  expect(taken).toEqual(['first', 'second']);
});
