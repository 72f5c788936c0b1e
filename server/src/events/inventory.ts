import { fromByteString, toByteString } from '../byte-string.ts';
import { laterTurn } from '../slices.ts';
import type { Cell, EventStore, FoldWrite, GroupNames, Partition } from '../store/event-store.ts';
import { GROUPS, unitsKeyOf, type UnitsKey } from './groups.ts';
import type { MeasuredRuns } from './measured-runs.ts';

/** Since when nothing is measured for a run or a covariate: 0 while it is. */
export type InventoryEntry = UnitsKey & { readonly unusedMs: number };

/** All that a partition may have of units, as it is in the store: texts by fields. */
export type Inventory = ReadonlyMap<string, string>;

type Value = FoldWrite['values'][number];

const LETTERS = { run: 'r', covariate: 'c' } as const;
const IN_USE = '0';

export const fieldOf = ({ kind, name }: UnitsKey): string => LETTERS[kind] + name;

const cellOf = (field: string): Cell => ({ group: GROUPS.inventory, field: toByteString(field) });

export const entryCell = (key: UnitsKey): Cell => cellOf(fieldOf(key));

export const entryValue = ({ unusedMs, ...key }: InventoryEntry): Value => ({
  ...entryCell(key),
  value: String(unusedMs),
});

/** The field that an inventory has after all groups were looked at. Its name is not one of an entry. */
const COMPLETE = 'all';

/**
 * Returns the inventory of a partition, and what to write of it. Earlier versions kept none, so it is made of the groups
 * that are there.
 */
export const openInventory = async (
  store: EventStore,
  partition: Partition,
): Promise<{ readonly inventory: Inventory; readonly found: readonly Value[] }> => {
  const loaded = await store.loadGroup(partition, GROUPS.inventory);
  const known = new Map(Array.from(loaded, ([field, text]) => [fromByteString(field), text]));
  if (known.delete(COMPLETE)) return { inventory: known, found: [] };
  const fields = (await fieldsIn(store, partition)).filter(field => !known.has(field));
  for (const field of fields) known.set(field, IN_USE);
  const found = [...fields, COMPLETE].map(field => ({ ...cellOf(field), value: IN_USE }));
  return { inventory: known, found };
};

/** Returns the fields of all that a partition has groups of. */
const fieldsIn = async (store: EventStore, partition: Partition): Promise<string[]> => {
  const fields = new Set<string>();
  let from: string | undefined = '';
  while (from !== undefined) {
    const { names, next }: GroupNames = await store.groups(partition, from);
    for (const key of names.map(unitsKeyOf)) if (key !== undefined) fields.add(fieldOf(key));
    from = next;
    if (next !== undefined) await laterTurn();
  }
  return [...fields];
};

/** Returns all entries, also of what is no longer measured. */
export const entriesIn = (inventory: Inventory): InventoryEntry[] =>
  Array.from(inventory, ([field, text]) => ({
    kind: field.startsWith(LETTERS.run) ? 'run' : 'covariate',
    name: field.slice(1),
    unusedMs: Number.parseInt(text, 10),
  }));

/** Returns the keys of runs, and of all covariates that are measured. */
export const inventoryKeys = (
  runs: Iterable<string>,
  { covariates }: Pick<MeasuredRuns, 'covariates'>,
): UnitsKey[] => [
  ...Array.from(runs, name => ({ kind: 'run', name }) as const),
  ...Array.from(covariates.keys(), name => ({ kind: 'covariate', name }) as const),
];

/** Returns what to write so that keys are in use. It is nothing when they already are. */
export const markUsed = (inventory: Inventory, keys: readonly UnitsKey[]): Value[] =>
  keys
    .filter(key => inventory.get(fieldOf(key)) !== IN_USE)
    .map(key => entryValue({ ...key, unusedMs: 0 }));

/** Returns the entries that are not among the keys. */
export const unusedOf = (inventory: Inventory, keys: readonly UnitsKey[]): InventoryEntry[] => {
  const used = new Set(keys.map(fieldOf));
  return entriesIn(inventory).filter(entry => !used.has(fieldOf(entry)));
};
