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

/** `Array.isArray`, without its `any`. */
const isList = (value: unknown): value is readonly unknown[] => Array.isArray(value);

const sameFields = (a: Fields, b: Fields): boolean => {
  const names = Object.keys(a);
  const others = Object.keys(b);
  return (
    names.length === others.length &&
    // Mostly they stand in one order, and then need not be looked for.
    names.every(
      (name, at) => (name === others[at] || Object.hasOwn(b, name)) && sameJson(a[name], b[name]),
    )
  );
};

/** Whether two JSON values say the same, in whatever order their names stand. */
export const sameJson = (a: unknown, b: unknown): boolean => {
  if (a === b) return true;
  if (isList(a)) {
    return isList(b) && a.length === b.length && a.every((item, at) => sameJson(item, b[at]));
  }
  return isFields(a) && isFields(b) && sameFields(a, b);
};

/** The names whose values differ between two records: changed, added and removed. */
export const changedNames = (before: Fields, after: Fields): string[] => {
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  // What is absent is undefined, which JSON cannot say.
  const valueOf = (record: Fields, name: string) =>
    Object.hasOwn(record, name) ? record[name] : undefined;
  return [...names].filter(name => !sameJson(valueOf(before, name), valueOf(after, name)));
};
