import { describeIssues } from '@pennon/schema';
import type { z } from 'zod';

import { invalid } from '../errors.ts';

/** Returns the parsed document. Throws BAD_REQUEST with one detail for each invalid field. */
export const parseOrThrow = <Schema extends z.ZodType>(
  schema: Schema,
  document: unknown,
): z.infer<Schema> => {
  const parsed = schema.safeParse(document);
  if (parsed.success) return parsed.data;
  throw invalid(describeIssues(parsed.error));
};

/**
 * Merges a patch into a document. undefined leaves a field as it is; null sets it to its value in
 * `cleared`, or removes it if it has none there.
 */
export const mergePatch = (
  current: object,
  patch: object,
  cleared: object,
): Record<string, unknown> => {
  const merged = new Map<string, unknown>(Object.entries(current));
  for (const [name, value] of Object.entries(patch)) {
    if (value === undefined) continue;
    if (value !== null) merged.set(name, value);
    else if (Object.hasOwn(cleared, name)) merged.set(name, Reflect.get(cleared, name));
    else merged.delete(name);
  }
  return Object.fromEntries(merged);
};
