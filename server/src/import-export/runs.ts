import { isDeepStrictEqual } from 'node:util';

import {
  isAtWork,
  isLive,
  type ErrorDetail,
  type Experiment,
  type ExportedEnvironment,
  type Ramp,
} from '@pennon/schema';

import { PennonError } from '../errors.ts';
import { liveExperiments, rampsAtWork } from '../flag-set/measured.ts';
import type { Snapshot } from '../store/store.ts';
import type { Problems } from './problems.ts';

type Imported = Pick<ExportedEnvironment, 'flags' | 'metrics' | 'experiments' | 'ramps'>;
type Records = Pick<Snapshot<'flagSet'>['records'], 'experiments' | 'ramps'>;

/** What only the server changes of an experiment, and of a ramp. */
const EXPERIMENT_FIELDS = ['state', 'run', 'decision', 'harms'] as const;
const RAMP_FIELDS = ['state', 'step', 'stepStartedAt', 'approved', 'run', 'before'] as const;

/** Throws CONFLICT if an import changes the run of an experiment or a ramp that is at work. */
export const requireSameRuns = (records: Records, imported: Imported): void => {
  const [first] = runRefusals(records, imported);
  if (first !== undefined) throw first;
};

/** Returns one error for each run of an experiment or a ramp at work that an import changes. */
export const runRefusals = (
  records: Records,
  { experiments, ramps }: Imported,
): readonly PennonError[] => [
  ...liveExperiments(records.experiments).flatMap(current => {
    const imported = experiments?.find(({ key }) => key === current.key);
    const changed = imported && changedFields(current, imported, EXPERIMENT_FIELDS);
    return changed?.length ? [refusal('experiment', current, changed, 'stop it first')] : [];
  }),
  ...rampsAtWork(records.ramps).flatMap(current => {
    const imported = ramps?.find(({ key }) => key === current.key);
    const changed = imported && changedFields(current, imported, RAMP_FIELDS);
    return changed?.length ? [refusal('ramp', current, changed, 'roll it back first')] : [];
  }),
];

const changedFields = <Document extends object>(
  current: Document,
  imported: Document,
  fields: readonly (keyof Document & string)[],
): string[] =>
  fields.filter(name => !isDeepStrictEqual(current[name] ?? null, imported[name] ?? null));

const refusal = (
  kind: 'experiment' | 'ramp',
  { key, state }: { readonly key: string; readonly state: string },
  fields: readonly string[],
  remedy: string,
): PennonError => {
  const message = `${kind} "${key}" is ${state}, so an import cannot change its ${fields.map(name => `"${name}"`).join(', ')}: ${remedy}, or import it as it is`;
  const details = fields.map(name => ({
    path: `${kind}s.${key}.${name}`,
    message: 'is fixed',
  }));
  return new PennonError('CONFLICT', message, { details });
};

/** Adds the problems of experiments and ramps that are at work in an export. */
export const findInvalidRuns = (
  environment: Imported,
  prefix: string,
  problems: Problems,
): void => {
  const taken = new Map<string, string>();
  const check = (path: string, document: Experiment | Ramp, title: string): void => {
    const rule = JSON.stringify([document.flag, document.rule]);
    problems.add(path, problemsOf(environment, document, taken.get(rule)));
    taken.set(rule, title);
  };
  for (const [i, experiment] of (environment.experiments ?? []).entries()) {
    if (!isLive(experiment)) continue;
    const path = `${prefix}experiments.${i}`;
    check(path, experiment, `experiment "${experiment.key}"`);
    problems.add(path, missingMetrics(environment, experiment));
    if (experiment.run === undefined)
      problems.add(path, [{ path: 'run', message: `is missing: it is ${experiment.state}` }]);
  }
  for (const [i, ramp] of (environment.ramps ?? []).entries())
    if (isAtWork(ramp)) check(`${prefix}ramps.${i}`, ramp, `ramp "${ramp.key}"`);
};

const problemsOf = (
  { flags }: Imported,
  { flag, rule, state }: Experiment | Ramp,
  rival: string | undefined,
): ErrorDetail[] => {
  const rules = flags.find(({ key }) => key === flag)?.rules ?? [];
  if (!rules.some(({ id }) => id === rule))
    return [{ path: 'rule', message: `does not exist in flag "${flag}", and it is ${state}` }];
  if (rival === undefined) return [];
  return [{ path: 'rule', message: `is that of ${rival}, which is at work as well` }];
};

/** Without a list of metrics, the current ones stay. */
const missingMetrics = (
  { metrics: imported }: Imported,
  { metrics, state }: Experiment,
): ErrorDetail[] =>
  metrics.flatMap(({ metric }, at) =>
    imported === undefined || imported.some(({ key }) => key === metric)
      ? []
      : [{ path: `metrics.${at}.metric`, message: `"${metric}" is missing, and it is ${state}` }],
  );
