import { createDelivery, inParts, newInstance, VERSION } from './delivery.ts';
import type { RequestSpec } from './http.ts';
import type { Runtime } from './runtime.ts';
import type { Address } from './synced-resource.ts';
import { createUsageCounters } from './usage-counters.ts';
import type { UsageCount, UsageCounters, UsageEntry } from './usage-counters.ts';

const INTERVAL_MS = 60_000;

const MAX_COUNT = 1_000_000_000;
/** The same for client keys, which are public. */
const MAX_PUBLIC_COUNT = 10_000;
const MAX_ENTRIES = 2_000;
/** Of the entries of one report. With everything else, the server accepts 64 KiB. */
const MAX_BYTES = 60_000;

/** What was counted in a time. A report that is sent again has the same sequence, so it counts once. */
type UsageReport = {
  readonly instance: string;
  readonly sequence: number;
  readonly from: string;
  readonly until: string;
  readonly counts: readonly UsageCount[];
  readonly unknown: readonly string[];
  readonly sdk: string;
};

export type UsageOptions = Address & {
  /** The name of the provider. */
  readonly sdk: string;
  /** Whether the key is a client key. */
  readonly isPublic: boolean;
  /** Called once when reports are not accepted, and again only after one was. */
  readonly onProblem: (message: string) => void;
};

/** Counts what an application gets, and reports it to the server at intervals. Never throws. */
export type UsageReporter = Pick<UsageCounters, 'count'> & {
  /** Passes on all that the server has not accepted, once, as `Delivery` does. */
  handOver(send: (request: RequestSpec, text: string) => boolean): void;
  /** Reports the rest. Waits for the server, but at most 2 s. */
  close(): Promise<void>;
};

export const createUsageReporter = (options: UsageOptions, runtime: Runtime): UsageReporter => {
  const { now, setTimer, random } = runtime;
  const { isPublic } = options;
  const sdk = `${options.sdk} ${VERSION}`;
  const instance = newInstance();
  const delivery = createDelivery<UsageReport>(
    {
      ...options,
      route: 'usage',
      problem: 'usage is not reported',
      textOf: (report, fields) => JSON.stringify({ ...report, ...fields }),
    },
    runtime,
  );
  let sequence = 0;
  let from = 0;
  let isClosed = false;
  let cancelTimer: () => void = () => undefined;

  const schedule = () => {
    if (delivery.isActive() || isClosed) return;
    cancelTimer = setTimer(INTERVAL_MS * (0.8 + 0.4 * random()), () => void deliverAll());
  };
  const counters = createUsageCounters(() => {
    from = now();
    schedule();
  });

  /** Makes reports of what was counted. */
  const collect = () => {
    cancelTimer();
    const until = now();
    // The clock may have been set back.
    const period = { from: toText(Math.min(from, until)), until: toText(until) };
    from = until;
    const entries = counters.take(isPublic ? MAX_PUBLIC_COUNT : MAX_COUNT);
    for (const part of inParts<UsageEntry>(entries, JSON.stringify, MAX_ENTRIES, MAX_BYTES)) {
      sequence += 1;
      const counts = part.filter(entry => typeof entry !== 'string');
      const unknown = part.filter(entry => typeof entry === 'string');
      delivery.waiting.add({ instance, sequence, ...period, counts, unknown, sdk });
    }
  };

  const deliverAll = async (): Promise<void> => {
    collect();
    await delivery.start();
    if (!counters.isEmpty()) schedule();
  };

  return {
    count: counters.count,
    handOver(send) {
      collect();
      delivery.handOver(send);
      if (!counters.isEmpty()) schedule();
    },
    async close() {
      if (isClosed) return;
      isClosed = true;
      collect();
      await delivery.close();
    },
  };
};

const toText = (ms: number): string => new Date(ms).toISOString();
