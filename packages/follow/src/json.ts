export type Fields = { readonly [name: string]: unknown };

/** Whether it is an object and not null or a list. */
export const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The object that a text is; undefined where it is none. */
export const readObject = (text: string): Fields | undefined => {
  try {
    const value: unknown = JSON.parse(text);
    return isFields(value) ? value : undefined;
  } catch {
    return undefined;
  }
};

/** Two lists, or two objects whatever the order of their names. */
const sameMembers = (a: object, b: object): boolean => {
  const members = new Map<string, unknown>(Object.entries(b));
  const entries: [string, unknown][] = Object.entries(a);
  if (Array.isArray(a) !== Array.isArray(b) || entries.length !== members.size) return false;
  return entries.every(([name, value]) => members.has(name) && sameJson(value, members.get(name)));
};

/** Whether two JSON values say the same. */
export const sameJson = (a: unknown, b: unknown): boolean => {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b;
  return a === b || sameMembers(a, b);
};

/** The names whose values differ between two records: changed, added and removed. */
export const changedNames = (before: Fields, after: Fields): string[] => {
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  // What is absent is undefined, which JSON cannot say.
  const valueOf = (record: Fields, name: string) =>
    Object.hasOwn(record, name) ? record[name] : undefined;
  return [...names].filter(name => !sameJson(valueOf(before, name), valueOf(after, name)));
};
