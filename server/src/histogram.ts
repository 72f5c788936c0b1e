import { Histogram, type Registry } from 'prom-client';

/** The upper bounds of the buckets of all histograms. */
export const SECONDS: readonly number[] = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5,
];

type RequestLabels = {
  readonly route: string;
  readonly method: string;
  readonly status: number;
};

/** The durations of the requests with the same labels. */
type Durations = {
  readonly labels: RequestLabels;
  /** One for each bucket, and one for longer durations. */
  readonly counts: number[];
  sum: number;
};

/** Counts a request of a route by its status. */
export type ObserveRequest = (status: number, seconds: number) => void;

/** Returns how to count the requests of a route. */
export type RequestObserverOf = (route: string, method: string) => ObserveRequest;

/**
 * Creates a histogram of durations that counts in plain numbers, and labels them only when metrics are requested:
 * the histogram of prom-client hashes its labels with each observation.
 */
export const createRequestHistogram = (
  registry: Registry,
  { name, help }: { readonly name: string; readonly help: string },
): RequestObserverOf => {
  const all: Durations[] = [];
  const observers = new Map<string, ObserveRequest>();
  const get = async () => ({
    name,
    help,
    type: 'histogram',
    aggregator: 'sum',
    values: all.flatMap(each => seriesOf(name, each)),
  });
  const labelNames = ['route', 'method', 'status'] as const;
  // The registry calls the second function for its text, and the first one to send metrics to another process.
  Object.assign(new Histogram({ name, help, labelNames, registers: [registry] }), {
    get,
    getForPromString: get,
  });
  return (route, method) => {
    const key = `${method} ${route}`;
    const observer = observers.get(key) ?? createObserver(all, { route, method });
    observers.set(key, observer);
    return observer;
  };
};

const createObserver = (all: Durations[], route: Omit<RequestLabels, 'status'>): ObserveRequest => {
  const byStatus = new Map<number, Durations>();
  const durationsOf = (status: number): Durations => {
    const existing = byStatus.get(status);
    if (existing !== undefined) return existing;
    const counts = Array<number>(SECONDS.length + 1).fill(0);
    const created = { labels: { ...route, status }, counts, sum: 0 };
    byStatus.set(status, created);
    all.push(created);
    return created;
  };
  return (status, seconds) => {
    const durations = durationsOf(status);
    const bucket = bucketOf(seconds);
    durations.counts[bucket] = (durations.counts[bucket] ?? 0) + 1;
    durations.sum += seconds;
  };
};

const bucketOf = (seconds: number): number => {
  let bucket = 0;
  while (bucket < SECONDS.length && seconds > (SECONDS[bucket] ?? 0)) bucket += 1;
  return bucket;
};

/** Each bucket includes those below it. */
const seriesOf = (name: string, { labels, counts, sum }: Durations) => {
  let count = 0;
  const buckets = counts.map((each, at) => {
    count += each;
    const le = SECONDS[at] ?? '+Inf';
    return { labels: { le, ...labels }, value: count, metricName: `${name}_bucket` };
  });
  return [
    ...buckets,
    { labels, value: sum, metricName: `${name}_sum` },
    { labels, value: count, metricName: `${name}_count` },
  ];
};
