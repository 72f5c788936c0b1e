import { isAuthError, isRequestError, toSyncError } from './errors.ts';
import type { SyncError } from './errors.ts';
import { createConnectionScope } from './http.ts';
import type { RequestSpec } from './http.ts';
import { trueWithin } from './refresh.ts';
import type { Runtime } from './runtime.ts';
import { buildRequest } from './synced-resource.ts';
import type { Address } from './synced-resource.ts';
import { backoffDelay, RESPONSE_TIMEOUT_MS } from './timing.ts';
import { createUsageCounters } from './usage-counters.ts';
import type { UsageCount, UsageCounters, UsageEntry } from './usage-counters.ts';

/** The version of all packages, which are released together. */
export const VERSION = '0.1.0';

const INTERVAL_MS = 60_000;
const FIRST_RETRY_MS = 1_000;
/** A report that is not accepted for so long is given up. The server knows repeated ones for an hour. */
const GIVE_UP_MS = 15 * 60_000;
/** How long `close` waits for the server. */
const CLOSE_TIMEOUT_MS = 2_000;

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
  /**
   * Passes on all that the server has not accepted, once, for a page that may not live until a response: as a
   * request, and as text with the key in it.
   */
  handOver(send: (request: RequestSpec, text: string) => void): void;
  /** Reports the rest. Waits for the server, but at most 2 s. */
  close(): Promise<void>;
};

export const createUsageReporter = (options: UsageOptions, runtime: Runtime): UsageReporter => {
  const { now, monotonic, setTimer, random } = runtime;
  const { key, isPublic, onProblem } = options;
  const sdk = `${options.sdk} ${VERSION}`;
  const scope = createConnectionScope(runtime);
  const instance = randomText();
  const waiting = new Set<UsageReport>();
  let sequence = 0;
  let from = 0;
  let isDelivering = false;
  let isRefused = false;
  let cancelTimer: () => void = () => undefined;

  const schedule = () => {
    if (isDelivering || scope.isClosed()) return;
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
    for (const part of inParts(counters.take(isPublic ? MAX_PUBLIC_COUNT : MAX_COUNT))) {
      sequence += 1;
      const counts = part.filter(entry => typeof entry !== 'string');
      const unknown = part.filter(entry => typeof entry === 'string');
      waiting.add({ instance, sequence, ...period, counts, unknown, sdk });
    }
  };

  const requestOf = (report: UsageReport): RequestSpec =>
    buildRequest(options, 'usage', { body: JSON.stringify(report) });

  const refuse = ({ message }: SyncError) => {
    if (!isRefused) onProblem(`usage is not reported: ${message}`);
    isRefused = true;
  };

  /** Sends a report until it is accepted or given up, or until others are responsible for it. */
  const deliver = async (report: UsageReport): Promise<void> => {
    const giveUpAt = monotonic() + GIVE_UP_MS;
    for (let failures = 0; waiting.has(report) && !scope.isClosed(); failures += 1) {
      const error = await scope
        .send(requestOf(report), RESPONSE_TIMEOUT_MS, () => undefined)
        .then(() => undefined, toSyncError);
      if (error === undefined) {
        isRefused = false;
        return;
      }
      if (!waiting.has(report) || scope.isClosed()) return;
      const delay = Math.max(scope.retryAfterMs(), FIRST_RETRY_MS + backoffDelay(failures, random));
      const isFinal = isAuthError(error) || isRequestError(error);
      if (isFinal || monotonic() + delay > giveUpAt) return refuse(error);
      await scope.sleep(delay);
    }
  };

  const deliverAll = async (): Promise<void> => {
    isDelivering = true;
    collect();
    for (const report of waiting) {
      await deliver(report);
      // The report is then one of the last, which `close` sends.
      if (scope.isClosed()) return;
      waiting.delete(report);
    }
    isDelivering = false;
    if (!counters.isEmpty()) schedule();
  };

  return {
    count: counters.count,
    handOver(send) {
      collect();
      const reports = [...waiting];
      waiting.clear();
      for (const report of reports) send(requestOf(report), JSON.stringify({ ...report, key }));
      if (!counters.isEmpty()) schedule();
    },
    async close() {
      if (scope.isClosed()) return;
      scope.close();
      collect();
      if (waiting.size === 0) return;
      const last = createConnectionScope(runtime);
      const sent = [...waiting].map(report =>
        last.send(requestOf(report), CLOSE_TIMEOUT_MS, () => undefined),
      );
      await trueWithin(
        Promise.allSettled(sent).then(() => true),
        CLOSE_TIMEOUT_MS,
        setTimer,
      );
      last.close();
    },
  };
};

/** Returns 16 random bytes as text. */
const randomText = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), byte =>
    byte.toString(16).padStart(2, '0'),
  ).join('');

const toText = (ms: number): string => new Date(ms).toISOString();

/** Returns the entries in parts that each fit into one report. */
const inParts = (entries: readonly UsageEntry[]): readonly (readonly UsageEntry[])[] => {
  const encoder = new TextEncoder();
  const parts: UsageEntry[][] = [];
  let part: UsageEntry[] = [];
  let bytes = Infinity;
  for (const entry of entries) {
    const size = encoder.encode(JSON.stringify(entry)).length + 1;
    if (bytes + size > MAX_BYTES || part.length === MAX_ENTRIES) {
      part = [];
      parts.push(part);
      bytes = 0;
    }
    part.push(entry);
    bytes += size;
  }
  return parts;
};
