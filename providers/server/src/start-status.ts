import { ServerProviderStatus } from '@openfeature/server-sdk';

/** The SDK needs at least as many microtasks, also for a provider inside another one. */
const FIRST_CHECK = 3;
const LAST_CHECK = 20;

const isOver = (status: ServerProviderStatus, microtasks: number): boolean =>
  microtasks >= FIRST_CHECK && status === ServerProviderStatus.READY;

/**
 * Calls back as soon as the SDK has set the status to READY, which it does some microtasks after `initialize` has
 * resolved. Code that waits for the start runs later, so it never gets that status if the callback emits another
 * one. If the SDK takes longer, such as for other providers, calls back in the next turn of the event loop.
 */
export const onceReady = (
  status: () => ServerProviderStatus,
  callback: () => void,
  microtasks = 0,
): void => {
  if (isOver(status(), microtasks)) callback();
  else if (microtasks === LAST_CHECK) setImmediate(callback);
  else queueMicrotask(() => onceReady(status, callback, microtasks + 1));
};
