export type JsonObject = { readonly [name: string]: unknown };

/** Whether it is an object and not null or a list. */
export const isJsonObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The object that a text is; undefined where it is none. */
export const readObject = (text: string): JsonObject | undefined => {
  try {
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
};

/** `Array.isArray`, without its `any`. */
const isList = (value: unknown): value is readonly unknown[] => Array.isArray(value);

const sameFields = (a: JsonObject, b: JsonObject): boolean => {
  const names = Object.keys(a);
  const others = Object.keys(b);
  if (names.length !== others.length) return false;
  for (let at = 0; at < names.length; at += 1) {
    const name = names[at] ?? '';
    // Mostly they stand in one order, and then need not be looked for.
    if (name !== others[at] && !Object.hasOwn(b, name)) return false;
    if (!sameJson(a[name], b[name])) return false;
  }
  return true;
};

const sameItems = (a: readonly unknown[], b: readonly unknown[]): boolean => {
  if (a.length !== b.length) return false;
  for (let at = 0; at < a.length; at += 1) if (!sameJson(a[at], b[at])) return false;
  return true;
};

/** Whether two JSON values say the same, in whatever order their names stand. */
export const sameJson = (a: unknown, b: unknown): boolean => {
  if (a === b) return true;
  // Most values are no objects, and then there is nothing more to see.
  if (typeof a !== 'object' || typeof b !== 'object') return false;
  if (isList(a)) return isList(b) && sameItems(a, b);
  return isJsonObject(a) && isJsonObject(b) && sameFields(a, b);
};

/** The names whose values differ between two records: changed, added and removed. */
export const changedNames = (before: JsonObject, after: JsonObject): string[] => {
  const names = Object.keys(after);
  const changed = names.filter(
    name => !Object.hasOwn(before, name) || !sameJson(before[name], after[name]),
  );
  for (const name of Object.keys(before)) if (!Object.hasOwn(after, name)) changed.push(name);
  return changed;
};
