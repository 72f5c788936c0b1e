import { laterTurn } from '../slices.ts';
import {
  afterChange,
  type Cell,
  type EventStore,
  type FoldWrite,
  type Partition,
} from '../store/event-store.ts';
import { GROUPS, settledCells } from './groups.ts';
import {
  entryCell,
  entryValue,
  inventoryKeys,
  loadInventory,
  markUsed,
  unusedOf,
  type Inventory,
  type InventoryEntry,
} from './inventory.ts';
import type { MeasuredRuns } from './measured-runs.ts';
import { LATEST_MS } from './read-batch.ts';
import { BUCKETS, BUCKETS_AT_ONCE } from './units.ts';

/**
 * How long it must have been unused. The documents of a server may be older than those of another, so a run that one
 * does not have may be a new one. Profiles have a half-life of a week, and a later run may need them.
 */
const UNUSED_MS = { run: LATEST_MS, covariate: 90 * 86_400_000 } as const;

/** Removes what is stored of units for earlier runs, and for experiments and metrics that were deleted. */
export const removeUnused = async (
  store: EventStore,
  partition: Partition,
  measured: MeasuredRuns,
  now: number,
): Promise<void> => {
  while (await removeStep(store, { partition, measured, now })) await laterTurn();
};

type Removal = {
  readonly partition: Partition;
  readonly measured: MeasuredRuns;
  readonly now: number;
};

type Changes = Pick<FoldWrite, 'values' | 'removed' | 'removedGroups'>;

const NOTHING: Changes = { values: [], removed: [], removedGroups: [] };

/** Removes some buckets of what is no longer used. Returns whether there may be more. */
const removeStep = async (
  store: EventStore,
  { partition, measured, now }: Removal,
): Promise<boolean> => {
  const cursor = await store.cursor(partition);
  if (cursor === '') return false;
  const inventory = await loadInventory(store, partition);
  const unused = unusedOf(inventory, inventoryKeys(measured.runs, measured));
  const due = unused.find(
    ({ kind, unusedMs }) => unusedMs > 0 && now - unusedMs >= UNUSED_MS[kind],
  );
  const marks = [...markMeasured(inventory, measured), ...markUnused(unused, now)];
  if (due === undefined && marks.length === 0) return false;
  const changes = due === undefined ? NOTHING : await removalOf(store, partition, due);
  const isWritten = await store.write(partition, {
    expected: cursor,
    cursor: afterChange(cursor),
    ...changes,
    values: [...marks, ...changes.values],
  });
  return isWritten && due !== undefined;
};

const markMeasured = (inventory: Inventory, measured: MeasuredRuns): FoldWrite['values'] => {
  const runs = measured.all().map(({ run }) => run);
  return markUsed(inventory, inventoryKeys(runs, measured));
};

const markUnused = (unused: readonly InventoryEntry[], now: number): FoldWrite['values'] =>
  unused
    .filter(({ unusedMs }) => unusedMs === 0)
    .map(each => entryValue({ ...each, unusedMs: now }));

/** Returns the removal of the next buckets, and at last of all the rest. */
const removalOf = async (
  store: EventStore,
  partition: Partition,
  entry: InventoryEntry,
): Promise<Changes> => {
  const { kind, name, bucket: first } = entry;
  const buckets = Array.from({ length: BUCKETS_AT_ONCE }, (_, index) => first + index);
  const isRun = kind === 'run';
  const groups = isRun
    ? await statesIn(store, partition, { run: name, buckets })
    : buckets.map(bucket => GROUPS.profiles(name, bucket));
  const settled = isRun ? settledPart(store, name, first) : [];
  const next = first + BUCKETS_AT_ONCE;
  if (next < BUCKETS)
    return {
      values: [entryValue({ ...entry, bucket: next })],
      removed: settled,
      removedGroups: groups,
    };
  const rest = isRun ? [GROUPS.settled(name), GROUPS.cohorts(name), GROUPS.health(name)] : [];
  const progress = isRun ? [{ group: GROUPS.progress, field: name }] : [];
  return {
    values: [],
    removed: [entryCell(entry), ...progress],
    removedGroups: [...groups, ...rest],
  };
};

const settledPart = ({ partitions }: EventStore, run: string, bucket: number): Cell[] =>
  settledCells(run, partitions, {
    part: bucket / BUCKETS_AT_ONCE,
    parts: BUCKETS / BUCKETS_AT_ONCE,
  });

type Buckets = { readonly run: string; readonly buckets: readonly number[] };

/** Returns the groups of states. A bucket without a piece has none of the next ones. */
const statesIn = async (
  store: EventStore,
  partition: Partition,
  { run, buckets }: Buckets,
): Promise<string[]> => {
  const groups: string[] = [];
  let open = buckets;
  for (let piece = 0; open.length > 0; piece += 1) {
    const names = open.map(bucket => GROUPS.states(run, bucket, piece));
    const found = await Promise.all(names.map(name => store.loadGroup(partition, name)));
    groups.push(...names);
    open = open.filter((_, at) => (found[at]?.size ?? 0) > 0);
  }
  return groups;
};
