import type { Clock } from '@pennon/server';
import type { Runtime } from '@pennon/sync';

/** A clock on which days take moments. */
export type CompressedClock = Clock & {
  /** Sets the time to a later one. Fires each timer that is due once, however often it would have fired. */
  jump(ms: number): void;
};

type Timer = { due: number; readonly everyMs: number | undefined; readonly callback: () => void };

export const createCompressedClock = (start: number): CompressedClock => {
  let passed = 0;
  const timers = new Set<Timer>();
  const add = (ms: number, everyMs: number | undefined, callback: () => void) => {
    const timer = { due: passed + ms, everyMs, callback };
    timers.add(timer);
    return () => void timers.delete(timer);
  };
  return {
    now: () => start + passed,
    monotonic: () => passed,
    after: (ms, callback) => add(ms, undefined, callback),
    every: (ms, callback) => add(ms, ms, callback),
    jump(ms) {
      passed += ms;
      for (const timer of [...timers].filter(({ due }) => due <= passed)) {
        if (timer.everyMs === undefined) timers.delete(timer);
        else timer.due = passed + timer.everyMs;
        timer.callback();
      }
    },
  };
};

/** The runtime of a provider that lives by the clock of the server. */
export const runtimeOn = (clock: Clock): Omit<Runtime, 'fetch'> => ({
  now: () => clock.now(),
  monotonic: () => clock.monotonic(),
  setTimer: (ms, callback) => clock.after(ms, callback),
  random: () => 0.5,
});
