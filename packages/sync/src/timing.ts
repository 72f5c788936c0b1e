import { isAuthError } from './errors.ts';
import type { SyncError } from './errors.ts';

/** How often the server sends a heartbeat on each stream. */
export const HEARTBEAT_MS = 15_000;
/** A stream that receives no event for this long, and no part of one, counts as lost. */
export const IDLE_TIMEOUT_MS = 2 * HEARTBEAT_MS;
/**
 * The limit for a poll while the server counts as available. With the idle timeout and the longest jitter,
 * it adds up to less than 2.5 heartbeats: the time in which a frozen server must be noticed.
 */
export const CHECK_TIMEOUT_MS = 6_000;
/** The limit for a stream's first event, for a poll's response, and between two chunks of that response. */
export const RESPONSE_TIMEOUT_MS = 10_000;
export const POLL_INTERVAL_MS = 30_000;

/** How long a follower stays at least with a server that is cut off from its store. */
const STALE_RETRY_MS = 30_000;

const FIRST_BACKOFF_MS = 1_000;
const LONGEST_BACKOFF_MS = 30_000;
/** Rejected keys are tried again, but rarely: an administrator may accept the key later. */
const REJECTED_KEY_MS = 60_000;

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
