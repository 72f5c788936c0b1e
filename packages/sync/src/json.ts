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
  if (names.length !== otherNames.length) return false;
  for (let index = 0; index < names.length; index += 1) {
    const name = names[index] ?? '';
    // Names usually have the same order in both objects, which saves the lookup.
    if (name !== otherNames[index] && !Object.hasOwn(b, name)) return false;
    if (!sameJson(a[name], b[name])) return false;
  }
  return true;
};

const haveSameItems = (a: readonly unknown[], b: readonly unknown[]): boolean => {
  if (a.length !== b.length) return false;
  for (let index = 0; index < a.length; index += 1) {
    if (!sameJson(a[index], b[index])) return false;
  }
  return true;
};

/** Returns whether two JSON values are equal. The order of names in objects does not matter. */
export const sameJson = (a: unknown, b: unknown): boolean => {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object') return false;
  if (isArray(a)) return isArray(b) && haveSameItems(a, b);
  return isJsonObject(a) && isJsonObject(b) && haveSameFields(a, b);
};

/** Returns the names whose values differ between two records: changed, added and removed ones. */
export const changedNames = (previous: JsonObject, next: JsonObject): string[] => {
  const changed = Object.keys(next).filter(
    name => !Object.hasOwn(previous, name) || !sameJson(previous[name], next[name]),
  );
  for (const name of Object.keys(previous)) if (!Object.hasOwn(next, name)) changed.push(name);
  return changed;
};
