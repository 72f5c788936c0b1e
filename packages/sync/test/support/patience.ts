import { vi } from 'vitest';

import { defaultRuntime } from '../../src/index.ts';
import type { Runtime } from '../../src/index.ts';

/** Less than a test has, so that the condition is reported. A busy machine must not fail a test. */
const PATIENCE = { timeout: 90_000 };

/** Repeats an assertion until it holds. */
export const eventually = <Value>(assertion: () => Value | Promise<Value>): Promise<Value> =>
  vi.waitFor(assertion, PATIENCE);

/** Resolves once the condition is true. */
export const until = (condition: () => boolean | Promise<boolean>): Promise<unknown> =>
  vi.waitUntil(condition, PATIENCE);

/** The clocks and timers of a runtime. */
type Time = Pick<Runtime, 'now' | 'monotonic' | 'setTimer'>;
const { setTimer } = defaultRuntime;

/** More than the second between two ticks of a follower, and less than what is a pause. */
const LONGEST_STEP_MS = 1_500;
const EPOCH_MS = Date.now();
let steadyMs = 0;
let measuredAt = performance.now();
const monotonic = (): number => {
  const time = performance.now();
  steadyMs += Math.min(time - measuredAt, LONGEST_STEP_MS);
  measuredAt = time;
  return steadyMs;
};

/** Real time that stands still while a busy machine pauses the process. So a provider notices no pause. */
export const steadyTime: Time = { monotonic, now: () => EPOCH_MS + monotonic(), setTimer };

const SLOWER = 10;

/** Real time that is ten times as slow, so that a busy machine reaches no time limit. */
export const slowTime: Time = {
  now: defaultRuntime.now,
  monotonic: () => performance.now() / SLOWER,
  setTimer: (ms, callback) => setTimer(ms * SLOWER, callback),
};
