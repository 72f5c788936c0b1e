// A file without imports, so that bundlers replace the names by the numbers.

/** How often the server sends a heartbeat on each stream. */
export const HEARTBEAT_MS = 15_000;
/** A stream that receives no event for this long, and no part of one, counts as lost. */
export const IDLE_TIMEOUT_MS = 30_000;
/**
 * The limit for a poll while the server counts as available. With the idle timeout and the longest jitter,
 * it adds up to less than 2.5 heartbeats: the time in which a frozen server must be noticed.
 */
export const CHECK_TIMEOUT_MS = 6_000;
/** The limit for a stream's first event, for a poll's response, and between two chunks of that response. */
export const RESPONSE_TIMEOUT_MS = 10_000;
export const POLL_INTERVAL_MS = 30_000;
/** How long a follower stays at least with a server that is cut off from its store. */
export const STALE_RETRY_MS = 30_000;
export const FIRST_BACKOFF_MS = 1_000;
export const LONGEST_BACKOFF_MS = 30_000;
/** Rejected keys are tried again, but rarely: an administrator may accept the key later. */
export const REJECTED_KEY_MS = 60_000;
/** The upper limit for Retry-After, in case the server is misconfigured. */
export const LONGEST_RETRY_AFTER_MS = 3_600_000;
export const TICK_MS = 1_000;
/** A tick that is later than this shows a pause. A busy event loop delays it less. */
export const LATE_MS = 2_000;
/** A server whose own data are older than this is cut off from its store. A healthy one checks every 5 s. */
export const SOURCE_STALE_MS = 15_000;
/** How much the delays of two responses of one server may differ. */
export const DELAY_TOLERANCE_MS = 1_000;
export const FIRST_RETRY_MS = 1_000;
export const LONGEST_RETRY_MS = 60_000;
