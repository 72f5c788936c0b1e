import type { Runtime } from './runtime.ts';

/** The SDK needs at least as many microtasks, also for a provider inside another one. */
const FIRST_CHECK = 3;
const LAST_CHECK = 20;

/**
 * Calls back as soon as the SDK of OpenFeature has set the status to READY, which it does some microtasks after the
 * promise of a provider has resolved. Code that waits for the start runs later, so it never gets that status if the
 * callback emits another one. If the SDK takes longer, calls back in the next turn of the event loop.
 */
export const onceReady = (
  isReady: () => boolean,
  callback: () => void,
  setTimer: Runtime['setTimer'],
): void => {
  let microtasks = 0;
  const check = () => {
    microtasks += 1;
    if (microtasks > FIRST_CHECK && isReady()) callback();
    else if (microtasks > LAST_CHECK) setTimer(0, callback);
    else queueMicrotask(check);
  };
  check();
};
