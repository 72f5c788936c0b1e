/** A JSON object with contents that have not been checked. */
export type RawObject = { readonly [name: string]: unknown };

/** The schema has the same function, but the engine imports only types from it, to load no zod. */
export const isObject = (value: unknown): value is RawObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Array.isArray, without its `any`. */
export const isList = (value: unknown): value is readonly unknown[] => Array.isArray(value);

/** Reads own values only, so that `constructor` and `toString` are never fields. */
export const ownValue = (object: RawObject, name: string): unknown =>
  Object.hasOwn(object, name) ? object[name] : undefined;

/** Reads an optional field, in which null means absent. */
export const optional = (object: RawObject, name: string): unknown =>
  ownValue(object, name) ?? undefined;

/** The order of the names does not depend on how the object was written. */
export const sortedNames = (object: RawObject): string[] => Object.keys(object).toSorted();

/** The keys of every member of a union. */
type KeyOf<Type> = Type extends unknown ? keyof Type : never;

/** Returns the names of the fields of `Type`. TypeScript rejects a table that lacks one. */
export const fieldNames = <Type>(table: Record<KeyOf<Type>, true>): ReadonlySet<string> =>
  new Set(Object.keys(table));

export const unknownNames = (object: RawObject, known: ReadonlySet<string>): string[] =>
  Object.keys(object)
    .filter(name => !known.has(name))
    .toSorted();

/** An unpaired surrogate counts as one character, as in Python. */
const countCharacters = (text: string): number => {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
};

/**
 * Whether the text has `min` to `max` characters. Never iterates over a text that is far too long. The schema
 * has the same function, but the engine imports only types from it, to load no zod.
 */
export const hasLength = (text: string, min: number, max: number): boolean =>
  text.length >= min &&
  (text.length <= max || (text.length <= 2 * max && countCharacters(text) <= max));
