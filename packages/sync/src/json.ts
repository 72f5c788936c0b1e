export type JsonObject = { readonly [name: string]: unknown };

/** Returns whether `value` is an object, but not null or an array. */
export const isJsonObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Parses a JSON object. Returns undefined if `text` is anything else. */
export const parseJsonObject = (text: string): JsonObject | undefined => {
  try {
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
};

/** Unlike `Array.isArray`, it does not narrow to `any[]`. */
const isArray = (value: unknown): value is readonly unknown[] => Array.isArray(value);

const haveSameFields = (a: JsonObject, b: JsonObject): boolean => {
  const names = Object.keys(a);
  const otherNames = Object.keys(b);
  return (
    names.length === otherNames.length &&
    names.every(
      (name, index) =>
        // Names usually have the same order in both objects, which saves the lookup.
        (name === otherNames[index] || Object.hasOwn(b, name)) && sameJson(a[name], b[name]),
    )
  );
};

const haveSameItems = (a: readonly unknown[], b: readonly unknown[]): boolean =>
  a.length === b.length && a.every((item, index) => sameJson(item, b[index]));

/** Returns whether two JSON values are equal. The order of names in objects does not matter. */
export const sameJson = (a: unknown, b: unknown): boolean => {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object') return false;
  if (isArray(a)) return isArray(b) && haveSameItems(a, b);
  return isJsonObject(a) && isJsonObject(b) && haveSameFields(a, b);
};

/** Returns the value of a name, or undefined if the object only inherits it, such as `constructor`. */
export const ownValue = <Value>(
  object: { readonly [name: string]: Value },
  name: string,
): Value | undefined => (Object.hasOwn(object, name) ? object[name] : undefined);

/** Returns the names whose values differ between two records: changed and added ones, then removed ones. */
export const changedNames = (previous: JsonObject, next: JsonObject): string[] =>
  Object.keys({ ...next, ...previous }).filter(
    name => !sameJson(ownValue(previous, name), ownValue(next, name)),
  );
