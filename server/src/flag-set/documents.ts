import { PersistentMap } from '@pennon/engine/persistent-map';
import type { EvaluationFlag, EvaluationSegment, FlagSet } from '@pennon/schema';
import { toEvaluationFlag, toEvaluationSegment } from '@pennon/schema';

import type { Snapshot, Stored, Writes } from '../store/store.ts';

/** The flags and segments of a flag set as they are sent, by key. */
export type Contents = {
  readonly flags: PersistentMap<EvaluationFlag>;
  readonly segments: PersistentMap<EvaluationSegment>;
};

/** A flag set in memory, which is a `FlagSet` as JSON. A change costs only what it changes. */
export type IndexedFlagSet = Omit<FlagSet, keyof Contents> & Contents;

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
  flags: before.flags.with(writes.flags),
  segments: before.segments.with(writes.segments),
});

/** Returns the flag set as it is sent. */
export const toFlagSet = ({ flags, segments, ...envelope }: IndexedFlagSet): FlagSet => ({
  ...envelope,
  flags: flags.toJSON(),
  segments: segments.toJSON(),
});

const projectAll = <Document, Projection>(
  records: ReadonlyMap<string, Stored<Document>>,
  project: (document: Document) => Projection,
): PersistentMap<Projection> =>
  PersistentMap.from(
    Array.from(records, ([key, { document }]) => [key, project(document)] as const),
  );

const projectWrites = <Document, Projection>(
  writes: ReadonlyMap<string, Document | null> | undefined,
  project: (document: Document) => Projection,
): ReadonlyMap<string, Projection | null> =>
  new Map([...(writes ?? [])].map(([key, document]) => [key, document && project(document)]));
