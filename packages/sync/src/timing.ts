import { isAuthError } from './errors.ts';
import type { SyncError } from './errors.ts';
import { FIRST_BACKOFF_MS, LONGEST_BACKOFF_MS, REJECTED_KEY_MS, STALE_RETRY_MS } from './times.ts';

/**
 * Returns how long to wait after `failures` failed attempts. The delay is drawn from the whole range ("full
 * jitter"), so the followers of a restarted server do not all reconnect at the same time.
 */
export const backoffDelay = (failures: number, random: () => number): number =>
  random() * Math.min(LONGEST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** failures);

/** Returns how long to wait before using a rejected key again, or 0 if `error` is not a rejected key. */
export const rejectedKeyDelay = (error: SyncError | undefined, random: () => number): number =>
  error !== undefined && isAuthError(error) ? REJECTED_KEY_MS * (1 + random()) : 0;

/**
 * Returns after how long to connect again to a server that is cut off from its store: once a minute on
 * average, because a load balancer may choose another server then.
 */
export const staleRetryDelay = (random: () => number): number =>
  STALE_RETRY_MS * (1 + 2 * random());
