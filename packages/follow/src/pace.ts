import { isRefusal } from './trouble.ts';
import type { Trouble } from './trouble.ts';

/** How often the server lets a stream be heard. */
export const HEARTBEAT_MS = 15_000;
/** A stream that has been silent for so long is dead. */
export const SILENCE_MS = 2.5 * HEARTBEAT_MS;
/** So is a request that has not begun to answer, and a poll between two parts of its answer. */
export const NO_ANSWER_MS = 10_000;
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
export const slowly = (error: Trouble | undefined, random: () => number): number =>
  error !== undefined && isRefusal(error) ? REFUSED_MS * (1 + random()) : 0;
