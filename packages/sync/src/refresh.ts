import type { Runtime } from './runtime.ts';

/** Resolves to the result, or to false after `ms`. */
export const trueWithin = (
  promise: Promise<boolean>,
  ms: number,
  setTimer: Runtime['setTimer'],
): Promise<boolean> =>
  new Promise((resolve, reject) => {
    const cancelTimer = setTimer(ms, () => resolve(false));
    promise.finally(cancelTimer).then(resolve, reject);
  });

/**
 * Requests the data at once. Resolves to whether the server sent or confirmed them within `timeoutMs`, in response to
 * a request that was sent after the call.
 */
export type Refresh = (timeoutMs: number) => Promise<boolean>;
