/** When the steps of a shutdown end, in milliseconds after the signal. */
export type ShutdownTimes = {
  /** Until then the server continues to serve, so that clients and load balancers notice. */
  readonly graceMs: number;
  /** Requests that are still pending are aborted. */
  readonly requestsMs: number;
  /** A worker that has not exited is killed. */
  readonly workerMs: number;
  /** The process exits. */
  readonly exitMs: number;
};

const MIN_REQUESTS_MS = 8_500;
/** What pending requests have at least, after the grace period. */
const AFTER_GRACE_MS = 3_500;

/** Returns the times of a shutdown. It takes less than 10 s with a grace period of up to 5 s. */
export const shutdownTimes = (graceMs: number): ShutdownTimes => {
  const requestsMs = Math.max(MIN_REQUESTS_MS, graceMs + AFTER_GRACE_MS);
  return { graceMs, requestsMs, workerMs: requestsMs + 500, exitMs: requestsMs + 1_000 };
};
