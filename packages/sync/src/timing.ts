import { isAuthError } from './errors.ts';
import type { SyncError } from './errors.ts';

/** How often the server lets a stream be reset. */
export const HEARTBEAT_MS = 15_000;
/** A stream that has been silent for so long is dead. */
export const IDLE_TIMEOUT_MS = 2.5 * HEARTBEAT_MS;
/** So is a request that has not begun to answer, and a poll between two parts of its answer. */
export const RESPONSE_TIMEOUT_MS = 10_000;
/** A stream that has not begun by then may be held back by a proxy on the way: a poll asks beside it. */
export const HEDGE_MS = 1_000;
export const POLL_INTERVAL_MS = 30_000;

const SHORTEST_MS = 1_000;
const LONGEST_MS = 30_000;
/** A refused key may be accepted later, when somebody has mended it. */
const REFUSED_MS = 60_000;

/** Full jitter: when a server comes back, its followers return spread over the whole time. */
export const backOff = (failures: number, random: () => number): number =>
  random() * Math.min(LONGEST_MS, SHORTEST_MS * 2 ** failures);

/** How long a key that was refused is not shown again, at the least; 0 where something else went wrong. */
export const rejectedKeyDelay = (error: SyncError | undefined, random: () => number): number =>
  error !== undefined && isAuthError(error) ? REFUSED_MS * (1 + random()) : 0;
