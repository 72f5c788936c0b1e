import { describeIssues } from '@pennon/schema';
import type { z } from 'zod';

import { invalid } from '../errors.ts';

/** The document where the schema accepts it; else a BAD_REQUEST that names each wrong field. */
export const accept = <Schema extends z.ZodType>(
  schema: Schema,
  document: object,
): z.infer<Schema> => {
  const parsed = schema.safeParse(document);
  if (parsed.success) return parsed.data;
  throw invalid(describeIssues(parsed.error));
};

/** A patch laid over a document: undefined keeps; null gives the field's cleared value, or removes it. */
export const lay = (current: object, patch: object, cleared: object): Record<string, unknown> => {
  const merged = new Map<string, unknown>(Object.entries(current));
  for (const [name, value] of Object.entries(patch)) {
    if (value === undefined) continue;
    if (value !== null) merged.set(name, value);
    else if (Object.hasOwn(cleared, name)) merged.set(name, Reflect.get(cleared, name));
    else merged.delete(name);
  }
  return Object.fromEntries(merged);
};
