import { patternProblem, references } from '@pennon/engine';
import { PersistentMap } from '@pennon/engine/persistent-map';
import type { EvaluationFlag, EvaluationSegment, Flag, FlagSet } from '@pennon/schema';
import { toEvaluationFlag, toEvaluationSegment } from '@pennon/schema';

import { readUsages } from './attribute-types.ts';
import { mapSteps, type Steps } from '../slices.ts';
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
export function* contentSteps({ records }: Snapshot<'flagSet'>): Steps<Contents> {
  return {
    flags: yield* projectAll(records.flags, toReadFlag),
    segments: yield* projectAll(records.segments, toEvaluationSegment),
  };
}

/** Returns a change's writes as they are sent. */
export function* evaluationWriteSteps({
  flags,
  segments,
}: Writes<'flagSet'>): Steps<EvaluationWrites> {
  return {
    flags: yield* projectWrites(flags, toReadFlag),
    segments: yield* projectWrites(segments, toEvaluationSegment),
  };
}

/** Projects a flag. It is read here, in a step of its own, and what is found is kept for later. */
export const toReadFlag = (document: Flag): EvaluationFlag => {
  const flag = toEvaluationFlag(document);
  references(flag);
  readUsages(flag);
  patternProblem({ flags: { [flag.key]: flag } });
  return flag;
};

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

function* projectAll<Document, Projection>(
  records: ReadonlyMap<string, Stored<Document>>,
  project: (document: Document) => Projection,
): Steps<PersistentMap<Projection>> {
  return PersistentMap.from(
    yield* mapSteps(records, ([key, { document }]) => [key, project(document)] as const),
  );
}

function* projectWrites<Document, Projection>(
  writes: ReadonlyMap<string, Document | null> = new Map(),
  project: (document: Document) => Projection,
): Steps<ReadonlyMap<string, Projection | null>> {
  return new Map(
    yield* mapSteps(writes, ([key, document]) => [key, document && project(document)] as const),
  );
}
