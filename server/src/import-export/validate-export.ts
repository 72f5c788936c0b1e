import { compile, patternProblem } from '@pennon/engine';
import { PersistentMap } from '@pennon/engine/persistent-map';
import type { ErrorDetail, Export, ExportedEnvironment, ExportedKey } from '@pennon/schema';
import { ALL_ENVIRONMENTS, FORMAT_VERSION } from '@pennon/schema';

import { invalidCombinations } from '../api-keys/api-keys.ts';
import { ADMIN_KEY_ID } from '../auth/key-id.ts';
import type { IndexedFlagSet } from '../flag-set/documents.ts';
import { problemsOfFlag } from '../resources/validate.ts';
import { createProblems, type Problems } from './problems.ts';
import { findInvalidRuns } from './runs.ts';

/** Adds the problems of environments as a whole, and of flags that the engine refuses. */
export const findInvalidEnvironments = (
  environments: readonly ExportedEnvironment[],
  problems: Problems,
): void => {
  findDuplicates('environments', environments, problems);
  for (const [i, environment] of environments.entries())
    findInvalidFlags(environment, `environments.${i}.`, problems);
};

/** Adds the problems of flags and segments. `prefix` comes before the paths of the two lists. */
export const findInvalidFlags = (
  environment: Pick<
    ExportedEnvironment,
    'flags' | 'segments' | 'metrics' | 'experiments' | 'layers' | 'ramps'
  >,
  prefix: string,
  problems: Problems,
): void => {
  findDuplicates(`${prefix}flags`, environment.flags, problems);
  findDuplicates(`${prefix}segments`, environment.segments, problems);
  for (const name of ['metrics', 'experiments', 'layers', 'ramps'] as const)
    findDuplicates(`${prefix}${name}`, environment[name] ?? [], problems);
  const experiments = new Set(environment.experiments?.map(({ key }) => key));
  for (const [i, { key }] of (environment.ramps ?? []).entries())
    if (experiments.has(key))
      problems.add(`${prefix}ramps.${i}`, [detail('key', 'is that of an experiment')]);
  findInvalidRuns(environment, prefix, problems);
  const flagSet = flagSetOf(environment);
  const tooLarge = patternProblem(flagSet);
  if (tooLarge !== undefined) return problems.add(prefix.slice(0, -1), [detail('', tooLarge)]);
  const size = Math.max(MIN_COMPILED, Math.ceil(environment.flags.length / MAX_COMPILATIONS));
  for (let start = 0; start < environment.flags.length; start += size) {
    const compiled = compile(flagSet);
    for (const flag of environment.flags.slice(start, start + size)) {
      if (problems.areEnough()) return;
      problems.add(`${prefix}flags.${flag.key}`, problemsOfFlag({ flagSet, compiled }, flag));
    }
  }
};

/**
 * A compiled flag takes more memory than its JSON, so not all of them are kept. What many flags depend on is
 * compiled once for each part.
 */
const [MIN_COMPILED, MAX_COMPILATIONS] = [500, 10];

/** Adds the problems of keys that need no data of the server. */
export const findInvalidKeys = (keys: readonly ExportedKey[], problems: Problems): void => {
  findDuplicates(
    'keys',
    keys.map(({ id }) => ({ key: id })),
    problems,
  );
  for (const [i, key] of keys.entries()) {
    problems.add(`keys.${i}`, invalidCombinations(key));
    if (key.id === ADMIN_KEY_ID)
      problems.add(`keys.${i}`, [
        detail('id', 'is the id of PENNON_ADMIN_KEY, which cannot be imported'),
      ]);
  }
};

/** Throws BAD_REQUEST if a key would belong to an unknown environment. */
export const requireEnvironmentsOfKeys = (
  { environments, keys = [] }: Export,
  isEnvironment: (key: string) => boolean,
): void => {
  const imported = new Set(environments.map(({ key }) => key));
  const problems = createProblems();
  for (const [i, { environment }] of keys.entries()) {
    if (environment === ALL_ENVIRONMENTS || imported.has(environment) || isEnvironment(environment))
      continue;
    problems.add(`keys.${i}`, [
      detail('environment', `environment "${environment}" does not exist`),
    ]);
  }
  problems.requireNone();
};

const detail = (path: string, message: string): ErrorDetail => ({ path, message });

const findDuplicates = (
  path: string,
  items: readonly { readonly key: string }[],
  problems: Problems,
): void => {
  const seen = new Set<string>();
  for (const [i, { key }] of items.entries()) {
    if (seen.has(key)) problems.add(`${path}.${i}`, [detail('', `is a duplicate of "${key}"`)]);
    seen.add(key);
  }
};

const flagSetOf = ({
  flags,
  segments,
}: Pick<ExportedEnvironment, 'flags' | 'segments'>): IndexedFlagSet => ({
  formatVersion: FORMAT_VERSION,
  environment: '',
  id: '',
  revision: 0,
  flags: PersistentMap.from(flags.map(flag => [flag.key, flag] as const)),
  segments: PersistentMap.from(segments.map(segment => [segment.key, segment] as const)),
});
