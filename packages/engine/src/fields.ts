/** A JSON object whose content nobody has looked at yet. */
export type Fields = { readonly [name: string]: unknown };

export const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Array.isArray, without its `any`. */
export const isList = (value: unknown): value is readonly unknown[] => Array.isArray(value);

/** An own value only: `constructor` and `toString` are nobody's fields. */
export const ownValue = (fields: Fields, name: string): unknown =>
  Object.hasOwn(fields, name) ? fields[name] : undefined;

/** An own value where null means absent. */
export const optional = (fields: Fields, name: string): unknown =>
  ownValue(fields, name) ?? undefined;

/** Own names in an order that does not depend on how the object was written. */
export const sortedNames = (fields: Fields): string[] => Object.keys(fields).toSorted();

/** The names of the fields of `Type`. The compiler refuses a table that lacks one. */
export const fieldNames = <Type>(table: Record<KeyOf<Type>, true>): ReadonlySet<string> =>
  new Set(Object.keys(table));

/** The keys of every member of a union. */
type KeyOf<Type> = Type extends unknown ? keyof Type : never;

export const unknownNames = (fields: Fields, known: ReadonlySet<string>): string[] =>
  Object.keys(fields)
    .filter(name => !known.has(name))
    .toSorted();

/** An unpaired surrogate counts as one character, as in Python. */
const characters = (text: string): number => {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
};

/** Whether the text has `min` to `max` characters, counted without walking what is far too long. */
export const hasLength = (text: string, min: number, max: number): boolean =>
  text.length >= min && (text.length <= max || (text.length <= 2 * max && characters(text) <= max));
