import { isDeepStrictEqual } from 'node:util';

import type { JsonValue } from '@pennon/schema';

/** A field that differs. null: the field is absent. */
export type Difference = { path: string; before: JsonValue; after: JsonValue };

/** Compares two documents field by field, leaving out the fields in `ignored`. */
export const differences = (
  before: object | null,
  after: object,
  ignored: readonly string[],
): Difference[] => {
  const beforeFields = fieldsOf(before ?? {});
  const afterFields = fieldsOf(after);
  const names = new Set([...beforeFields.keys(), ...afterFields.keys()]);
  for (const name of ignored) names.delete(name);
  return [...names]
    .map(path => ({
      path,
      before: beforeFields.get(path) ?? null,
      after: afterFields.get(path) ?? null,
    }))
    .filter(field => !isDeepStrictEqual(field.before, field.after));
};

const fieldsOf = (document: object): ReadonlyMap<string, JsonValue> =>
  new Map(Object.entries(document));
