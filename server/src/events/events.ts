import type { Clock } from '../clock.ts';
import { hasBegun, momentsAt, unitsOf, type CohortSums } from '@pennon/statistics/fold';

import type { Registry } from '../flag-set/registry.ts';
import { cursorSecret } from '../replication/cursor-secret.ts';
import type { Replica } from '../replication/replica.ts';
import { isTransient, type Ledger, type Snapshot } from '../store/store.ts';
import type { AcceptServices } from './accept.ts';
import { createEventCounters, type EventCounts } from './counts.ts';
import type { EventStore, Partition } from '../store/event-store.ts';
import { findUnit } from './find-unit.ts';
import { foldStep, loadCohorts, loadHealth } from './fold-step.ts';
import { addRefused, environmentHealthIn, runHealthIn, sumRunHealth } from './health.ts';
import { findRun, measuredRuns, type MeasuredRun, type MeasuredRuns } from './measured-runs.ts';
import type {
  EventHealth,
  MomentsSource,
  RunHealth,
  RunMoments,
  RunRef,
} from '../experiments/moments.ts';

export type Events = MomentsSource &
  AcceptServices['events'] & {
    /** Folds everything that has been held long enough. */
    fold(): Promise<void>;
    /** What this process has done, for the metrics. */
    counts(): EventCounts;
    /** Removes what is known of the units of a deleted environment. */
    clear(ledger: Ledger<'flagSet'>): Promise<void>;
    close(): Promise<void>;
  };

type EventsDeps = {
  readonly store: EventStore;
  readonly registry: Registry;
  readonly control: Replica<'control'>;
  readonly clock: Clock;
  readonly keepsUnits?: boolean;
  readonly onError: (error: unknown) => void;
};

/** How often held events are folded. */
const FOLD_MS = 1_000;

/** Receives events, folds them, and returns the moments of runs. */
export const createEvents = (deps: EventsDeps): Events => {
  const { store, registry, control, clock, onError, keepsUnits = false } = deps;
  const measured = new WeakMap<Snapshot<'flagSet'>, MeasuredRuns>();
  const measuredIn = (environment: string): MeasuredRuns => {
    const snapshot = registry.find(environment).replica.current();
    const known = measured.get(snapshot) ?? measuredRuns(snapshot.records);
    measured.set(snapshot, known);
    return known;
  };
  const ledgerOf = (environment: string): Ledger<'flagSet'> =>
    registry.find(environment).replica.ledger;
  const secretOf = ({ id }: Ledger<'flagSet'>): string => `${cursorSecret(control)} ${id}`;
  const partitionsOf = (ledger: Ledger<'flagSet'>): Partition[] =>
    Array.from({ length: store.partitions }, (_, number) => ({ ledger, number }));

  const counters = createEventCounters(clock);
  /** Returns when the oldest entry arrived that is not folded. */
  const foldPartition = async (
    environment: string,
    partition: Partition,
  ): Promise<number | undefined> => {
    const [observed, oldest] = observeReads(store);
    let hasFolded = false;
    for (;;) {
      const folded = await foldStep(observed, partition, measuredIn(environment), clock.now());
      if (folded === 0) break;
      counters.addFolded(folded);
      hasFolded = true;
    }
    if (hasFolded) await store.trim(partition);
    return oldest();
  };
  /** Without a metric nothing is measured, and nothing is read. */
  const fold = async (): Promise<void> => {
    const waiting: number[] = [];
    for (const { environment, replica } of registry.all())
      if (replica.current().records.metrics.size > 0)
        for (const partition of partitionsOf(replica.ledger))
          waiting.push((await foldPartition(environment, partition)) ?? Number.POSITIVE_INFINITY);
    counters.setOldest(Math.min(...waiting));
  };
  let folding: Promise<void> | undefined;
  const foldOnce = (): Promise<void> => {
    folding ??= fold().finally(() => {
      folding = undefined;
    });
    return folding;
  };
  /** An outage of the store is reported once, by the replicas. */
  const report = (error: unknown): void => {
    if (!isTransient(error)) onError(error);
  };
  let isClosed = false;
  let cancel = (): void => {};
  const schedule = (): void => {
    if (isClosed) return;
    cancel = clock.after(FOLD_MS, () => void foldOnce().catch(report).finally(schedule));
  };
  schedule();

  const runOf = ({ ledger, run }: RunRef): MeasuredRun | undefined => {
    const live = registry.all().find(({ replica }) => replica.ledger.id === ledger.id);
    const records = live?.replica.current().records;
    return records && findRun(records, run);
  };

  const lagMs = async (ledger: Ledger<'flagSet'>): Promise<number> => {
    const oldest = await Promise.all(
      partitionsOf(ledger).map(async partition => {
        const [next] = await store.read(partition, await store.cursor(partition), 1);
        return next?.at ?? clock.now();
      }),
    );
    const time = clock.now();
    return Math.max(0, time - Math.min(...oldest));
  };

  return {
    store,
    ledgerOf,
    measuredIn,
    secretOf,
    keepsUnits,
    count: counters.addResult,
    counts: counters.read,
    fold: foldOnce,
    async moments(ref, at) {
      const run = runOf(ref);
      const parts = await Promise.all(
        partitionsOf(ref.ledger).map(partition => loadCohorts(store, partition, ref.run)),
      );
      const health = await runHealth(ref);
      return {
        ...momentsOf(
          run,
          parts.flat().filter(each => run !== undefined && hasBegun(run.folded, each, at)),
          at,
        ),
        at,
        lagMs: await lagMs(ref.ledger),
        lastExposureAt: health.lastExposureAt,
      };
    },
    async health(ref) {
      const { lastExposureAt: _, outside: __, ...counts } = await runHealth(ref);
      const { mismatched } = await environmentHealth(ref.ledger);
      const run = runOf(ref);
      const cohorts = await Promise.all(
        partitionsOf(ref.ledger).map(partition => loadCohorts(store, partition, ref.run)),
      );
      return {
        ...counts,
        quarantined: quarantinedOf(run, cohorts.flat()),
        mismatched: ofRun(mismatched, ref.run),
      } satisfies RunHealth;
    },
    async environmentHealth(ledger) {
      const { rejected, dropped, unknownEvents } = await environmentHealth(ledger);
      return { rejected, dropped, unknownEvents, lagMs: await lagMs(ledger) } satisfies EventHealth;
    },
    async unit(ref, unit) {
      const run = runOf(ref);
      if (run === undefined) return { assigned: null, exposure: null, metrics: [] };
      const secret = secretOf(ref.ledger);
      return findUnit({ store, ledger: ref.ledger, secret }, run, unit);
    },
    clear: ledger => store.clear(ledger),
    async close() {
      isClosed = true;
      cancel();
      await folding?.catch(() => {});
    },
  };

  async function runHealth({ ledger, run }: RunRef) {
    const texts = await Promise.all(
      partitionsOf(ledger).map(partition => loadHealth(store, partition, run)),
    );
    return texts.map(runHealthIn).reduce(sumRunHealth);
  }

  async function environmentHealth(ledger: Ledger<'flagSet'>) {
    const texts = await Promise.all(
      partitionsOf(ledger).map(partition => loadHealth(store, partition)),
    );
    return texts.map(environmentHealthIn).reduce(addRefused);
  }
};

/** Returns a store, and when the first entry arrived that was read from it last. */
const observeReads = (store: EventStore): [EventStore, () => number | undefined] => {
  let oldest: number | undefined;
  const observed: EventStore = {
    ...store,
    async read(partition, after, limit) {
      const entries = await store.read(partition, after, limit);
      oldest = entries[0]?.at;
      return entries;
    },
  };
  return [observed, () => oldest];
};

const quarantinedOf = (run: MeasuredRun | undefined, cohorts: readonly CohortSums[]): number =>
  (run?.variants ?? []).reduce((sum, variant) => sum + unitsOf(cohorts, variant).quarantined, 0);

/** Returns the counts of one run by SDK. Their names have the run in front. */
const ofRun = (counts: Readonly<Record<string, number>>, run: string): Record<string, number> =>
  Object.fromEntries(
    Object.entries(counts).flatMap(([name, count]) =>
      name.startsWith(`${run} `) ? [[name.slice(run.length + 1), count]] : [],
    ),
  );

const momentsOf = (
  run: MeasuredRun | undefined,
  cohorts: readonly CohortSums[],
  at: number,
): Pick<RunMoments, 'units' | 'quarantined' | 'metrics'> => {
  const variants = run?.variants ?? [];
  const counted = variants.map(variant => [variant, unitsOf(cohorts, variant)] as const);
  return {
    units: Object.fromEntries(
      counted.map(([variant, { units, quarantined }]) => [variant, units + quarantined]),
    ),
    quarantined: Object.fromEntries(
      counted.map(([variant, { quarantined }]) => [variant, quarantined]),
    ),
    metrics: Object.fromEntries(
      (run?.folded.metrics ?? []).map(({ key }, metric) => [
        key,
        Object.fromEntries(
          variants.flatMap(variant => {
            const moments = run && momentsAt(run.folded, cohorts, { metric, variant, atMs: at });
            return moments === undefined ? [] : [[variant, moments]];
          }),
        ),
      ]),
    ),
  };
};
