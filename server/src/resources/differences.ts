import { isDeepStrictEqual } from 'node:util';

import type { JsonValue } from '@pennon/schema';

/** One field that differs. null stands for absent. */
export type Difference = { path: string; before: JsonValue; after: JsonValue };

/** The fields in which two documents differ, by name; `ignored` fields aside. */
export const differences = (
  before: object | null,
  after: object,
  ignored: readonly string[],
): Difference[] => {
  const old = fieldsOf(before ?? {});
  const fresh = fieldsOf(after);
  const names = [...new Set([...old.keys(), ...fresh.keys()])].filter(
    name => !ignored.includes(name),
  );
  return names.flatMap(path => {
    const difference = { path, before: old.get(path) ?? null, after: fresh.get(path) ?? null };
    return isDeepStrictEqual(difference.before, difference.after) ? [] : [difference];
  });
};

const fieldsOf = (document: object): ReadonlyMap<string, JsonValue> =>
  new Map(Object.entries(document));
