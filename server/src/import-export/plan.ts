import { isDeepStrictEqual } from 'node:util';

import type { ExportedEnvironment, ExportedKey, Flag, Segment } from '@pennon/schema';

import { differences, type Difference } from '../resources/differences.ts';
import type { EnvironmentRecord, KeyRecord, Snapshot, Stored } from '../store/store.ts';

/** `refused`: what is there differs, and is not to be overwritten. */
export type Outcome = 'create' | 'overwrite' | 'unchanged' | 'refused';

export type EnvironmentPlan = { key: string; outcome: Outcome; changes: Change[] };

/** What an import would do to one flag or segment, and to which of its fields. */
export type Change = {
  kind: 'flag' | 'segment';
  key: string;
  change: 'add' | 'change' | 'remove';
  differences: Difference[];
};

export type KeyPlan = { id: string; name: string; outcome: Outcome };

/** What an import makes of an environment; `current` is undefined where there is none. */
export const planEnvironment = (
  wanted: ExportedEnvironment,
  current: { record: EnvironmentRecord; snapshot: Snapshot<'flagSet'> } | undefined,
  overwrite: boolean,
): EnvironmentPlan => {
  const records = current?.snapshot.records;
  const changes = [
    ...changesOf('flag', records?.flags ?? new Map(), wanted.flags),
    ...changesOf('segment', records?.segments ?? new Map(), wanted.segments),
  ];
  const outcome = outcomeOf({
    exists: current !== undefined && !isEmpty(current.snapshot),
    differs: changes.length > 0 || !isSameEnvironment(wanted, current?.record),
    overwrite,
  });
  return { key: wanted.key, outcome, changes };
};

export const planKey = (
  wanted: ExportedKey,
  current: KeyRecord | undefined,
  overwrite: boolean,
): KeyPlan => {
  const differs = !isDeepStrictEqual(plain(wanted), plain(current));
  const outcome = outcomeOf({ exists: current !== undefined, differs, overwrite });
  return { id: wanted.id, name: wanted.name, outcome };
};

const outcomeOf = ({
  exists,
  differs,
  overwrite,
}: {
  readonly exists: boolean;
  readonly differs: boolean;
  readonly overwrite: boolean;
}): Outcome => {
  if (!differs) return 'unchanged';
  if (!exists) return 'create';
  return overwrite ? 'overwrite' : 'refused';
};

/** An environment without flags and segments is nothing that could be lost. */
const isEmpty = ({ records }: Snapshot<'flagSet'>): boolean =>
  records.flags.size === 0 && records.segments.size === 0;

const isSameEnvironment = (
  wanted: ExportedEnvironment,
  record: EnvironmentRecord | undefined,
): boolean =>
  record !== undefined &&
  record.createdAt === wanted.createdAt &&
  (record.description ?? undefined) === (wanted.description ?? undefined);

const changesOf = <Document extends Flag | Segment>(
  kind: Change['kind'],
  current: ReadonlyMap<string, Stored<Document>>,
  wanted: readonly Document[],
): Change[] => {
  const kept = new Set(wanted.map(({ key }) => key));
  const written = wanted.flatMap(document => {
    const before = current.get(document.key)?.document;
    if (before === undefined) return [changeTo(kind, document.key, 'add')];
    const found = differences(before, document, []);
    return found.length === 0 ? [] : [changeTo(kind, document.key, 'change', found)];
  });
  const removed = [...current.keys()].filter(key => !kept.has(key));
  return [...written, ...removed.map(key => changeTo(kind, key, 'remove'))];
};

const changeTo = (
  kind: Change['kind'],
  key: string,
  change: Change['change'],
  found: Difference[] = [],
): Change => ({ kind, key, change, differences: found });

/** What is absent, and what is undefined or null, is the same. */
const plain = (record: object | undefined): unknown =>
  record && Object.fromEntries(Object.entries(record).filter(([, value]) => value != null));
