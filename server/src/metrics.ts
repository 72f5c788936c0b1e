import { Counter, Gauge, Histogram, Registry, type Aggregator } from 'prom-client';

import type { EventCounts } from './events/counts.ts';
import type { Counter as EvaluationCounter, CounterOf } from './evaluation/counter.ts';
import { createRequestHistogram, SECONDS, type RequestObserverOf } from './histogram.ts';
import type { Store } from './store/store.ts';

/** The metrics of one server, in the text format of Prometheus. */
export type Metrics = {
  readonly counterOf: CounterOf;
  readonly requestObserverOf: RequestObserverOf;
  /** Wraps a store so that the time of each operation is measured. */
  readonly timed: (store: Store) => Store;
  /** Registers values that are read whenever the metrics are requested. */
  readonly observe: (values: ObservedValues) => void;
  readonly text: () => Promise<string>;
  readonly contentType: string;
};

export type ObservedValues = {
  readonly streams: () => number;
  readonly cachedEvaluations: () => number;
  /** The flags of each environment. Counters of those that no longer exist are dropped. */
  readonly flags: () => ReadonlyMap<string, { readonly has: (key: string) => boolean }>;
  readonly revisions: () => readonly (readonly [environment: string, revision: number])[];
  /** Milliseconds since the server stopped following its store; 0 while it follows. */
  readonly degradedMs: () => number;
  /** How long ago the oldest data of the server were current in its store. */
  readonly sourceAgeMs: () => number;
  /** How many lines of the log were not written. */
  readonly droppedLogLines: () => number;
  /** How many entries in the store of other programs were removed or replaced. */
  readonly foreignEntries: () => number;
  readonly events: () => EventCounts;
};

/** Returns how to get the text of all metrics, given those of this process. */
export type GatherMetrics = (own: Registry) => () => Promise<string>;

const onlyOwn: GatherMetrics = own => () => own.metrics();

/** The label of all flags that do not exist, so callers cannot create labels. */
const UNKNOWN_FLAG = '(unknown)';

/** `gather` is set if the server is one of several processes. */
export const createMetrics = (gather: GatherMetrics = onlyOwn): Metrics => {
  const registry = new Registry();
  const registers = [registry];
  const requestObserverOf = createRequestHistogram(registry, {
    name: 'pennon_request_seconds',
    help: 'Duration of requests by route pattern, method and status. A stream is counted when it ends.',
  });
  const store = new Histogram({
    name: 'pennon_store_seconds',
    help: 'Duration of store operations.',
    labelNames: ['operation'],
    buckets: [...SECONDS],
    registers,
  });
  const evaluations = createEvaluationCounters(registry);

  return {
    counterOf: evaluations.counterOf,
    requestObserverOf,
    timed: inner => timedStore(inner, operation => store.startTimer({ operation })),
    observe(values) {
      evaluations.keepOnly(values.flags);
      observeValues(registry, values);
    },
    text: gather(registry),
    contentType: registry.contentType,
  };
};

type EvaluationLabels = {
  readonly environment: string;
  readonly flag: string;
  readonly reason: string;
};

/** Counts evaluations in plain numbers, which is cheap, and labels them only when metrics are requested. */
const createEvaluationCounters = (registry: Registry) => {
  let currentFlags: ObservedValues['flags'] = () => new Map();
  const counts = new Map<string, EvaluationCounter & { readonly labels: EvaluationLabels }>();
  const dropRemoved = () => {
    const environments = currentFlags();
    for (const [name, { labels }] of counts) {
      const flags = environments.get(labels.environment);
      const isKnown = labels.flag === UNKNOWN_FLAG || flags?.has(labels.flag) === true;
      if (flags === undefined || !isKnown) counts.delete(name);
    }
  };
  const counter = new Counter({
    name: 'pennon_evaluations_total',
    help: 'Evaluations by environment, flag and reason.',
    labelNames: ['environment', 'flag', 'reason'],
    registers: [registry],
    collect() {
      counter.reset();
      dropRemoved();
      for (const { labels, count } of counts.values()) counter.inc(labels, count);
    },
  });
  const counterOf: CounterOf = (environment, flagKey, reason, isKnown) => {
    const flag = isKnown ? flagKey : UNKNOWN_FLAG;
    const name = `${environment}\n${flag}\n${reason}`;
    const existing = counts.get(name);
    if (existing !== undefined) return existing;
    const created = { labels: { environment, flag, reason }, count: 0 };
    counts.set(name, created);
    return created;
  };
  return {
    counterOf,
    keepOnly: (flags: ObservedValues['flags']) => void (currentFlags = flags),
  };
};

const observeValues = (registry: Registry, values: ObservedValues): void => {
  const gauge = (name: string, help: string, read: () => number, aggregator: Aggregator = 'sum') =>
    new Gauge({
      name,
      help,
      aggregator,
      registers: [registry],
      collect() {
        this.set(read());
      },
    });
  gauge('pennon_streams', 'Open streams.', values.streams);
  gauge('pennon_cached_answers', 'Bulk evaluations in the cache.', values.cachedEvaluations);
  gauge(
    'pennon_degraded_seconds',
    'Seconds since the server stopped following its store; 0 while it follows.',
    () => values.degradedMs() / 1_000,
    'max',
  );
  gauge(
    'pennon_source_age_seconds',
    'Seconds since the server last knew that its data are those of its store.',
    () => values.sourceAgeMs() / 1_000,
    'max',
  );
  const counter = (name: string, help: string, read: () => number) =>
    new Counter({
      name,
      help,
      registers: [registry],
      collect() {
        this.reset();
        this.inc(read());
      },
    });
  counter(
    'pennon_log_lines_dropped_total',
    'Lines of the log that could not be written, because standard error was full, closed or not read.',
    values.droppedLogLines,
  );
  counter(
    'pennon_foreign_entries_total',
    'Entries that other programs wrote to the keys of Pennon in Redis, and that were removed or replaced.',
    values.foreignEntries,
  );
  counter(
    'pennon_events_accepted_total',
    'Exposures and tracking events that the process has written to the log.',
    () => values.events().accepted,
  );
  counter(
    'pennon_events_folded_entries_total',
    'Entries of the log of events that the process has folded.',
    () => values.events().foldedEntries,
  );
  gauge(
    'pennon_events_fold_lag_seconds',
    'Age of the oldest entry of the log of events that is not folded; 0 if all are.',
    () => values.events().lagMs / 1_000,
    'max',
  );
  counter(
    'pennon_events_thread_failures_total',
    'How often the thread of the events has ended by an error. It starts again.',
    () => values.events().failures,
  );
  gauge(
    'pennon_events_down',
    '1 while the thread of the events does not run after an error, 0 otherwise.',
    () => Number(values.events().isDown),
    'max',
  );
  const rejected = new Counter({
    name: 'pennon_events_rejected_total',
    help: 'Exposures and tracking events that the process has rejected, by code.',
    labelNames: ['code'],
    registers: [registry],
    collect() {
      rejected.reset();
      for (const [code, count] of values.events().rejected) rejected.inc({ code }, count);
    },
  });
  const revision = new Gauge({
    name: 'pennon_revision',
    help: 'Revision of the flag set in memory, by environment.',
    labelNames: ['environment'],
    // The most outdated one of several processes.
    aggregator: 'min',
    registers: [],
    collect() {
      revision.reset();
      for (const [environment, now] of values.revisions()) revision.set({ environment }, now);
    },
  });
  registry.registerMetric(revision);
};

const timedStore = (store: Store, start: (operation: string) => () => void): Store => {
  const timed = <Result>(operation: string, done: Promise<Result>): Promise<Result> =>
    done.finally(start(operation));
  return {
    ...store,
    read: ledger => timed('read', store.read(ledger)),
    head: ledger => timed('head', store.head(ledger)),
    get: (ledger, collection, key) => timed('get', store.get(ledger, collection, key)),
    commit: (ledger, commit) => timed('commit', store.commit(ledger, commit)),
    findAudit: (ledger, query) => timed('findAudit', store.findAudit(ledger, query)),
    auditEntries: (ledger, ids) => timed('auditEntries', store.auditEntries(ledger, ids)),
  };
};
