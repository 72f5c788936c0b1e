import type { Clock } from '../clock.ts';

/** A period in which a replica does not follow the store, so its data may be out of date. */
export type Outage = {
  /** In milliseconds since 1970. */
  readonly since: number;
  readonly reason: string;
  /** When the served snapshot file was saved; undefined if the data was last read from the store. */
  readonly snapshotAt?: number;
};

/** Called at the start of an outage. Returns the function to call when it is over. */
export type ReportOutage = (reason: string) => () => void;

/** The current outage of one replica, if any. */
export type OutageTracker = {
  readonly current: () => Outage | undefined;
  /** Starts an outage. Does nothing during one. */
  readonly start: (reason: string) => void;
  readonly end: () => void;
  readonly close: () => void;
};

/** An outage that returns within this time is the same outage: it keeps its start and is reported once. */
const SETTLE_MS = 5_000;

export const createOutageTracker = (
  clock: Clock,
  report: ReportOutage,
  initial?: Outage,
): OutageTracker => {
  let current = initial;
  let previous: Outage | undefined;
  let reportEnd = initial && report(initial.reason);
  let cancelSettle = () => {};

  const settle = () => {
    previous = undefined;
    reportEnd?.();
    reportEnd = undefined;
  };

  return {
    current: () => current,
    start(reason) {
      if (current !== undefined) return;
      cancelSettle();
      reportEnd ??= report(reason);
      current = { since: previous?.since ?? clock.now(), reason };
    },
    end() {
      if (current === undefined) return;
      previous = current;
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

/** Logs the loss of the store and its return once each, however many replicas report them. */
export type OutageLog = {
  readonly report: ReportOutage;
  /** Stops logging: replicas that close during an outage have not recovered. */
  readonly close: () => void;
};

export const createOutageLog = (logger: Logger): OutageLog => {
  const replicasByReason = new Map<string, number>();
  let closed = false;

  return {
    report(reason) {
      const replicas = replicasByReason.get(reason) ?? 0;
      replicasByReason.set(reason, replicas + 1);
      if (replicas === 0) logger.warn({ reason }, 'store unavailable; serving from memory');
      return () => {
        const left = (replicasByReason.get(reason) ?? 0) - 1;
        if (left > 0) return void replicasByReason.set(reason, left);
        replicasByReason.delete(reason);
        if (!closed) logger.info({ reason }, 'store available again');
      };
    },
    close: () => void (closed = true),
  };
};
