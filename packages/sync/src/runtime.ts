/** What following needs of the world, so that a test can bring its own. */
export type Runtime = {
  readonly fetch: typeof globalThis.fetch;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Calls back once after `ms`; answers how to cancel. */
  readonly setTimer: (ms: number, callback: () => void) => () => void;
  /** 0 or more, and below 1. */
  readonly random: () => number;
};

/** A timer of more, such as of `Infinity`, would fire at once: 25 days. */
export const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** The world as it is, in browsers and in Node. */
export const defaultRuntime: Runtime = {
  // Looked up at each call: instrumentation replaces the global one after this module is loaded.
  fetch: (input, init) => globalThis.fetch(input, init),
  now: () => Date.now(),
  setTimer(ms, callback) {
    const timer = setTimeout(callback, Math.min(ms, LONGEST_TIMER_MS));
    return () => clearTimeout(timer);
  },
  random: () => Math.random(),
};
