import {
  cohortName,
  cohortOf,
  rollUp,
  settledMs,
  type CohortSums,
  type FoldedExperiment,
} from '@pennon/statistics/fold';

import { fromByteString, toByteString } from '../byte-string.ts';
import {
  afterChange,
  type Cell,
  type EventStore,
  type FoldWrite,
  type Partition,
} from '../store/event-store.ts';
import { GROUPS } from './groups.ts';
import type { MeasuredRun, MeasuredRuns } from './measured-runs.ts';
import { unpackHead } from './packed-state.ts';
import { LATEST_MS } from './read-batch.ts';
import { removeUnused } from './remove-unused.ts';
import { withSettled } from './settled-units.ts';
import { cohortIn, cohortText } from './cohort-text.ts';
import { cellsOfState, changeSettled, loadPacked, type Load } from './unit-states.ts';
import { BUCKETS, BUCKETS_AT_ONCE, unitOfBytes } from './units.ts';

const HOUR_MS = 3_600_000;
/** How often to check whether there is something to settle. */
const CHECK_MS = 60_000;

/** When each partition of an environment is checked again. */
const nextChecks = new WeakMap<Partition['ledger'], Map<number, number>>();

/**
 * Replaces the states of units whose values are final, because no event can change them any more, by what fits into 10
 * bytes, and adds the cohorts of each day. Moments stay the same, and a unit that is exposed again is still known.
 */
export const settle = async (
  store: EventStore,
  partition: Partition,
  measured: MeasuredRuns,
  now: number,
): Promise<void> => {
  const { ledger, number } = partition;
  const checks = nextChecks.get(ledger) ?? new Map<number, number>();
  nextChecks.set(ledger, checks);
  if (now < (checks.get(number) ?? 0)) return;
  checks.set(number, now + CHECK_MS);
  for (const run of measured.all())
    while (await settleStep(store, { partition, run, now })) {
      // The next buckets follow.
    }
  await removeUnused(store, partition, measured, now);
};

type SettledRun = {
  readonly partition: Partition;
  readonly run: MeasuredRun;
  readonly now: number;
};

/** How far the units of a run are settled: all until a time, and the first buckets until a later one. */
type Progress = { readonly doneMs: number; readonly untilMs: number; readonly bucket: number };

const progressIn = (text = '0 0 0'): Progress => {
  const [doneMs = 0, untilMs = 0, bucket = 0] = text.split(' ').map(Number);
  return { doneMs, untilMs, bucket };
};

/** Settles the units of some buckets. Returns whether there are more. */
const settleStep = async (store: EventStore, settled: SettledRun): Promise<boolean> => {
  const { partition, run } = settled;
  const cursor = await store.cursor(partition);
  const cell = { group: GROUPS.progress, field: run.run };
  const [text] = await store.load(partition, [cell]);
  const progress = await begun(store, settled, { progress: progressIn(text), cursor });
  if (progress === undefined) return false;
  const { bucket: first, untilMs } = progress;
  const buckets = Array.from({ length: BUCKETS_AT_ONCE }, (_, index) => first + index);
  const writes: Collected = { values: [], removed: [] };
  await settleBuckets(store, settled, { buckets, untilMs }, writes);
  const next = first + BUCKETS_AT_ONCE;
  const isLast = next >= BUCKETS;
  if (isLast) await rollUpCohorts(store, settled, untilMs, writes);
  const after = isLast ? `${untilMs} 0 0` : `${progress.doneMs} ${untilMs} ${next}`;
  writes.values.push({ ...cell, value: after });
  const write = { expected: cursor, cursor: afterChange(cursor), ...writes, removedGroups: [] };
  const isWritten = await store.write(partition, write);
  return isWritten && !isLast;
};

type Collected = {
  readonly values: FoldWrite['values'][number][];
  readonly removed: Cell[];
};

/** Returns where to continue, or undefined if there is nothing to settle. */
const begun = async (
  store: EventStore,
  { partition, run, now }: SettledRun,
  { progress, cursor }: { progress: Progress; cursor: string },
): Promise<Progress | undefined> => {
  if (cursor === '') return undefined;
  if (progress.bucket > 0) return progress;
  const [next] = await store.read(partition, cursor, 1);
  const latest = Math.min(now, next?.at ?? now) - LATEST_MS;
  const untilMs = latest - (latest % HOUR_MS);
  const { folded } = run;
  const [first, last] = [folded.startMs, folded.endMs].map(ms => settledOf(folded, ms));
  const isDue = untilMs > progress.doneMs && untilMs >= (first ?? 0);
  return isDue && progress.doneMs < (last ?? 0) ? { ...progress, untilMs } : undefined;
};

/** Returns the time from which on no event changes the values of a unit. */
const settledOf = (folded: FoldedExperiment, exposedMs: number): number =>
  settledMs(folded, cohortOf(folded, exposedMs));

type Buckets = { readonly buckets: readonly number[]; readonly untilMs: number };

const settleBuckets = async (
  store: EventStore,
  { partition, run }: SettledRun,
  { buckets, untilMs }: Buckets,
  { values, removed }: Collected,
): Promise<void> => {
  const groups = await Promise.all(
    buckets.map(bucket => store.loadGroup(partition, GROUPS.states(run.run, bucket))),
  );
  const settled = groups.flatMap(group =>
    Array.from(group, ([bytes, piece]) => ({ bytes, ...unpackHead(piece, run) })).filter(
      ({ exposedMs }) => settledOf(run.folded, exposedMs) <= untilMs,
    ),
  );
  const load: Load = cells => store.load(partition, cells);
  const states = { load, partitions: store.partitions };
  const changed = await changeSettled(states, run.run, settled, (text, { bytes, ...state }) =>
    withSettled(text, bytes, state, run),
  );
  values.push(...changed);
  const units = settled.map(({ bytes }) => unitOfBytes(bytes));
  for (const [unit, packed] of await loadPacked(load, run.run, units))
    removed.push(...cellsOfState(run.run, unit, packed));
};

const rollUpCohorts = async (
  store: EventStore,
  { partition, run }: SettledRun,
  untilMs: number,
  { values, removed }: Collected,
): Promise<void> => {
  const group = GROUPS.cohorts(run.run);
  const fields = await store.loadGroup(partition, group);
  const cohorts = Array.from(fields, ([name, text]) =>
    cohortIn(fromByteString(name), fromByteString(text)),
  );
  const { removed: parts, merged } = rollUp(run.folded, cohorts, untilMs);
  const cellOf = (cohort: CohortSums): Cell => ({ group, field: toByteString(cohortName(cohort)) });
  removed.push(...parts.map(cellOf));
  values.push(...merged.map(each => ({ ...cellOf(each), value: toByteString(cohortText(each)) })));
};
