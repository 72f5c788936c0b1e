import type { Clock } from '../clock.ts';
import { errorMessage } from '../error-message.ts';
import { storeErrorCode, type StoreErrorCode } from '../store/store.ts';

/** A period in which a replica does not follow the store, so its data may be out of date. */
export type Outage = {
  /** When it started, by the monotonic clock. */
  readonly since: number;
  readonly reason: string;
  readonly code?: StoreErrorCode | undefined;
  /** When the served snapshot file was saved; undefined when the data was last read from the store. */
  readonly snapshotAt?: number;
};

export type OutageReason = {
  readonly reason: string;
  /** What is affected; undefined when it is the whole store. */
  readonly part?: string | undefined;
};

/** Returns what an error affects: the whole store if it cannot be reached, otherwise one part of its data. */
export const affectedPart = (error: unknown): string | undefined =>
  storeErrorCode(error) === 'unavailable' ? undefined : errorMessage(error);

/** Called at the start of an outage. Returns the function to call when it is over. */
export type ReportOutage = (reason: OutageReason) => () => void;

/** The current outage of one replica, if any. */
export type OutageTracker = {
  readonly current: () => Outage | undefined;
  /** Starts an outage. During one, reports the error only if it affects something else. */
  readonly start: (error: unknown) => void;
  readonly end: () => void;
  readonly close: () => void;
};

/** An outage that returns within this time is reported once. */
const SETTLE_MS = 5_000;
/** An outage that returns within this time keeps its start: the store was not followed in between. */
const RETURN_MS = 1_000;

export const createOutageTracker = (
  clock: Clock,
  report: ReportOutage,
  initial?: Outage,
): OutageTracker => {
  let current = initial;
  let previous: { readonly since: number; readonly endedAt: number } | undefined;
  let reportEnd = initial && report(initial);
  let reportedPart: string | undefined;
  let cancelSettle = () => {};

  const startOf = (now: number): number => {
    if (current !== undefined) return current.since;
    if (previous === undefined || now - previous.endedAt > RETURN_MS) return now;
    return previous.since;
  };

  const settle = () => {
    reportEnd?.();
    reportEnd = undefined;
  };

  return {
    current: () => current,
    start(error) {
      const part = affectedPart(error);
      if (current !== undefined && part === reportedPart) return;
      cancelSettle();
      const reason = errorMessage(error);
      const since = startOf(clock.monotonic());
      if (reportEnd === undefined || part !== reportedPart) {
        // A store that is back without its data is available again, but a part of it is lost.
        const endReport = reportEnd;
        reportEnd = report({ reason, part });
        reportedPart = part;
        endReport?.();
      }
      current = { since, reason, code: storeErrorCode(error) };
    },
    end() {
      if (current === undefined) return;
      previous = { since: current.since, endedAt: clock.monotonic() };
      current = undefined;
      cancelSettle = clock.after(SETTLE_MS, settle);
    },
    close() {
      cancelSettle();
      settle();
    },
  };
};

type Logger = Readonly<Record<'info' | 'warn', (fields: object, message: string) => void>>;

/**
 * Logs the loss of the store and its return once each, however many replicas report them, with
 * different reasons. The loss of a part of the store is logged by itself.
 */
export type OutageLog = {
  readonly report: ReportOutage;
  /** Stops logging: replicas that close during an outage have not recovered. */
  readonly close: () => void;
};

export const createOutageLog = (logger: Logger): OutageLog => {
  /** Reports that have not ended, by the affected part, which is '' for the whole store. */
  const open = new Map<string, { replicas: number; readonly reason: string }>();
  let isClosed = false;

  return {
    report({ reason, part = '' }) {
      const outage = open.get(part) ?? { replicas: 0, reason };
      open.set(part, outage);
      outage.replicas += 1;
      if (outage.replicas === 1) logger.warn({ reason }, 'store unavailable; serving from memory');
      return () => {
        outage.replicas -= 1;
        if (outage.replicas > 0) return;
        open.delete(part);
        if (!isClosed) logger.info({ reason: outage.reason }, 'store available again');
      };
    },
    close: () => void (isClosed = true),
  };
};
