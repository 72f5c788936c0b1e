/** Time as a parameter, and timers that do not keep the process alive. */
export type Clock = {
  /** The time of day in milliseconds since 1970, for what is stored or shown. It may be set forward and back. */
  now(): number;
  /** Milliseconds since an arbitrary moment, for durations and limits. Never decreases. */
  monotonic(): number;
  /** Calls back once after `ms`. Returns how to cancel. */
  after(ms: number, callback: () => void): () => void;
  /** Calls back every `ms`. Returns how to cancel. */
  every(ms: number, callback: () => void): () => void;
};

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after: (ms, callback) => {
    const timer = setTimeout(callback, ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
  every: (ms, callback) => {
    const timer = setInterval(callback, ms);
    timer.unref();
    return () => clearInterval(timer);
  },
};

/** Resolves after `ms`, or at once if `signal` aborts. */
export const pause = (clock: Clock, ms: number, signal: AbortSignal): Promise<void> =>
  new Promise(resolve => {
    if (signal.aborted) return resolve();
    const done = () => {
      cancel();
      signal.removeEventListener('abort', done);
      resolve();
    };
    const cancel = clock.after(ms, done);
    signal.addEventListener('abort', done, { once: true });
  });

/** Rejects when `promise` takes longer than `ms`. A later result is ignored. */
export const within = <Value>(clock: Clock, ms: number, promise: Promise<Value>): Promise<Value> =>
  new Promise((resolve, reject) => {
    const cancel = clock.after(ms, () => reject(new Error(`no response within ${ms} ms`)));
    promise.then(resolve, reject).finally(cancel);
  });

/** Returns the milliseconds until `instant`, in milliseconds since 1970, or 0 if it has passed. */
export const msUntil = (instant: number, clock: Pick<Clock, 'now'>): number =>
  Math.max(0, instant - clock.now());

/** Formats milliseconds since 1970 as an RFC 3339 instant in UTC. */
export const formatInstant = (ms: number): string => new Date(ms).toISOString();

/** Returns how long ago a time stamp was, by the time of day. Never negative, even if the clock was set back. */
export const ageOf = (clock: Pick<Clock, 'now'>, instant: number): number =>
  Math.max(0, clock.now() - instant);

/** Returns the time of day `ms` ago, for what is kept by its date. */
export const timeBefore = (clock: Pick<Clock, 'now'>, ms: number): number => clock.now() - ms;
