import type { Export, ExportedEnvironment } from '@pennon/schema';
import { ALL_ENVIRONMENTS } from '@pennon/schema';

import { auditDraft } from '../audit/record.ts';
import {
  environmentCreated,
  newEnvironment,
  type EnvironmentServices,
} from '../environments/environments.ts';
import { flagSetLedger } from '../flag-set/registry.ts';
import { PennonError } from '../errors.ts';
import type { Caller } from '../auth/caller.ts';
import { requireAllEnvironments } from '../auth/caller.ts';
import { keyCreated } from '../api-keys/api-keys.ts';
import type { AuditDraft, EnvironmentRecord, Snapshot, Writes } from '../store/store.ts';
import { StoreError } from '../store/store.ts';
import { planEnvironment, planKey, type EnvironmentPlan, type KeyPlan } from './plan.ts';
import { validateExport } from './validate-export.ts';

export type ImportInput = Export & {
  /** Only say what would be done. */
  readonly dryRun?: boolean | undefined;
  /** Replace what is there and differs; without it, nothing at all is imported then. */
  readonly overwrite?: boolean | undefined;
};

export type ImportReport = {
  dryRun: boolean;
  environments: EnvironmentPlan[];
  keys: KeyPlan[];
};

/**
 * Takes over what was exported. All of it is checked before any of it is written. Each environment is
 * replaced as a whole, by one commit that begins a new epoch, or not at all; then the names of new
 * environments and the keys are written by one commit. What is there already is left alone, so an import
 * that was cut short is simply made again.
 */
export const importData = async (
  parts: EnvironmentServices,
  caller: Caller,
  { dryRun = false, overwrite = false, ...document }: ImportInput,
): Promise<ImportReport> => {
  await readAll(parts, document);
  requireReach(parts, caller, document);
  validateExport(document, key => parts.control.current().records.environments.has(key));
  const report = planImport(parts, document, overwrite);
  if (dryRun) return { dryRun, ...report };
  refuseConflicts(report);
  const made: EnvironmentRecord[] = [];
  try {
    await writeEnvironments(parts, caller, document, report, overwrite, made);
  } catch (error) {
    await dropAll(parts, made).catch(() => undefined);
    throw error;
  }
  await writeControl(parts, caller, document, made, overwrite);
  await parts.registry.whenReady();
  return { dryRun, ...report };
};

/** What is decided here is decided on what the store has, and not on what this server last knew. */
const readAll = async (
  { control, registry }: EnvironmentServices,
  { environments }: Export,
): Promise<void> => {
  await control.refresh();
  await registry.whenReady();
  const known = environments.filter(({ key }) => control.current().records.environments.has(key));
  for (const { key } of known) await registry.find(key).replica.refresh();
};

/** A key of one environment reaches that one; new environments and keys take a key for all. */
const requireReach = (
  { control }: EnvironmentServices,
  caller: Caller,
  { environments, keys = [] }: Export,
): void => {
  if (caller.environment === ALL_ENVIRONMENTS) return;
  if (keys.length > 0) requireAllEnvironments(caller, 'importing keys');
  for (const { key } of environments) {
    if (key !== caller.environment)
      throw new PennonError(
        'FORBIDDEN',
        `this key is for environment "${caller.environment}" only`,
      );
    if (!control.current().records.environments.has(key))
      requireAllEnvironments(caller, 'creating an environment');
  }
};

type Plans = Pick<ImportReport, 'environments' | 'keys'>;

const planImport = (parts: EnvironmentServices, document: Export, overwrite: boolean): Plans => {
  const { records } = parts.control.current();
  return {
    environments: document.environments.map(wanted =>
      planEnvironment(wanted, currentOf(parts, wanted.key), overwrite),
    ),
    keys: (document.keys ?? []).map(key =>
      planKey(key, records.keys.get(key.id)?.document, overwrite),
    ),
  };
};

const currentOf = ({ control, registry }: EnvironmentServices, key: string) => {
  const record = control.current().records.environments.get(key)?.document;
  if (record === undefined) return undefined;
  return { record, snapshot: registry.find(key).replica.current() };
};

const refuseConflicts = ({ environments, keys }: Plans): void => {
  const refused = [
    ...environments.filter(isRefused).map(({ key }) => `environment "${key}"`),
    ...keys.filter(isRefused).map(({ id, name }) => `key "${name}" (${id})`),
  ];
  if (refused.length === 0) return;
  throw new PennonError(
    'CONFLICT',
    `${refused.slice(0, 5).join(', ')}${refused.length > 5 ? ' and more' : ''} would be overwritten, so nothing was imported: ` +
      'look at the dry run, and set "overwrite" to replace them',
    { details: refused.map(what => ({ path: '', message: `${what} is there and differs` })) },
  );
};

const isRefused = ({ outcome }: { readonly outcome: string }): boolean => outcome === 'refused';

/** Writes the flag sets. `made` gets the records of environments whose names are yet to be made. */
const writeEnvironments = async (
  parts: EnvironmentServices,
  caller: Caller,
  document: Export,
  plans: Plans,
  overwrite: boolean,
  made: EnvironmentRecord[],
): Promise<void> => {
  for (const [i, wanted] of document.environments.entries()) {
    if (plans.environments[i]?.outcome === 'unchanged') continue;
    const current = currentOf(parts, wanted.key);
    if (current === undefined) made.push(await writeNew(parts, caller, wanted));
    else await replaceWhole(parts, caller, wanted, current.record, overwrite);
  }
};

const dropAll = async (
  { store }: EnvironmentServices,
  made: readonly EnvironmentRecord[],
): Promise<void> => {
  for (const record of made) await store.drop(flagSetLedger(record));
};

const writesOf = ({ flags, segments }: ExportedEnvironment): Writes<'flagSet'> => ({
  flags: new Map(flags.map(flag => [flag.key, flag])),
  segments: new Map(segments.map(segment => [segment.key, segment])),
});

/** The audit log says how much came and went; the documents themselves may be many. */
const importDraft = (
  { clock }: EnvironmentServices,
  caller: Caller,
  { key, flags, segments }: ExportedEnvironment,
  before: Snapshot<'flagSet'> | undefined,
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

const writeNew = async (
  parts: EnvironmentServices,
  caller: Caller,
  wanted: ExportedEnvironment,
): Promise<EnvironmentRecord> => {
  const made = newEnvironment(wanted, Date.parse(wanted.createdAt), parts.random);
  const record = { ...made, createdAt: wanted.createdAt };
  await parts.store.commit(flagSetLedger(record), {
    expect: 'none',
    writes: writesOf(wanted),
    audit: [importDraft(parts, caller, wanted, undefined)],
  });
  return record;
};

const replaceWhole = (
  parts: EnvironmentServices,
  caller: Caller,
  wanted: ExportedEnvironment,
  record: EnvironmentRecord,
  overwrite: boolean,
): Promise<void> =>
  parts.registry.find(wanted.key).replica.write(snapshot => {
    const plan = planEnvironment(wanted, { record, snapshot }, overwrite);
    refuseConflicts({ environments: [plan], keys: [] });
    const same = plan.changes.length === 0;
    return {
      writes: same ? {} : writesOf(wanted),
      audit: [importDraft(parts, caller, wanted, snapshot)],
      replaceAll: true,
      result: () => undefined,
    };
  });

/** Names and keys, in one commit. Where it is refused, the flag sets of new environments go again. */
const writeControl = async (
  parts: EnvironmentServices,
  caller: Caller,
  document: Export,
  made: readonly EnvironmentRecord[],
  overwrite: boolean,
): Promise<void> => {
  const { control, clock } = parts;
  const now = clock.now();
  try {
    await control.write(({ records }) => {
      const environments = recordsOf(document, made, records);
      const keys = (document.keys ?? []).filter(key => {
        const plan = planKey(key, records.keys.get(key.id)?.document, overwrite);
        refuseConflicts({ environments: [], keys: [plan] });
        return plan.outcome !== 'unchanged';
      });
      if (environments.length === 0 && keys.length === 0) return NOTHING;
      return {
        writes: {
          environments: new Map(environments.map(each => [each.key, each])),
          keys: new Map(keys.map(key => [key.id, key])),
        },
        audit: [
          ...made.map(each => auditDraft(caller, now, environmentCreated(each))),
          ...keys.map(key =>
            auditDraft(caller, now, keyCreated(key, records.keys.get(key.id)?.document)),
          ),
        ],
        result: () => undefined,
      };
    });
  } catch (error) {
    // Where it is not known whether the names were made, the data must stay.
    if (!(error instanceof StoreError)) await dropAll(parts, made);
    throw error;
  }
};

const NOTHING = { writes: {}, audit: [], result: () => undefined };

/** Records to write: the new ones, and those whose description or age the document knows better. */
const recordsOf = (
  { environments }: Export,
  made: readonly EnvironmentRecord[],
  records: Snapshot<'control'>['records'],
): EnvironmentRecord[] => {
  for (const { key } of made)
    if (records.environments.has(key))
      throw new PennonError('CONFLICT', `environment "${key}" was created meanwhile; import again`);
  const known = environments.flatMap(({ key, description, createdAt }) => {
    const record = records.environments.get(key)?.document;
    if (record === undefined) return [];
    if (record.createdAt === createdAt && (record.description ?? null) === (description ?? null))
      return [];
    return [
      { key, ...(description == null ? {} : { description }), createdAt, ledger: record.ledger },
    ];
  });
  return [...made, ...known];
};
