import type { Clock } from '../../src/clock.ts';

export type FakeClock = Clock & {
  /** Advances the time and fires the timers that are due, in order. */
  advance(ms: number): void;
  /** Sets the time to a later one. Fires each timer that is due once, however often it would have fired. */
  jump(ms: number): void;
  /** Sets the time of day forward, or back if `ms` is negative. No time passes. */
  setWallTime(ms: number): void;
};

type Timer = { due: number; everyMs: number | undefined; callback: () => void };

/** Unlike 1970, so a confusion of the two clocks is noticed. */
const MONOTONIC_START = 1_000_000;

/** Creates a clock that changes only if a test advances it. */
export const createFakeClock = (start = Date.parse('2026-01-31T12:00:00Z')): FakeClock => {
  let now = MONOTONIC_START;
  let epoch = start - MONOTONIC_START;
  const timers = new Set<Timer>();
  const add = (ms: number, everyMs: number | undefined, callback: () => void) => {
    const timer = { due: now + ms, everyMs, callback };
    timers.add(timer);
    return () => timers.delete(timer);
  };
  const nextDue = (until: number) =>
    [...timers].filter(({ due }) => due <= until).toSorted((a, b) => a.due - b.due)[0];

  return {
    now: () => epoch + now,
    monotonic: () => now,
    after: (ms, callback) => add(ms, undefined, callback),
    every: (ms, callback) => add(ms, ms, callback),
    advance(ms) {
      const until = now + ms;
      for (let timer = nextDue(until); timer !== undefined; timer = nextDue(until)) {
        now = timer.due;
        if (timer.everyMs === undefined) timers.delete(timer);
        else timer.due += timer.everyMs;
        timer.callback();
      }
      now = until;
    },
    setWallTime(ms) {
      epoch += ms;
    },
    jump(ms) {
      now += ms;
      for (const timer of [...timers].filter(({ due }) => due <= now)) {
        if (timer.everyMs === undefined) timers.delete(timer);
        else timer.due = now + timer.everyMs;
        timer.callback();
      }
    },
  };
};
