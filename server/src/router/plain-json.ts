import { LIMITS } from '@pennon/schema';

import { invalid } from '../errors.ts';

/**
 * Throws BAD_REQUEST if an input is nested too deeply, or has a property named `__proto__`, which zod would
 * drop silently. In an evaluation context that name is allowed, and is a missing attribute.
 */
export const requirePlainJson = (input: unknown, extraDepth = 0): void => {
  const found = findViolation(input, LIMITS.jsonDepth + extraDepth, 'input');
  if (found === undefined) return;
  const path = found.path.slice(0, found.maxSteps).join('.');
  throw invalid([{ path, message: found.message }]);
};

type Violation = {
  readonly path: readonly string[];
  /** How much of the path is reported: the whole path of a deep value is too long to be useful. */
  readonly maxSteps: number;
  readonly message: string;
};

const TOO_DEEP: Violation = {
  path: [],
  maxSteps: 4,
  message: `must nest at most ${LIMITS.jsonDepth} levels deep`,
};
const FORBIDDEN_NAME: Violation = {
  path: [],
  maxSteps: Infinity,
  message: 'the name "__proto__" is not allowed',
};

type Location = 'input' | 'field' | 'context';

const locationBelow = (location: Location, name: string): Location => {
  if (location !== 'input') return location;
  return name === 'context' ? 'context' : 'field';
};

/** Builds the path while unwinding, because most inputs are valid and need none. */
const findViolation = (
  value: unknown,
  levels: number,
  location: Location,
): Violation | undefined => {
  if (typeof value !== 'object' || value === null) return undefined;
  if (levels === 0) return TOO_DEEP;
  for (const [name, member] of Object.entries(value)) {
    const found =
      name === '__proto__' && location !== 'context'
        ? FORBIDDEN_NAME
        : findViolation(member, levels - 1, locationBelow(location, name));
    if (found !== undefined) return { ...found, path: [name, ...found.path] };
  }
  return undefined;
};
