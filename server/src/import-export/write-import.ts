import type { ErrorDetail, Export, ExportedEnvironment } from '@pennon/schema';

import { keyCreated } from '../api-keys/api-keys.ts';
import { findKey } from '../auth/key-id.ts';
import { auditDraft } from '../audit/record.ts';
import type { Caller } from '../auth/caller.ts';
import {
  environmentCreated,
  newEnvironment,
  type EnvironmentServices,
} from '../environments/environments.ts';
import { PennonError } from '../errors.ts';
import {
  fixedDesignProblems,
  problemsOfRefusals,
  requireFixedDesigns,
} from '../flag-set/fixed-designs.ts';
import { flagSetLedger } from '../flag-set/registry.ts';
import { lastVersion, versionOf } from '../resources/plan.ts';
import { mapInSlices } from '../slices.ts';
import type {
  AuditDraft,
  EnvironmentDocument,
  Ledger,
  NewVersions,
  Snapshot,
  Store,
  Stored,
  Writes,
} from '../store/store.ts';
import { StoreError } from '../store/store.ts';
import {
  hasSameFields,
  importedVersion,
  isSameContent,
  planEnvironment,
  requireNoConflicts,
  withoutContents,
  type ImportPlan,
} from './plan.ts';
import { requireSameRuns, runRefusals } from './runs.ts';
import { planKeys, requireNoKeyConflicts } from './plan-keys.ts';

/** One import in progress. */
type ImportRun = {
  readonly services: EnvironmentServices;
  readonly caller: Caller;
  readonly document: Export;
  readonly overwrite: boolean;
};

/** The document and flag set of an environment; undefined when it does not exist. */
export const currentOf = ({ control, registry }: EnvironmentServices, key: string) => {
  const document = control.current().records.environments.get(key)?.document;
  if (document === undefined) return undefined;
  return { document, snapshot: registry.find(key).replica.current() };
};

/**
 * Writes the flag sets of all environments that differ. Returns the records of new environments, which do
 * not exist for anyone until `writeControl` writes their records.
 */
export const writeFlagSets = async (
  run: ImportRun,
  plan: ImportPlan,
): Promise<readonly EnvironmentDocument[]> => {
  const created: EnvironmentDocument[] = [];
  try {
    for (const [i, imported] of run.document.environments.entries()) {
      if (plan.environments[i]?.outcome === 'unchanged') continue;
      const current = currentOf(run.services, imported.key);
      if (current === undefined) created.push(await createFlagSet(run, imported));
      else await replaceFlagSet(run, imported, current.document);
    }
    return created;
  } catch (error) {
    await discardFlagSets(run.services, created).catch(() => undefined);
    throw error;
  }
};

/** Throws CONFLICT before anything is written if an experiment or a ramp at work prevents a part of it. */
export const requireNothingFixed = (
  services: EnvironmentServices,
  { environments }: Export,
): void => {
  for (const imported of environments) {
    const records = currentOf(services, imported.key)?.snapshot.records;
    if (records === undefined) continue;
    requireSameRuns(records, imported);
    requireFixedDesigns(records, replacementOf(imported, records));
  }
};

/** Returns what `requireNothingFixed` would refuse of one environment. */
export const fixedProblems = (
  services: EnvironmentServices,
  imported: ExportedEnvironment,
): ErrorDetail[] => {
  const records = currentOf(services, imported.key)?.snapshot.records;
  if (records === undefined) return [];
  return [
    ...problemsOfRefusals(runRefusals(records, imported)),
    ...fixedDesignProblems(records, replacementOf(imported, records)),
  ];
};

const replacementOf = (imported: ExportedEnvironment, records: Snapshot<'flagSet'>['records']) => ({
  writes: writesOf(withCurrent(imported, records)),
  replaceAll: true,
});

/** Without a list, the current documents stay. */
const withCurrent = (
  imported: ExportedEnvironment,
  records: Snapshot<'flagSet'>['records'],
): Contents => {
  const documents = <Document>(current: ReadonlyMap<string, Stored<Document>>): Document[] =>
    Array.from(current.values(), ({ document }) => document);
  const { metrics, experiments, layers, ramps } = imported;
  return {
    ...imported,
    metrics: metrics ?? documents(records.metrics),
    experiments: experiments ?? documents(records.experiments),
    layers: layers ?? documents(records.layers),
    ramps: ramps ?? documents(records.ramps),
  };
};

const createFlagSet = async (
  { services, caller }: ImportRun,
  imported: ExportedEnvironment,
): Promise<EnvironmentDocument> => {
  const { store, random } = services;
  const { createdAt, ...fields } = withoutContents(imported);
  const document = {
    ...newEnvironment(fields, Date.parse(createdAt), random),
    createdAt,
  };
  const entry = auditOf(services, caller, imported);
  await store.commit(flagSetLedger(document), {
    expect: 'none',
    writes: writesOf(imported),
    versions: versionsOf(entry, imported),
    audit: [entry],
  });
  return document;
};

const replaceFlagSet = (
  { services, caller, overwrite }: ImportRun,
  imported: ExportedEnvironment,
  document: EnvironmentDocument,
): Promise<void> =>
  services.registry.find(imported.key).replica.write(async snapshot => {
    const plan = await planEnvironment(imported, { document, snapshot }, overwrite);
    requireNoConflicts({ environments: [plan], keys: [] });
    if (plan.changes.length === 0) return NOTHING;
    requireSameRuns(snapshot.records, imported);
    const ledger = flagSetLedger(document);
    const renumbered = <Document extends Imported>(
      collection: ContentName,
      documents: readonly Document[] | undefined,
      current: ReadonlyMap<string, Stored<Document>>,
    ) => renumber(services.store, ledger, collection, { imported: documents, current });
    const { records } = snapshot;
    const flags = await renumbered('flags', imported.flags, records.flags);
    const segments = await renumbered('segments', imported.segments, records.segments);
    const metrics = await renumbered('metrics', imported.metrics, records.metrics);
    const experiments = await renumbered('experiments', imported.experiments, records.experiments);
    const layers = await renumbered('layers', imported.layers, records.layers);
    const ramps = await renumbered('ramps', imported.ramps, records.ramps);
    const entry = auditOf(services, caller, imported, snapshot);
    return {
      writes: writesOf({
        flags: flags.documents,
        segments: segments.documents,
        metrics: metrics.documents,
        experiments: experiments.documents,
        layers: layers.documents,
        ramps: ramps.documents,
      }),
      versions: versionsOf(entry, { flags: flags.changed, segments: segments.changed }),
      audit: [entry],
      replaceAll: true,
      result: () => undefined,
    };
  });

type Imported = { readonly key: string; readonly version: number };
type ContentName = keyof Contents;

/**
 * Returns the imported documents as they will be stored, and those of them that change. Without a list, the current
 * ones stay.
 */
const renumber = async <Document extends Imported>(
  store: Store,
  ledger: Ledger,
  collection: ContentName,
  {
    imported,
    current,
  }: {
    readonly imported: readonly Document[] | undefined;
    readonly current: ReadonlyMap<string, Stored<Document>>;
  },
): Promise<{ documents: Document[]; changed: Document[] }> => {
  const documents: Document[] = [];
  const changed: Document[] = [];
  if (imported === undefined)
    return { documents: Array.from(current.values(), ({ document }) => document), changed };
  const compared = await mapInSlices(imported, document => {
    const replaced = current.get(document.key)?.document;
    return { document, replaced, isSame: replaced && isSameContent(replaced, document) };
  });
  for (const { document, replaced, isSame } of compared) {
    if (replaced !== undefined && isSame === true) {
      documents.push(replaced);
      continue;
    }
    const last = replaced?.version ?? (await lastVersion(store, ledger, collection, document.key));
    const renumbered = { ...document, version: importedVersion(document, last) };
    documents.push(renumbered);
    changed.push(renumbered);
  }
  return { documents, changed };
};

type Contents = Pick<
  ExportedEnvironment,
  'flags' | 'segments' | 'metrics' | 'experiments' | 'layers' | 'ramps'
>;

const versionsOf = (
  entry: AuditDraft,
  { flags, segments }: Pick<Contents, 'flags' | 'segments'>,
): NewVersions => ({
  flags: flags.map(flag => versionOf(entry, flag)),
  segments: segments.map(segment => versionOf(entry, segment)),
});

const writesOf = ({
  flags,
  segments,
  metrics = [],
  experiments = [],
  layers = [],
  ramps = [],
}: Contents): Writes<'flagSet'> => ({
  flags: byKey(flags),
  segments: byKey(segments),
  ...(metrics.length > 0 && { metrics: byKey(metrics) }),
  ...(experiments.length > 0 && { experiments: byKey(experiments) }),
  ...(layers.length > 0 && { layers: byKey(layers) }),
  ...(ramps.length > 0 && { ramps: byKey(ramps) }),
});

const byKey = <Document extends Imported>(documents: readonly Document[]) =>
  new Map(documents.map(document => [document.key, document]));

/** The audit log records how many documents there were and are, because there may be thousands of them. */
const auditOf = (
  { clock }: EnvironmentServices,
  caller: Caller,
  { key, flags, segments }: ExportedEnvironment,
  before?: Snapshot<'flagSet'>,
): AuditDraft =>
  auditDraft(caller, clock.now(), {
    action: 'environment.import',
    environment: key,
    key,
    before: before === undefined ? null : sizeOf(before),
    after: { flags: flags.length, segments: segments.length },
  });

const sizeOf = ({ records }: Snapshot<'flagSet'>) => ({
  flags: records.flags.size,
  segments: records.segments.size,
});

/**
 * Writes the records of environments, and the keys, in one commit. If the commit is refused, discards the
 * flag sets of new environments.
 */
export const writeControl = async (
  run: ImportRun,
  created: readonly EnvironmentDocument[],
): Promise<void> => {
  const { services, caller } = run;
  const now = services.clock.now();
  try {
    await services.control.write(({ records }) => {
      const environments = [...created, ...changedRecords(run.document, records)];
      const keys = changedKeys(run, records);
      requireNotCreated(created, records);
      if (environments.length === 0 && keys.length === 0) return NOTHING;
      return {
        writes: {
          environments: new Map(environments.map(each => [each.key, each])),
          keys: new Map(keys.map(key => [key.id, key])),
        },
        audit: [
          ...created.map(environmentCreated),
          ...keys.map(key => keyCreated(key, records.keys.get(key.id)?.document)),
        ].map(change => auditDraft(caller, now, change)),
        result: () => undefined,
      };
    });
  } catch (error) {
    // After a StoreError the records may have been written, and then they need the flag sets.
    if (!(error instanceof StoreError)) await discardFlagSets(services, created);
    throw error;
  }
};

const NOTHING = { writes: {}, audit: [], result: () => undefined };

type ControlRecords = Snapshot<'control'>['records'];

const requireNotCreated = (
  created: readonly EnvironmentDocument[],
  { environments }: ControlRecords,
): void => {
  const existing = created.find(({ key }) => environments.has(key));
  if (existing === undefined) return;
  throw new PennonError(
    'CONFLICT',
    `environment "${existing.key}" was created during the import; import again`,
  );
};

/** Existing environments with fields that the import changes. */
const changedRecords = (
  { environments }: Export,
  records: ControlRecords,
): readonly EnvironmentDocument[] =>
  environments.flatMap(imported => {
    const document = records.environments.get(imported.key)?.document;
    if (document === undefined || hasSameFields(imported, document)) return [];
    return [{ ...withoutContents(imported), ledger: document.ledger }];
  });

/** The imported keys that are new or renamed, each with the id of the stored key. */
const changedKeys = ({ document, overwrite }: ImportRun, records: ControlRecords) => {
  const keys = document.keys ?? [];
  const plans = planKeys(keys, records.keys, overwrite);
  requireNoKeyConflicts(plans);
  requireNoConflicts({ environments: [], keys: plans });
  return keys
    .filter((_, i) => plans[i]?.outcome !== 'unchanged')
    .map(key => ({ ...key, id: findKey(records.keys, key.id)?.id ?? key.id }));
};

const discardFlagSets = async (
  { store }: EnvironmentServices,
  created: readonly EnvironmentDocument[],
): Promise<void> => {
  for (const document of created) await store.drop(flagSetLedger(document));
};
