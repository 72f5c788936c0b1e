import { jsonBytes, type ErrorDetail, type Export } from '@pennon/schema';

import type { EnvironmentServices } from '../environments/environments.ts';
import { runInSlices, type Steps } from '../slices.ts';
import type { Change, EnvironmentPlan, ImportPlan } from './plan.ts';
import type { KeyPlan } from './plan-keys.ts';
import { fixedProblems } from './write-import.ts';

/** What an import changes, or would change. */
export type ImportReport = {
  dryRun: boolean;
  environments: ReportedEnvironment[];
  keys: KeyPlan[];
};

/** `moreChanges` is how many changes are not listed, if any. Only a dry run has problems. */
type ReportedEnvironment = EnvironmentPlan & { moreChanges?: number; problems?: ErrorDetail[] };

/** Changes that are listed in all environments together, and their bytes as JSON. */
const [MAX_LISTED, MAX_BYTES] = [1_000, 1_048_576];

/** Returns the report of a plan: the first changes are listed, the others only counted. */
export const reportOf = (plan: ImportPlan, dryRun: boolean): Promise<ImportReport> =>
  runInSlices(reportSteps(plan, dryRun));

function* reportSteps({ environments, keys }: ImportPlan, dryRun: boolean): Steps<ImportReport> {
  const fits = createBudget();
  const reported: ReportedEnvironment[] = [];
  for (const environment of environments) {
    const listed: Change[] = [];
    for (const change of environment.changes) {
      if (!fits(change)) break;
      listed.push(change);
      yield;
    }
    const moreChanges = environment.changes.length - listed.length;
    reported.push({
      ...environment,
      changes: listed,
      ...(moreChanges > 0 ? { moreChanges } : {}),
    });
  }
  return { dryRun, environments: reported, keys };
}

/** Returns the report of a dry run with the reasons for which the import would be refused even with `overwrite`. */
export const withProblems = (
  services: EnvironmentServices,
  { environments: imported }: Export,
  report: ImportReport,
): ImportReport => ({
  ...report,
  environments: report.environments.map((environment, i) => {
    const [document] = imported.slice(i, i + 1);
    const problems = document === undefined ? [] : fixedProblems(services, document);
    if (problems.length === 0) return environment;
    return { ...environment, outcome: 'refused', problems: problems.slice(0, MAX_PROBLEMS) };
  }),
});

const MAX_PROBLEMS = 20;

/** Returns whether a further change can be listed; none can after the first one that cannot. */
const createBudget = (): ((change: Change) => boolean) => {
  let [listed, bytes] = [0, 0];
  return change => {
    if (listed >= MAX_LISTED || bytes > MAX_BYTES) return false;
    bytes += jsonBytes(change);
    listed += 1;
    return bytes <= MAX_BYTES;
  };
};
