import { LIMITS } from '@pennon/schema';

import { invalid } from './errors.ts';

/**
 * Throws BAD_REQUEST if an input is nested too deeply, or has a property named `__proto__`, which zod would
 * drop silently. In an evaluation context that name is allowed, and is a missing attribute.
 */
export const requirePlainJson = (input: unknown, extraDepth = 0): void => {
  const maxDepth = LIMITS.jsonDepth + extraDepth;
  const found = findViolation(input, maxDepth, 'input');
  if (found === undefined) return;
  const { path, kind } = found;
  throw invalid([
    kind === 'tooDeep'
      ? // The whole path of a deep value is too long to be useful.
        { path: joined(path.slice(0, 4)), message: `must nest at most ${maxDepth} levels deep` }
      : { path: joined(path), message: 'the name "__proto__" is not allowed' },
  ]);
};

const joined = (path: readonly string[]): string => path.join('.');

type Violation = {
  readonly kind: 'tooDeep' | 'forbiddenName';
  readonly path: readonly string[];
};

/** Whether a value is the whole input, in its evaluation context, or in another of its fields. */
type Location = 'input' | 'field' | 'context';

const locationBelow = (location: Location, name: string): Location => {
  if (location !== 'input') return location;
  return name === 'context' ? 'context' : 'field';
};

/** A list can have millions of members, so its entries are not collected. */
const entriesOf = (value: object): Iterable<readonly [string | number, unknown]> =>
  Array.isArray(value) ? value.entries() : Object.entries(value);

/** Builds the path while unwinding, because most inputs are valid and need none. */
const findViolation = (
  value: unknown,
  levels: number,
  location: Location,
): Violation | undefined => {
  if (typeof value !== 'object' || value === null) return undefined;
  if (levels === 0) return { kind: 'tooDeep', path: [] };
  for (const [at, member] of entriesOf(value)) {
    const name = String(at);
    const found: Violation | undefined =
      name === '__proto__' && location !== 'context'
        ? { kind: 'forbiddenName', path: [] }
        : findViolation(member, levels - 1, locationBelow(location, name));
    if (found !== undefined) return { ...found, path: [name, ...found.path] };
  }
  return undefined;
};
