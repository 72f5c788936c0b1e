import { fromByteString, toByteString } from '../byte-string.ts';
import type { Cell, EventStore, FoldWrite, Partition } from '../store/event-store.ts';
import { GROUPS } from './groups.ts';
import type { MeasuredRuns } from './measured-runs.ts';

/** What a partition may have of units: the states of a run, or the profiles for a covariate. */
export type InventoryKey = { readonly kind: 'run' | 'covariate'; readonly name: string };

/** Since when nothing is measured for it, 0 while it is, and how many buckets were removed since then. */
export type InventoryEntry = InventoryKey & {
  readonly unusedMs: number;
  readonly bucket: number;
};

/** All that a partition may have of units, as it is in the store: texts by fields. */
export type Inventory = ReadonlyMap<string, string>;

type Value = FoldWrite['values'][number];

const LETTERS = { run: 'r', covariate: 'c' } as const;
const IN_USE = '0 0';

const fieldOf = ({ kind, name }: InventoryKey): string => LETTERS[kind] + name;

export const entryCell = (key: InventoryKey): Cell => ({
  group: GROUPS.inventory,
  field: toByteString(fieldOf(key)),
});

export const entryValue = (entry: InventoryEntry): Value => ({
  ...entryCell(entry),
  value: `${entry.unusedMs} ${entry.bucket}`,
});

export const loadInventory = async (
  store: EventStore,
  partition: Partition,
): Promise<Inventory> => {
  const texts = await store.loadGroup(partition, GROUPS.inventory);
  return new Map(Array.from(texts, ([field, text]) => [fromByteString(field), text] as const));
};

/** Returns all entries, also of what is no longer measured. */
export const entriesIn = (inventory: Inventory): InventoryEntry[] =>
  Array.from(inventory, ([field, text]) => {
    const [unusedMs = 0, bucket = 0] = text.split(' ').map(Number);
    const kind = field.startsWith(LETTERS.run) ? 'run' : 'covariate';
    return { kind, name: field.slice(1), unusedMs, bucket };
  });

/** Returns the keys of runs, and of all covariates that are measured. */
export const inventoryKeys = (
  runs: Iterable<string>,
  { covariates }: Pick<MeasuredRuns, 'covariates'>,
): InventoryKey[] => [
  ...Array.from(runs, name => ({ kind: 'run', name }) as const),
  ...Array.from(covariates.keys(), name => ({ kind: 'covariate', name }) as const),
];

/** Returns what to write so that keys are in use. It is nothing when they already are. */
export const markUsed = (inventory: Inventory, keys: readonly InventoryKey[]): Value[] =>
  keys
    .filter(key => inventory.get(fieldOf(key)) !== IN_USE)
    .map(key => entryValue({ ...key, unusedMs: 0, bucket: 0 }));

/** Returns the entries that are not among the keys. */
export const unusedOf = (inventory: Inventory, keys: readonly InventoryKey[]): InventoryEntry[] => {
  const used = new Set(keys.map(fieldOf));
  return entriesIn(inventory).filter(entry => !used.has(fieldOf(entry)));
};
