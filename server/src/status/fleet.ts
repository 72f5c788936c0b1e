import type { Clock } from '../clock.ts';
import type { FleetMember, ServerReport, Store } from '../store/store.ts';

/** The servers that share the store, as of the last successful report. */
export type Fleet = {
  /** The id of this server. */
  readonly self: string;
  /** This server as it is now, and the others as of their last report. */
  members(): readonly FleetMember[];
  /** The number of servers, at least 1. */
  readonly size: () => number;
  /** Stops reporting and removes this server's report from the store. */
  close(): Promise<void>;
};

export type FleetOptions = {
  readonly store: Pick<Store, 'reportServer' | 'leave'>;
  readonly clock: Clock;
  readonly report: () => ServerReport;
};

const REPORT_MS = 2_000;
/** A server without a report for this long is no longer counted. */
const REPORT_TTL_MS = 7_000;

/**
 * Reports this server to the store at intervals, and reads the reports of the others. While the store is unavailable all servers are assumed
 * to be running, because their clients and streams are still there.
 */
export const joinFleet = async ({ store, clock, report }: FleetOptions): Promise<Fleet> => {
  const self = report().id;
  let others: readonly FleetMember[] = [];
  let updatedAt = clock.monotonic();

  const exchange = async () => {
    const members = await store.reportServer(report(), REPORT_TTL_MS);
    others = members.filter(member => member.report.id !== self);
    updatedAt = clock.monotonic();
  };
  let pending = Promise.resolve();
  const tryExchange = () => {
    pending = exchange().catch(() => undefined);
  };
  const stop = clock.every(REPORT_MS, tryExchange);
  tryExchange();
  await pending;

  return {
    self,
    size: () => others.length + 1,
    members() {
      const elapsed = clock.monotonic() - updatedAt;
      return [
        { report: report(), ageMs: 0 },
        ...others.map(other => ({ ...other, ageMs: other.ageMs + elapsed })),
      ];
    },
    async close() {
      stop();
      // Otherwise a report that is still on its way could arrive after the removal.
      await pending;
      await store.leave(self).catch(() => undefined);
    },
  };
};
