import { jsonBytes } from '@pennon/schema';
import type { Flag, Segment } from '@pennon/schema';

import type { Limits } from '../config.ts';
import { mapInSlices } from '../slices.ts';
import type { Change, Snapshot, Stored, Writes } from '../store/store.ts';

/** How many documents a flag set has, and the bytes of their JSON. Also the largest size that it may have. */
export type FlagSetSize = Pick<Limits, 'flags' | 'segments' | 'flagSetBytes'>;

type Document = Flag | Segment;
type Records = Snapshot<'flagSet'>['records'];

export const EMPTY: FlagSetSize = { flags: 0, segments: 0, flagSetBytes: 0 };

const measured = new WeakMap<object, number>();

/**
 * Returns the bytes of a document as JSON, without its version and whether it is enabled: a flag of a full flag set
 * can still be switched off. They are kept with the document, which is never modified.
 */
export const bytesOf = (document: { readonly version: number }): number => {
  const known = measured.get(document);
  if (known !== undefined) return known;
  const changing = [document.version, 'enabled' in document ? document.enabled : ''];
  const bytes = jsonBytes(document) - changing.join('').length;
  measured.set(document, bytes);
  return bytes;
};

const bytesOfAll = async (documents: Iterable<Document>): Promise<number> => {
  const sizes = await mapInSlices(documents, bytesOf);
  return sizes.reduce((sum, bytes) => sum + bytes, 0);
};

/** Returns the size of flags and segments together. */
export const sizeOf = async ({ flags, segments }: Documents): Promise<FlagSetSize> => ({
  flags: flags.length,
  segments: segments.length,
  flagSetBytes: await bytesOfAll([...flags, ...segments]),
});

/** Returns the size of the stored flags and segments. */
export const sizeOfRecords = ({ flags, segments }: Records): Promise<FlagSetSize> =>
  sizeOf({ flags: documentsIn(flags), segments: documentsIn(segments) });

const documentsIn = <Item>(records: ReadonlyMap<string, Stored<Item>>): Item[] =>
  Array.from(records.values(), ({ document }) => document);

type Documents = { readonly flags: readonly Flag[]; readonly segments: readonly Segment[] };

/** Returns the size of a flag set of which `size` is known after a write. */
const sizeAfter = (
  size: FlagSetSize,
  { flags, segments }: Records,
  writes: Writes<'flagSet'>,
): FlagSetSize => {
  const [flagGrowth, segmentGrowth] = [
    growthOf(flags, writes.flags),
    growthOf(segments, writes.segments),
  ];
  return {
    flags: size.flags + flagGrowth.count,
    segments: size.segments + segmentGrowth.count,
    flagSetBytes: size.flagSetBytes + flagGrowth.bytes + segmentGrowth.bytes,
  };
};

/** Returns how many documents a write adds to a collection, and how many bytes. */
const growthOf = <Item extends Document>(
  records: ReadonlyMap<string, Stored<Item>>,
  writes: ReadonlyMap<string, Item | null> = new Map(),
) => {
  const growth = { count: 0, bytes: 0 };
  for (const [key, document] of writes) {
    const before = records.get(key)?.document;
    growth.count += Number(document !== null) - Number(before !== undefined);
    growth.bytes += (document ? bytesOf(document) : 0) - (before ? bytesOf(before) : 0);
  }
  return growth;
};

/** Returns the size of a flag set after a write that replaces all of it. */
const sizeOfWrites = ({ flags, segments }: Writes<'flagSet'>): Promise<FlagSetSize> =>
  sizeOf({ flags: present(flags), segments: present(segments) });

/** Measures the documents of a large write, so that `follow` takes little time. */
export const measureWrites = async (writes: Writes<'flagSet'>): Promise<void> => {
  await sizeOfWrites(writes);
};

const present = <Item>(writes: ReadonlyMap<string, Item | null> = new Map()): Item[] =>
  [...writes.values()].flatMap(document => (document === null ? [] : [document]));

/** The sizes of the snapshots of one ledger. */
export type Sizes = {
  readonly of: (snapshot: Snapshot<'flagSet'>) => Promise<FlagSetSize>;
  readonly after: (snapshot: Snapshot<'flagSet'>, write: Write) => Promise<FlagSetSize>;
  /** Keeps the size known when a snapshot follows another by a change. */
  readonly follow: (next: Snapshot<'flagSet'>, change: FollowedChange) => void;
  /** Forgets the size of any other snapshot, when this one replaces all of them. */
  readonly keepOnly: (snapshot: Snapshot<'flagSet'>) => void;
};

type FollowedChange = Pick<Change<'flagSet'>, 'previous' | 'writes'>;
type Write = { readonly writes: Writes<'flagSet'>; readonly replaceAll?: boolean | undefined };

/** Measures a whole snapshot once, and from then on only what each write changes. */
export const createSizes = (): Sizes => {
  let last: { readonly snapshot: Snapshot<'flagSet'>; readonly size: FlagSetSize } | undefined;

  const measure = async (snapshot: Snapshot<'flagSet'>): Promise<FlagSetSize> => {
    if (last?.snapshot === snapshot) return last.size;
    const size = await sizeOfRecords(snapshot.records);
    last = { snapshot, size };
    return size;
  };

  return {
    of: measure,
    async after(snapshot, { writes, replaceAll = false }) {
      const written = await sizeOfWrites(writes);
      return replaceAll ? written : sizeAfter(await measure(snapshot), snapshot.records, writes);
    },
    follow(snapshot, { previous, writes }) {
      last =
        last?.snapshot.id === previous
          ? { snapshot, size: sizeAfter(last.size, last.snapshot.records, writes) }
          : undefined;
    },
    keepOnly(snapshot) {
      if (last?.snapshot !== snapshot) last = undefined;
    },
  };
};
