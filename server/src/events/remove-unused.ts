import { laterTurn } from '../slices.ts';
import {
  afterChange,
  type EventStore,
  type FoldWrite,
  type GroupNames,
  type Partition,
} from '../store/event-store.ts';
import { GROUPS, settledCells, unitsKeyOf } from './groups.ts';
import {
  entryCell,
  entryValue,
  fieldOf,
  inventoryKeys,
  markUsed,
  openInventory,
  unusedOf,
  type Inventory,
  type InventoryEntry,
} from './inventory.ts';
import type { MeasuredRuns } from './measured-runs.ts';
import { LATEST_MS } from './read-batch.ts';

/**
 * How long it must have been unused. The documents of a server may be older than those of another, so a run that one
 * does not have may be a new one. Profiles have a half-life of a week, and a later run may need them.
 */
const UNUSED_MS = { run: LATEST_MS, covariate: 90 * 86_400_000 } as const;

/** Groups that are removed in one write, so that other work is not held. */
const GROUPS_AT_ONCE = 32;
/** The settled units of a run are one large group, which is removed in so many parts. */
const SETTLED_PARTS = 64;

type Changes = Pick<FoldWrite, 'values' | 'removed' | 'removedGroups'>;

const NOTHING: Changes = { values: [], removed: [], removedGroups: [] };

/** Removes what is stored of units for earlier runs, and for experiments and metrics that were deleted. */
export const removeUnused = async (
  store: EventStore,
  partition: Partition,
  measured: MeasuredRuns,
  now: number,
): Promise<void> => {
  const { inventory, found } = await openInventory(store, partition);
  const unused = unusedOf(inventory, inventoryKeys(measured.runs, measured));
  const marks = [...found, ...markMeasured(inventory, measured), ...markUnused(unused, now)];
  if (marks.length > 0 && !(await change(store, partition, { ...NOTHING, values: marks }))) return;
  const due = unused.filter(
    ({ kind, unusedMs }) => unusedMs > 0 && now - unusedMs >= UNUSED_MS[kind],
  );
  if (due.length > 0 && (await removeGroups(store, partition, due)))
    await change(store, partition, { ...NOTHING, removed: due.flatMap(cellsOf) });
};

const markMeasured = (inventory: Inventory, measured: MeasuredRuns): FoldWrite['values'] => {
  const runs = measured.all().map(({ run }) => run);
  return markUsed(inventory, inventoryKeys(runs, measured));
};

const markUnused = (unused: readonly InventoryEntry[], now: number): FoldWrite['values'] =>
  unused
    .filter(({ unusedMs }) => unusedMs === 0)
    .map(each => entryValue({ ...each, unusedMs: now }));

const cellsOf = (entry: InventoryEntry) => [
  entryCell(entry),
  ...(entry.kind === 'run' ? [{ group: GROUPS.progress, field: entry.name }] : []),
];

/** Writes changes unless something was folded in the meantime, or nothing ever was. Returns whether it did. */
const change = async (
  store: EventStore,
  partition: Partition,
  changes: Changes,
): Promise<boolean> => {
  const expected = await store.cursor(partition);
  if (expected === '') return false;
  return store.write(partition, { expected, cursor: afterChange(expected), ...changes });
};

/** Removes all groups of the entries. Returns false if something was folded in the meantime. */
const removeGroups = async (
  store: EventStore,
  partition: Partition,
  entries: readonly InventoryEntry[],
): Promise<boolean> => {
  const fields = new Set(entries.map(fieldOf));
  const isUnused = (group: string): boolean => {
    const key = unitsKeyOf(group);
    return key !== undefined && fields.has(fieldOf(key));
  };
  let from: string | undefined = '';
  while (from !== undefined) {
    const { names, next }: GroupNames = await store.groups(partition, from);
    for (const changes of removalsOf(names.filter(isUnused), store.partitions)) {
      if (!(await change(store, partition, changes))) return false;
      await laterTurn();
    }
    from = next;
  }
  return true;
};

/** Returns the removal of groups, in parts. */
function* removalsOf(groups: readonly string[], partitions: number): Generator<Changes> {
  for (const group of groups)
    for (let part = 0; part < SETTLED_PARTS && isSettled(group); part += 1) {
      const removed = settledCells(group, partitions, { part, parts: SETTLED_PARTS });
      yield { ...NOTHING, removed };
    }
  for (let at = 0; at < groups.length; at += GROUPS_AT_ONCE)
    yield { ...NOTHING, removedGroups: groups.slice(at, at + GROUPS_AT_ONCE) };
}

const isSettled = (group: string): boolean =>
  group === GROUPS.settled(unitsKeyOf(group)?.name ?? '');
