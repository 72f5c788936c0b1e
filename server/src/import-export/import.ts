import type { Export, Flag, Segment } from '@pennon/schema';

import type { Caller } from '../auth/caller.ts';
import { requireAllEnvironments } from '../auth/caller.ts';
import { toEnvironment, type EnvironmentServices } from '../environments/environments.ts';
import { invalid } from '../errors.ts';
import { requireWithinBounds } from '../flag-set/bounds.ts';
import { EMPTY, sizeOf, sizeOfRecords } from '../flag-set/size.ts';
import { checkUpload } from './check-upload.ts';
import type { ImportOptions, Upload } from './check.ts';
import { planKeys, requireNoKeyConflicts } from './plan-keys.ts';
import { isSameContent, planEnvironment, requireNoConflicts, type ImportPlan } from './plan.ts';
import { reportOf, withProblems, type ImportReport } from './report.ts';
import { requireEnvironmentsOfKeys } from './validate-export.ts';
import { currentOf, requireNothingFixed, writeControl, writeFlagSets } from './write-import.ts';

/**
 * Imports an export. Everything is validated before anything is written. Each environment is replaced as a
 * whole, by one commit that starts a new epoch. Then the records of new environments and the keys are
 * written by one commit. Unchanged environments and keys are skipped, so an interrupted import can simply
 * be repeated.
 */
export const importData = async (
  services: EnvironmentServices,
  caller: Caller,
  upload: Upload,
  requested: ImportOptions,
): Promise<ImportReport> => {
  const checked = await checkUpload(upload, {
    reach: caller.environments,
    environment: requested.environment,
    now: new Date(services.clock.now()).toISOString(),
  });
  const { options, isFlagd } = checked;
  const environment = options.environment ?? requested.environment;
  if (environment !== undefined && !isFlagd) throw needsNoEnvironment();
  const dryRun = options.dryRun ?? requested.dryRun ?? false;
  const overwrite = options.overwrite ?? requested.overwrite ?? false;
  await refresh(services, checked.document);
  const document = isFlagd ? withManaged(services, checked.document) : checked.document;
  requireAccess(services, caller, document);
  requireEnvironmentsOfKeys(document, key =>
    services.control.current().records.environments.has(key),
  );
  await requireAllWithinBounds(services, document);
  const plan = await planImport(services, document, overwrite);
  const report = await reportOf(plan, dryRun);
  if (dryRun) return withProblems(services, document, report);
  requireNoKeyConflicts(plan.keys);
  requireNoConflicts(plan);
  requireNothingFixed(services, document);
  const run = { services, caller, document, overwrite };
  await writeControl(run, await writeFlagSets(run, plan));
  await services.registry.whenReady();
  return report;
};

const needsNoEnvironment = () =>
  invalid(
    [
      {
        path: 'environment',
        message: 'is only for a file of flagd: an export names its environments',
      },
    ],
    'the query',
  );

/** Returns an import with what the server manages as it is now, so that a repeated import changes nothing. */
const withManaged = (
  services: EnvironmentServices,
  { environments, ...others }: Export,
): Export => ({
  ...others,
  environments: environments.map(imported => {
    const current = currentOf(services, imported.key);
    if (current === undefined) return imported;
    const { flags, segments } = current.snapshot.records;
    return {
      ...toEnvironment(current.document),
      flags: imported.flags.map(flag => withTimes(flag, flags.get(flag.key)?.document)),
      segments: imported.segments.map(each => withTimes(each, segments.get(each.key)?.document)),
    };
  }),
});

/** Returns the current document if only its times and its version differ. */
const withTimes = <Document extends Flag | Segment>(
  imported: Document,
  current: Document | undefined,
): Document => {
  if (current === undefined) return imported;
  const { createdAt, updatedAt } = current;
  const isSame = isSameContent(current, { ...imported, createdAt, updatedAt });
  return isSame ? current : { ...imported, createdAt };
};

/** Throws before anything is written. A write that a concurrent one makes too large is refused by itself. */
const requireAllWithinBounds = async (
  services: EnvironmentServices,
  { environments }: Export,
): Promise<void> => {
  for (const imported of environments) {
    const records = currentOf(services, imported.key)?.snapshot.records;
    const before = records === undefined ? EMPTY : await sizeOfRecords(records);
    const growth = { before, after: await sizeOf(imported) };
    requireWithinBounds(imported.key, services.limits, growth);
  }
};

/** Reads what the store has now, so the plan is not based on data that another server has changed. */
const refresh = async (
  { control, registry }: EnvironmentServices,
  { environments }: Export,
): Promise<void> => {
  await control.refresh();
  await registry.whenReady();
  const { records } = control.current();
  const existing = environments.filter(({ key }) => records.environments.has(key));
  for (const { key } of existing) await registry.find(key).replica.refresh();
};

/** New environments require a key for all environments. */
const requireAccess = (
  { control }: EnvironmentServices,
  caller: Caller,
  { environments }: Export,
): void => {
  const { records } = control.current();
  if (environments.some(({ key }) => !records.environments.has(key)))
    requireAllEnvironments(caller, 'creating an environment');
};

const planImport = async (
  services: EnvironmentServices,
  { environments, keys = [] }: Export,
  overwrite: boolean,
): Promise<ImportPlan> => {
  const { records } = services.control.current();
  return {
    environments: await Promise.all(
      environments.map(imported =>
        planEnvironment(imported, currentOf(services, imported.key), overwrite),
      ),
    ),
    keys: planKeys(keys, records.keys, overwrite),
  };
};
