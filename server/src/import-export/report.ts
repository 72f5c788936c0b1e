import { jsonBytes } from '@pennon/schema';

import { runInSlices, type Steps } from '../slices.ts';
import type { Change, EnvironmentPlan, ImportPlan } from './plan.ts';
import type { KeyPlan } from './plan-keys.ts';

/** What an import changes, or would change. */
export type ImportReport = {
  dryRun: boolean;
  environments: ReportedEnvironment[];
  keys: KeyPlan[];
};

/** `moreChanges` is how many changes are not listed, if any. */
type ReportedEnvironment = EnvironmentPlan & { moreChanges?: number };

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
