import { Counter, Gauge, Histogram, Registry, type Aggregator } from 'prom-client';

import type { Counter as EvaluationCount, CounterOf } from './evaluation/counter.ts';
import type { Store } from './store/store.ts';

/** What is measured of one server, in Prometheus' text format. */
export type Metrics = {
  readonly counterOf: CounterOf;
  readonly countRequest: (route: string, method: string, status: number, seconds: number) => void;
  /** The same store, with the time of each operation observed. */
  readonly timed: (store: Store) => Store;
  /** Values read when somebody asks for the metrics. */
  readonly observe: (source: Source) => void;
  readonly text: () => Promise<string>;
  readonly contentType: string;
};

type Source = {
  readonly streams: () => number;
  readonly cachedAnswers: () => number;
  readonly revisions: () => readonly (readonly [environment: string, revision: number])[];
  /** Milliseconds since the store was last followed; 0 while it is. */
  readonly degradedMs: () => number;
};

export type Gather = (own: Registry) => () => Promise<string>;

const ofOneServer: Gather = own => () => own.metrics();

/** Stands for all flags that do not exist: a caller cannot make labels up. */
const UNKNOWN_FLAG = '(unknown)';

const REQUEST_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5];

/** `gather` makes the text where this server is one of several on its port. */
export const createMetrics = (gather: Gather = ofOneServer): Metrics => {
  const registry = new Registry();
  const registers = [registry];
  const requests = new Histogram({
    name: 'pennon_request_seconds',
    help: 'Requests by route pattern, method and status; streams count when they end.',
    labelNames: ['route', 'method', 'status'],
    buckets: REQUEST_SECONDS,
    registers,
  });
  const store = new Histogram({
    name: 'pennon_store_seconds',
    help: 'Time that the store took, by operation.',
    labelNames: ['operation'],
    buckets: REQUEST_SECONDS,
    registers,
  });
  const counterOf = evaluationCounters(registry);

  return {
    counterOf,
    countRequest: (route, method, status, seconds) =>
      requests.observe({ route, method, status }, seconds),
    timed: inner => timedStore(inner, operation => store.startTimer({ operation })),
    observe: source => observeSource(registry, source),
    text: gather(registry),
    contentType: registry.contentType,
  };
};

/**
 * Evaluations by environment, flag and reason. Counting is raising a number; labels are made when
 * somebody reads them.
 */
const evaluationCounters = (registry: Registry): CounterOf => {
  const counts = new Map<string, EvaluationCount & { readonly labels: Record<string, string> }>();
  const counter = new Counter({
    name: 'pennon_evaluations_total',
    help: 'Evaluations by environment, flag and reason.',
    labelNames: ['environment', 'flag', 'reason'],
    registers: [registry],
    collect() {
      counter.reset();
      for (const { labels, count } of counts.values()) counter.inc(labels, count);
    },
  });
  return (environment, flagKey, reason, known) => {
    const flag = known ? flagKey : UNKNOWN_FLAG;
    const name = `${environment}\n${flag}\n${reason}`;
    const existing = counts.get(name);
    if (existing !== undefined) return existing;
    const made = { labels: { environment, flag, reason }, count: 0 };
    counts.set(name, made);
    return made;
  };
};

const observeSource = (registry: Registry, source: Source): void => {
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
  gauge('pennon_streams', 'Open streams.', source.streams);
  gauge('pennon_cached_answers', 'Bulk answers in the cache.', source.cachedAnswers);
  gauge(
    'pennon_degraded_seconds',
    'How long the store has not been followed; 0 while it is.',
    () => source.degradedMs() / 1_000,
    'max',
  );
  const revision = new Gauge({
    name: 'pennon_revision',
    help: 'Revision of the flag set in memory, by environment.',
    labelNames: ['environment'],
    // Of several servers on one port, the one that is behind.
    aggregator: 'min',
    registers: [],
    collect() {
      revision.reset();
      for (const [environment, now] of source.revisions()) revision.set({ environment }, now);
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
    page: (ledger, collection, range) => timed('page', store.page(ledger, collection, range)),
    commit: (ledger, commit) => timed('commit', store.commit(ledger, commit)),
    audit: (ledger, query) => timed('audit', store.audit(ledger, query)),
  };
};
