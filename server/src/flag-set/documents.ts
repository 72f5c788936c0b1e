import type { EvaluationFlag, EvaluationSegment, FlagSet } from '@pennon/schema';
import { toEvaluationFlag, toEvaluationSegment } from '@pennon/schema';

import type { Snapshot, Stored, Writes } from '../store/store.ts';

type Records<Document> = ReadonlyMap<string, Stored<Document>>;
type Contents = Pick<FlagSet, 'flags' | 'segments'>;

/** The flags and segments that a change writes, as they are sent; null means removed. */
export type EvaluationWrites = {
  readonly flags: ReadonlyMap<string, EvaluationFlag | null>;
  readonly segments: ReadonlyMap<string, EvaluationSegment | null>;
};

/** Returns a snapshot's flags and segments as they are sent. */
export const contentsOf = ({ records }: Snapshot<'flagSet'>): Contents => ({
  flags: projectAll(records.flags, toEvaluationFlag),
  segments: projectAll(records.segments, toEvaluationSegment),
});

/** Returns a change's writes as they are sent. */
export const writesOf = ({ flags, segments }: Writes<'flagSet'>): EvaluationWrites => ({
  flags: projectWrites(flags, toEvaluationFlag),
  segments: projectWrites(segments, toEvaluationSegment),
});

/** Returns the contents after a change. Unchanged documents stay the same objects and stay compiled. */
export const contentsAfter = (before: Contents, writes: EvaluationWrites): Contents => ({
  flags: applyWrites(before.flags, writes.flags),
  segments: applyWrites(before.segments, writes.segments),
});

const projectAll = <Document, Projection>(
  records: Records<Document>,
  project: (document: Document) => Projection,
): Record<string, Projection> =>
  sortedByKey([...records].map(([key, { document }]) => [key, project(document)] as const));

/** The same data always becomes the same text. */
const sortedByKey = <Projection>(
  entries: readonly (readonly [string, Projection])[],
): Record<string, Projection> =>
  Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : Number(a > b))));

const projectWrites = <Document, Projection>(
  writes: ReadonlyMap<string, Document | null> | undefined,
  project: (document: Document) => Projection,
): ReadonlyMap<string, Projection | null> =>
  new Map([...(writes ?? [])].map(([key, document]) => [key, document && project(document)]));

/** Sorts again only if a document is new or removed; most changes replace one, which keeps the order. */
const applyWrites = <Projection>(
  before: Record<string, Projection>,
  writes: ReadonlyMap<string, Projection | null>,
): Record<string, Projection> => {
  if (writes.size === 0) return before;
  const after = { ...before };
  let isSorted = true;
  for (const [key, document] of writes) {
    if (document === null) delete after[key];
    else after[key] = document;
    isSorted &&= Object.hasOwn(before, key);
  }
  return isSorted ? after : sortedByKey(Object.entries(after));
};
