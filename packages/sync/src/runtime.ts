/** The network, clock, timers and randomness that a follower uses. Tests replace them. */
export type Runtime = {
  readonly fetch: typeof globalThis.fetch;
  /** The current time in milliseconds since 1970. */
  readonly now: () => number;
  /** Calls `callback` once after `ms`. Returns a function that cancels the timer. */
  readonly setTimer: (ms: number, callback: () => void) => () => void;
  /** Returns a number from 0 up to, but not including, 1. */
  readonly random: () => number;
};

/** The longest delay that setTimeout supports (about 25 days). Anything longer fires immediately. */
export const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** The runtime of browsers and Node.js. */
export const defaultRuntime: Runtime = {
  // Looked up on each call, because instrumentation may replace the global after this module was loaded.
  fetch: (input, init) => globalThis.fetch(input, init),
  now: () => Date.now(),
  setTimer(ms, callback) {
    const timer = setTimeout(callback, Math.min(ms, LONGEST_TIMER_MS));
    return () => clearTimeout(timer);
  },
  random: () => Math.random(),
};
