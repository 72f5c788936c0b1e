import { hasBegun, momentsAt, unitsOf, type CohortSums } from '@pennon/statistics/fold';

import type { MeasuredRecords } from '../experiments/design.ts';
import type { EventHealth, RunData, RunRef, RunSums, RunUnit } from '../experiments/moments.ts';
import { laterTurn } from '../slices.ts';
import type { EventStore, Partition } from '../store/event-store.ts';
import type { Ledger } from '../store/store.ts';
import { eraseFrom, type EraseInput } from './erase.ts';
import { exportLog, type ExportInput } from './export.ts';
import { findUnit } from './find-unit.ts';
import { foldStep, loadCohorts, loadHealth, loadSeenEvents } from './fold-step.ts';
import { environmentHealthIn, runHealthIn, sumRunHealth } from './health.ts';
import { findRun, measuredRuns, type MeasuredRun } from './measured-runs.ts';
import { oldestAfterCursor } from './read-ahead.ts';
import { laterOf, type SeenEvents } from './seen-events.ts';
import {
  acceptBatch,
  type AcceptInput,
  type EventsResult,
  type MeasuredEnvironment,
} from './read-batch.ts';

type FlagSetLedger = Ledger<'flagSet'>;

type RunInput = { readonly ref: RunRef; readonly at: number; readonly now: number };

export type FoldInput = { readonly ledgers: readonly FlagSetLedger[]; readonly now: number };
export type Folded = {
  readonly entries: number;
  /** When the oldest entry arrived that is not folded. */
  readonly oldestAt: number | undefined;
};

/**
 * All work on events. Inputs and outputs can be sent to another thread. Time is a parameter, and so is what is
 * measured.
 */
export type EventsEngine = {
  /** Sets what is measured in an environment, for all later calls. */
  measure(input: { ledger: FlagSetLedger; records: MeasuredRecords }): Promise<void>;
  accept(input: AcceptInput): Promise<EventsResult>;
  /** Folds everything that has been held long enough. */
  fold(input: FoldInput): Promise<Folded>;
  moments(input: RunInput): Promise<RunSums>;
  data(input: RunInput): Promise<RunData>;
  environmentHealth(input: { ledger: FlagSetLedger; now: number }): Promise<EventHealth>;
  /** Returns when events of each name were seen last. */
  seenEvents(input: { ledger: FlagSetLedger }): Promise<SeenEvents>;
  unit(input: { ref: RunRef; unit: string; secret: string }): Promise<RunUnit>;
  exportLog(input: ExportInput): Promise<string>;
  erase(input: EraseInput): Promise<void>;
  /** Removes everything of an environment. */
  clear(input: { ledger: FlagSetLedger }): Promise<void>;
};

/** The call that closes the store of an engine in a thread. */
export const CLOSE = 'close';

const NOTHING: MeasuredRecords = {
  flags: new Map(),
  metrics: new Map(),
  experiments: new Map(),
  ramps: new Map(),
};

export const createEventsEngine = (store: EventStore): EventsEngine => {
  const environments = new Map<string, MeasuredEnvironment>();
  const environmentOf = ({ id }: FlagSetLedger): MeasuredEnvironment =>
    environments.get(id) ?? { records: NOTHING, runs: measuredRuns(NOTHING) };
  const partitionsOf = (ledger: FlagSetLedger): Partition[] =>
    Array.from({ length: store.partitions }, (_, number) => ({ ledger, number }));
  const runOf = ({ ledger, run }: RunRef): MeasuredRun | undefined =>
    findRun(environmentOf(ledger).records, run);

  const foldPartition = async (partition: Partition, now: number): Promise<Folded> => {
    let entries = 0;
    for (;;) {
      const { runs } = environmentOf(partition.ledger);
      const folded = await foldStep(store, partition, runs, now);
      if (folded === 0) break;
      entries += folded;
      // Other calls begin between the steps, because SQLite never waits.
      await laterTurn();
    }
    if (entries > 0) await store.trim(partition);
    return { entries, oldestAt: await oldestAfterCursor(store, partition) };
  };
  const cohortsOf = async ({ ledger, run }: RunRef): Promise<CohortSums[]> => {
    const parts = partitionsOf(ledger).map(partition => loadCohorts(store, partition, run));
    return (await Promise.all(parts)).flat();
  };
  const runHealth = async ({ ledger, run }: RunRef) => {
    const texts = partitionsOf(ledger).map(partition => loadHealth(store, partition, run));
    return (await Promise.all(texts)).map(runHealthIn).reduce(sumRunHealth);
  };
  /** Only the first partition has what was not accepted. */
  const environmentHealth = async (ledger: FlagSetLedger) =>
    environmentHealthIn(await loadHealth(store, { ledger, number: 0 }));
  const lagMs = async (ledger: FlagSetLedger, now: number): Promise<number> => {
    const oldest = await Promise.all(
      partitionsOf(ledger).map(async partition => {
        const [next] = await store.read(partition, await store.cursor(partition), 1);
        return next?.at ?? now;
      }),
    );
    return Math.max(0, now - Math.min(...oldest));
  };

  return {
    async measure({ ledger, records }) {
      environments.set(ledger.id, { records, runs: measuredRuns(records) });
    },
    accept: input => acceptBatch(store, environmentOf(input.ledger), input),
    async fold({ ledgers, now }) {
      let entries = 0;
      const waiting: number[] = [];
      for (const partition of ledgers.flatMap(partitionsOf)) {
        const folded = await foldPartition(partition, now);
        entries += folded.entries;
        if (folded.oldestAt !== undefined) waiting.push(folded.oldestAt);
      }
      return { entries, oldestAt: waiting.length === 0 ? undefined : Math.min(...waiting) };
    },
    async moments({ ref, at, now }) {
      const [cohorts, lag] = await Promise.all([cohortsOf(ref), lagMs(ref.ledger, now)]);
      return { ...momentsOf(runOf(ref), cohorts, at), at, lagMs: lag };
    },
    async data({ ref, at, now }) {
      const [cohorts, { lastExposureAt, ...counts }, { mismatched }, lag] = await Promise.all([
        cohortsOf(ref),
        runHealth(ref),
        environmentHealth(ref.ledger),
        lagMs(ref.ledger, now),
      ]);
      const run = runOf(ref);
      return {
        moments: { ...momentsOf(run, cohorts, at), at, lagMs: lag, lastExposureAt },
        health: {
          ...counts,
          quarantined: quarantinedOf(run, cohorts),
          mismatched: ofRun(mismatched, ref.run),
        },
      };
    },
    async environmentHealth({ ledger, now }) {
      const { rejected, dropped, unknownEvents } = await environmentHealth(ledger);
      return { rejected, dropped, unknownEvents, lagMs: await lagMs(ledger, now) };
    },
    async seenEvents({ ledger }) {
      const parts = partitionsOf(ledger).map(partition => loadSeenEvents(store, partition));
      return (await Promise.all(parts)).reduce(laterOf);
    },
    async unit({ ref, unit, secret }) {
      const run = runOf(ref);
      if (run === undefined) return { assigned: null, exposure: null, metrics: [] };
      return findUnit({ store, ledger: ref.ledger, secret }, run, unit);
    },
    exportLog: input => exportLog(store, input),
    erase: input => eraseFrom(store, input),
    async clear({ ledger }) {
      environments.delete(ledger.id);
      await store.clear(ledger);
    },
  };
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

/** Returns the sums of the cohorts that have begun by a time. */
const momentsOf = (
  run: MeasuredRun | undefined,
  all: readonly CohortSums[],
  at: number,
): Pick<RunSums, 'units' | 'quarantined' | 'metrics'> => {
  const cohorts = run === undefined ? [] : all.filter(each => hasBegun(run.folded, each, at));
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
