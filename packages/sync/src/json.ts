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

const isRecord = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null;

/** Returns whether two JSON values are equal. The order of names in objects does not matter. */
export const sameJson = (a: unknown, b: unknown): boolean => {
  if (a === b) return true;
  if (!isRecord(a) || !isRecord(b) || Array.isArray(a) !== Array.isArray(b)) return false;
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
