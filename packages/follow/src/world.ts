/** What following needs of the world, so that a test can bring its own. */
export type World = {
  readonly fetch: typeof globalThis.fetch;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Calls back once after `ms`; answers how to cancel. */
  readonly after: (ms: number, callback: () => void) => () => void;
  /** 0 or more, and below 1. */
  readonly random: () => number;
};

/** The world as it is, in browsers and in Node. */
export const realWorld: World = {
  // Looked up at each call: instrumentation replaces the global one after this module is loaded.
  fetch: (input, init) => globalThis.fetch(input, init),
  now: () => Date.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
  random: () => Math.random(),
};
