import { compile, references } from '@pennon/engine';
import type { ErrorDetail, Export, ExportedEnvironment, FlagSet } from '@pennon/schema';
import { ALL_ENVIRONMENTS, FORMAT_VERSION } from '@pennon/schema';

import { invalid } from '../errors.ts';
import { invalidCombinations } from '../api-keys/api-keys.ts';
import { ADMIN_KEY_ID } from '../bootstrap/first-start.ts';

const MOST_DETAILS = 20;

/** Refuses a document of which some flag could not be decided, or some key would belong to nothing. */
export const validateExport = (
  { environments, keys = [] }: Export,
  isEnvironment: (key: string) => boolean,
): void => {
  const known = new Set(environments.map(({ key }) => key));
  const details = [
    ...doubles('environments', environments, ({ key }) => key),
    ...doubles('keys', keys, ({ id }) => id),
    ...doubles('keys', keys, ({ hash }) => hash),
    ...environments.flatMap((environment, i) => problemsOf(environment, `environments.${i}`)),
    ...keys.flatMap((key, i) =>
      invalidCombinations(key).map(({ path, message }) => at(`keys.${i}.${path}`, message)),
    ),
    ...keys.flatMap(({ id, environment }, i) => {
      if (id === ADMIN_KEY_ID)
        return [at(`keys.${i}.id`, 'is that of PENNON_ADMIN_KEY, which is not imported')];
      if (environment === ALL_ENVIRONMENTS || known.has(environment) || isEnvironment(environment))
        return [];
      return [at(`keys.${i}.environment`, `environment "${environment}" does not exist`)];
    }),
  ];
  if (details.length > 0) throw invalid(details.slice(0, MOST_DETAILS), 'the document');
};

const at = (path: string, message: string): ErrorDetail => ({ path, message });

const doubles = <Item>(
  path: string,
  items: readonly Item[],
  nameOf: (item: Item) => string,
): ErrorDetail[] => {
  const seen = new Set<string>();
  return items.flatMap((item, i) => {
    const name = nameOf(item);
    const isDouble = seen.has(name);
    seen.add(name);
    return isDouble ? [at(`${path}.${i}`, `is the second with "${name.slice(0, 100)}"`)] : [];
  });
};

const problemsOf = (environment: ExportedEnvironment, path: string): ErrorDetail[] => {
  const flagSet = flagSetOf(environment);
  return [
    ...doubles(`${path}.flags`, environment.flags, ({ key }) => key),
    ...doubles(`${path}.segments`, environment.segments, ({ key }) => key),
    ...compile(flagSet).problems.map(problem =>
      at(`${path}.flags.${problem.flagKey}.${problem.path}`, problem.message),
    ),
    ...environment.flags.flatMap(flag => {
      const { flags, segments } = references(flag);
      return [
        ...flags.filter(key => !Object.hasOwn(flagSet.flags, key)).map(key => `flag "${key}"`),
        ...segments
          .filter(key => !Object.hasOwn(flagSet.segments, key))
          .map(key => `segment "${key}"`),
      ].map(missing => at(`${path}.flags.${flag.key}`, `names ${missing}, which is not there`));
    }),
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
