import type { Stored } from '../store/store.ts';

type Records<Document> = ReadonlyMap<string, Stored<Document>>;

/** Documents by key, in the order of their keys: the same data is always the same text. */
export const documentsOf = <Document>(records: Records<Document>): Record<string, Document> =>
  Object.fromEntries(
    [...records]
      .map(([key, { document }]) => [key, document] as const)
      .toSorted(([a], [b]) => (a < b ? -1 : Number(a > b))),
  );

/**
 * The same after a change. Most changes write documents that are there, which keeps their order, so
 * nothing is sorted; an object of integer-like keys is ordered by the language either way.
 */
export const documentsAfter = <Document>(
  before: Record<string, Document>,
  writes: ReadonlyMap<string, Document | null> | undefined,
  records: Records<Document>,
): Record<string, Document> => {
  if (writes === undefined) return before;
  const after = { ...before };
  for (const [key, document] of writes) {
    if (document === null || !Object.hasOwn(before, key)) return documentsOf(records);
    after[key] = document;
  }
  return after;
};
