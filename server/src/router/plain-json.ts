import { LIMITS } from '@pennon/schema';

import { invalid } from '../errors.ts';

/**
 * Bounds what a procedure is sent before any schema sees it. Nesting is limited, and no name may be
 * `__proto__`, which zod would drop without a word; in an evaluation context that name is simply missing.
 */
export const requirePlainJson = (input: unknown, levelsAbove = 0): void => {
  const found = findOffence(input, LIMITS.jsonDepth + levelsAbove, 'input');
  if (found === undefined) return;
  throw invalid([{ path: found.path.slice(0, found.told).join('.'), message: found.message }]);
};

/** `told` steps of the path are told: the whole way to what is too deep helps nobody. */
type Offence = {
  readonly path: readonly string[];
  readonly told: number;
  readonly message: string;
};

const TOO_DEEP: Offence = {
  path: [],
  told: 4,
  message: `must nest at most ${LIMITS.jsonDepth} levels deep`,
};
const FORBIDDEN_NAME: Offence = {
  path: [],
  told: Infinity,
  message: 'the name "__proto__" is not allowed',
};

type Place = 'input' | 'field' | 'context';

const below = (place: Place, name: string): Place => {
  if (place !== 'input') return place;
  return name === 'context' ? 'context' : 'field';
};

/** The path is made on the way back: most inputs are in order and need none. */
const findOffence = (value: unknown, levels: number, place: Place): Offence | undefined => {
  if (typeof value !== 'object' || value === null) return undefined;
  if (levels === 0) return TOO_DEEP;
  for (const [name, member] of Object.entries(value)) {
    const found =
      name === '__proto__' && place !== 'context'
        ? FORBIDDEN_NAME
        : findOffence(member, levels - 1, below(place, name));
    if (found !== undefined) return { ...found, path: [name, ...found.path] };
  }
  return undefined;
};
