import {
  fold,
  inOrder,
  momentsAt,
  receive,
  unitsOf,
  type FoldedExperiment,
  type FoldEvent,
  type FoldMetric,
  type ReplayWindow,
  type Source,
} from '../../src/fold/index.ts';
import { compare } from './vectors.ts';

type ShortSource = {
  readonly kind: Source['kind'];
  readonly event: string;
  /** Attribute equals value. */
  readonly where?: Readonly<Record<string, unknown>>;
};

type ShortMetric = {
  readonly key: string;
  readonly window: { readonly fromMs?: number; readonly toMs: number };
  readonly cap?: number;
} & (ShortSource | { readonly kind: 'ratio'; numerator: ShortSource; denominator: ShortSource });

/** An event as a log has it. */
type ShortEvent = FoldEvent & { readonly time: number };

/** A log in the order of its arrival, and what it makes. */
export type FoldCase = {
  readonly id: string;
  readonly experiment: Omit<FoldedExperiment, 'metrics'> & {
    readonly variants: readonly string[];
    readonly metrics: readonly ShortMetric[];
  };
  readonly batches: readonly {
    readonly instance: string;
    readonly sequence: number;
    readonly events: readonly ShortEvent[];
  }[];
  readonly atMs: number;
  readonly expected: unknown;
};

const sourceOf = ({ kind, event, where = {} }: ShortSource): Source => ({
  kind,
  event,
  matches: attributes =>
    Object.entries(where).every(([attribute, value]) => attributes[attribute] === value),
});

const metricOf = (metric: ShortMetric): FoldMetric => {
  const { key, window, cap } = metric;
  return {
    key,
    window: { fromMs: 0, ...window },
    ...(cap === undefined ? {} : { cap }),
    sources:
      metric.kind === 'ratio'
        ? [sourceOf(metric.numerator), sourceOf(metric.denominator)]
        : [sourceOf(metric)],
  };
};

/** Leaves out repeated batches. */
const received = ({ batches }: FoldCase): { events: FoldEvent[]; duplicates: number } => {
  const windows = new Map<string, ReplayWindow>();
  const accepted = batches.filter(({ instance, sequence }) => {
    const window = receive(windows.get(instance), sequence);
    if (window !== undefined) windows.set(instance, window);
    return window !== undefined;
  });
  const events = accepted.flatMap(each =>
    each.events.map(event => ({ ...event, timeMs: event.time })),
  );
  return { events, duplicates: batches.length - accepted.length };
};

/** Folds a log as a server does whose hold is longer than the log. */
const run = (each: FoldCase): unknown => {
  const { variants, metrics, ...rest } = each.experiment;
  const experiment = { ...rest, metrics: metrics.map(metricOf) };
  const { events, duplicates } = received(each);
  const { cohorts, counts } = fold(experiment, new Map(), inOrder(events));
  const byVariant = <Value>(f: (variant: string) => Value) =>
    Object.fromEntries(variants.map(variant => [variant, f(variant)]));
  const momentsOf = (metric: number, variant: string) =>
    momentsAt(experiment, cohorts, { metric, variant, atMs: each.atMs });
  return {
    health: {
      ...counts,
      duplicates,
      units: byVariant(variant => unitsOf(cohorts, variant).units),
      quarantined: variants.reduce(
        (sum, variant) => sum + unitsOf(cohorts, variant).quarantined,
        0,
      ),
    },
    metrics: Object.fromEntries(
      metrics.map(({ key }, at) => [
        key,
        {
          mature: byVariant(variant => momentsOf(at, variant)?.mature),
          soFar: byVariant(variant => momentsOf(at, variant)?.soFar),
        },
      ]),
    ),
  };
};

/** Returns a line for each field that differs from what a log makes. */
export const foldDifferences = (each: FoldCase): string[] =>
  compare(each.id, run(each), each.expected, { relative: 0, absolute: 0 });
