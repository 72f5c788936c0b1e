import type { Environment, ExportedEnvironment } from '@pennon/schema';

import { isSameEnvironment, toEnvironment } from '../environments/environments.ts';
import { PennonError } from '../errors.ts';
import { differences, type Difference } from '../resources/differences.ts';
import { mapInSlices } from '../slices.ts';
import type { EnvironmentDocument, Snapshot, Stored } from '../store/store.ts';
import type { KeyPlan } from './plan-keys.ts';

/** `refused`: it exists, differs and must not be overwritten. */
export type Outcome = 'create' | 'overwrite' | 'unchanged' | 'refused';

export type EnvironmentPlan = { key: string; outcome: Outcome; changes: Change[] };

/** What an import would change about one document. */
export type Change = {
  kind: 'flag' | 'segment' | 'metric' | 'experiment' | 'layer' | 'ramp';
  key: string;
  change: 'add' | 'change' | 'remove';
  differences: Difference[];
};

export type ImportPlan = { environments: EnvironmentPlan[]; keys: KeyPlan[] };

/** Compares an imported environment with the current one, undefined when it does not exist. */
export const planEnvironment = async (
  imported: ExportedEnvironment,
  current: { document: EnvironmentDocument; snapshot: Snapshot<'flagSet'> } | undefined,
  overwrite: boolean,
): Promise<EnvironmentPlan> => {
  const records = current?.snapshot.records;
  const changes = [
    ...(await changesOf('flag', records?.flags ?? new Map(), imported.flags)),
    ...(await changesOf('segment', records?.segments ?? new Map(), imported.segments)),
    ...(await changesOf('metric', records?.metrics ?? new Map(), imported.metrics)),
    ...(await changesOf('experiment', records?.experiments ?? new Map(), imported.experiments)),
    ...(await changesOf('layer', records?.layers ?? new Map(), imported.layers)),
    ...(await changesOf('ramp', records?.ramps ?? new Map(), imported.ramps)),
  ];
  const outcome = outcomeOf({
    exists: current !== undefined && !isEmpty(current.snapshot),
    differs: changes.length > 0 || !hasSameFields(imported, current?.document),
    overwrite,
  });
  return { key: imported.key, outcome, changes };
};

export const outcomeOf = ({
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

/** An empty environment can be replaced without losing anything. */
const isEmpty = ({ records }: Snapshot<'flagSet'>): boolean =>
  Object.values(records).every(({ size }) => size === 0);

/** Whether the fields of an environment itself are those of the import. */
export const hasSameFields = (
  imported: ExportedEnvironment,
  document: EnvironmentDocument | undefined,
): boolean =>
  document !== undefined && isSameEnvironment(toEnvironment(document), withoutContents(imported));

/** Returns an imported environment without its documents. */
export const withoutContents = ({
  flags: _flags,
  segments: _segments,
  metrics: _metrics,
  experiments: _experiments,
  layers: _layers,
  ramps: _ramps,
  ...environment
}: ExportedEnvironment): Environment => environment;

type Imported = { readonly key: string; readonly version: number };

/** A list that the import does not have stays as it is. */
const changesOf = async <Document extends Imported>(
  kind: Change['kind'],
  current: ReadonlyMap<string, Stored<Document>>,
  imported: readonly Document[] | undefined,
): Promise<Change[]> => {
  if (imported === undefined) return [];
  const keys = new Set(imported.map(({ key }) => key));
  const written = await mapInSlices(imported, (document): Change[] => {
    const before = current.get(document.key)?.document;
    if (before === undefined) return [changeTo(kind, document.key, 'add')];
    if (isSameContent(before, document)) return [];
    const version = importedVersion(document, before.version);
    const changed = differences(before, { ...document, version }, []);
    return [changeTo(kind, document.key, 'change', changed)];
  });
  const removed = [...current.keys()].filter(key => !keys.has(key));
  return [...written.flat(), ...removed.map(key => changeTo(kind, key, 'remove'))];
};

const changeTo = (
  kind: Change['kind'],
  key: string,
  change: Change['change'],
  changed: Difference[] = [],
): Change => ({ kind, key, change, differences: changed });

/** Whether two documents differ at most in the number of their version. */
export const isSameContent = (current: object, imported: object): boolean =>
  differences(current, imported, ['version']).length === 0;

/**
 * Returns the version of an imported document that changes: the imported one, unless it is not higher than
 * the last one here. So no version of a key has two contents.
 */
export const importedVersion = (imported: { readonly version: number }, last: number): number =>
  Math.max(imported.version, last + 1);

/** Throws CONFLICT if anything would be overwritten without permission to. */
export const requireNoConflicts = ({ environments, keys }: ImportPlan): void => {
  const conflicts = [
    ...environments.filter(isRefused).map(({ key }) => `environment "${key}"`),
    ...keys.filter(isRefused).map(({ id, name }) => `key "${name}" (${id})`),
  ];
  if (conflicts.length === 0) return;
  const listed = conflicts.slice(0, 5).join(', ') + (conflicts.length > 5 ? ' and others' : '');
  throw new PennonError(
    'CONFLICT',
    `nothing was imported, because this would overwrite ${listed}: check the dry run, then set "overwrite" to replace them`,
    {
      details: conflicts
        .slice(0, MAX_DETAILS)
        .map(conflict => ({ path: '', message: `${conflict} exists and differs` })),
    },
  );
};

const MAX_DETAILS = 20;

const isRefused = ({ outcome }: { readonly outcome: Outcome }): boolean => outcome === 'refused';
