import { compile, patternProblem } from '@pennon/engine';
import type { ErrorDetail, Export, ExportedEnvironment, FlagSet } from '@pennon/schema';
import { ALL_ENVIRONMENTS, FORMAT_VERSION } from '@pennon/schema';

import { invalid } from '../errors.ts';
import { invalidCombinations } from '../api-keys/api-keys.ts';
import { ADMIN_KEY_ID } from '../api-keys/key-id.ts';
import { problemsOfFlag } from '../resources/validate.ts';

const MAX_DETAILS = 20;

/** Throws BAD_REQUEST if any flag would be invalid, or any key would belong to an unknown environment. */
export const validateExport = (
  { environments, keys = [] }: Export,
  isEnvironment: (key: string) => boolean,
): void => {
  const known = new Set(environments.map(({ key }) => key));
  const details = [
    ...duplicates('environments', environments, ({ key }) => key),
    ...duplicates('keys', keys, ({ id }) => id),
    ...environments.flatMap((environment, i) => problemsOf(environment, `environments.${i}`)),
    ...keys.flatMap((key, i) =>
      invalidCombinations(key).map(({ path, message }) => detail(`keys.${i}.${path}`, message)),
    ),
    ...keys.flatMap(({ id, environment }, i) => {
      if (id === ADMIN_KEY_ID)
        return [detail(`keys.${i}.id`, 'is the id of PENNON_ADMIN_KEY, which cannot be imported')];
      if (environment === ALL_ENVIRONMENTS || known.has(environment) || isEnvironment(environment))
        return [];
      return [detail(`keys.${i}.environment`, `environment "${environment}" does not exist`)];
    }),
  ];
  if (details.length > 0) throw invalid(details.slice(0, MAX_DETAILS), 'the document');
};

const detail = (path: string, message: string): ErrorDetail => ({ path, message });

const duplicates = <Item>(
  path: string,
  items: readonly Item[],
  nameOf: (item: Item) => string,
): ErrorDetail[] => {
  const seen = new Set<string>();
  return items.flatMap((item, i) => {
    const name = nameOf(item);
    const isDuplicate = seen.has(name);
    seen.add(name);
    return isDuplicate ? [detail(`${path}.${i}`, `is a duplicate of "${name.slice(0, 100)}"`)] : [];
  });
};

const problemsOf = (environment: ExportedEnvironment, path: string): ErrorDetail[] => {
  const flagSet = flagSetOf(environment);
  const tooLarge = patternProblem(flagSet);
  if (tooLarge !== undefined) return [detail(path, tooLarge)];
  const compiled = compile(flagSet);
  return [
    ...duplicates(`${path}.flags`, environment.flags, ({ key }) => key),
    ...duplicates(`${path}.segments`, environment.segments, ({ key }) => key),
    ...environment.flags.flatMap(flag =>
      problemsOfFlag({ flagSet, compiled }, flag).map(problem =>
        detail(`${path}.flags.${flag.key}.${problem.path}`, problem.message),
      ),
    ),
  ];
};

const flagSetOf = ({ key, flags, segments }: ExportedEnvironment): FlagSet => ({
  formatVersion: FORMAT_VERSION,
  environment: key,
  id: '',
  revision: 0,
  flags: Object.fromEntries(flags.map(flag => [flag.key, flag])),
  segments: Object.fromEntries(segments.map(segment => [segment.key, segment])),
});
