import { LIMITS } from '@pennon/schema';

import { invalid } from '../errors.ts';

/**
 * Bounds what a procedure is sent before any schema sees it. Nesting is limited, and no name may be
 * `__proto__`, which zod would drop without a word; in an evaluation context that name is simply missing.
 */
export const requirePlainJson = (input: unknown, levelsAbove = 0): void => {
  const found = findOffence(input, [], LIMITS.jsonDepth + levelsAbove);
  if (found !== undefined) throw invalid([found]);
};

const findOffence = (
  value: unknown,
  path: readonly string[],
  levels: number,
): { path: string; message: string } | undefined => {
  if (typeof value !== 'object' || value === null) return undefined;
  if (levels === 0) {
    return {
      path: path.slice(0, 4).join('.'),
      message: `must nest at most ${LIMITS.jsonDepth} levels deep`,
    };
  }
  for (const [name, member] of Object.entries(value)) {
    if (name === '__proto__' && path[0] !== 'context') {
      return { path: [...path, name].join('.'), message: 'the name "__proto__" is not allowed' };
    }
    const found = findOffence(member, [...path, name], levels - 1);
    if (found !== undefined) return found;
  }
  return undefined;
};
