import type { EvaluationContext } from '@pennon/schema';
import { LIMITS } from '@pennon/schema';

import type { PennonError } from '../errors.ts';
import { invalid } from '../errors.ts';

/**
 * Throws BAD_REQUEST for a context that is too deep or too large. Contexts come from public pages. Returns how many
 * values it holds.
 */
export const validateContext = (context: EvaluationContext): number => {
  const count = countValues(context, LIMITS.contextDepth, LIMITS.contextValues);
  if (count === TOO_DEEP)
    throw invalidContext(`must nest at most ${LIMITS.contextDepth} levels deep`);
  if (count > LIMITS.contextValues)
    throw invalidContext(
      `must hold at most ${LIMITS.contextValues} values, at all depths together`,
    );
  return count;
};

const invalidContext = (message: string): PennonError => invalid([{ path: 'context', message }]);

const TOO_DEEP = Infinity;

/** Counts the values inside a JSON value. Stops early with `TOO_DEEP` or a number above `max`. */
const countValues = (value: unknown, levels: number, max: number): number => {
  if (typeof value !== 'object' || value === null) return 0;
  if (levels === 0) return TOO_DEEP;
  const members: readonly unknown[] = Array.isArray(value) ? value : Object.values(value);
  let count = members.length;
  for (const member of members) {
    if (count > max) break;
    count += countValues(member, levels - 1, max - count);
  }
  return count;
};
