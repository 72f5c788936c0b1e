/** The network, clock, timers and randomness that a follower uses. Tests replace them. */
export type Runtime = {
  readonly fetch: typeof globalThis.fetch;
  /**
   * Makes `fetch` use new connections from now on: those that are open may be dead after a pause. Omitted if
   * `fetch` does not support that.
   */
  readonly renewConnections?: (() => void) | undefined;
  /** The time of day in milliseconds since 1970, for what is stored or shown. It may be set forward and back. */
  readonly now: () => number;
  /** Milliseconds since an arbitrary moment, for durations and limits. Never decreases. */
  readonly monotonic: () => number;
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
  monotonic: () => performance.now(),
  setTimer(ms, callback) {
    const timer = setTimeout(callback, Math.min(ms, LONGEST_TIMER_MS));
    return () => clearTimeout(timer);
  },
  random: () => Math.random(),
};

/** Returns how far the time of day is ahead of the monotonic clock. It changes only if one of them is set or stops. */
export const clockOffset = ({ now, monotonic }: Pick<Runtime, 'now' | 'monotonic'>): number =>
  now() - monotonic();

/**
 * Returns how long ago a stored time was, or undefined if that is unknown. It is unknown for a time in the
 * future: the clock has been set back since, or was another one.
 */
export const ageOf = (
  storedAt: number | undefined,
  { now }: Pick<Runtime, 'now'>,
): number | undefined => {
  const ageMs = storedAt === undefined ? -1 : now() - Math.floor(storedAt);
  return ageMs < 0 ? undefined : ageMs;
};

/** Returns the time to store for what is this old, from which `ageOf` returns its age. */
export const instantOf = (
  ageMs: number | undefined,
  { now }: Pick<Runtime, 'now'>,
): number | undefined => (ageMs === undefined ? undefined : Math.round(now() - ageMs));
