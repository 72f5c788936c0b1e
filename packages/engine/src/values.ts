import type { FlagType, JsonObject, JsonValue, Value } from '@pennon/schema';

import { isList, isObject, type Fields } from './fields.ts';

/** How deep objects and lists may nest in a value; deeper ones would overflow somebody's stack. */
const MAX_LEVELS = 20;

type Copied<Copy> = { readonly copy: Copy };

const copyList = (items: readonly unknown[], level: number): Copied<JsonValue> | undefined => {
  const copies: JsonValue[] = [];
  for (const item of items) {
    const copied = copyJson(item, level);
    if (copied === undefined) return undefined;
    copies.push(copied.copy);
  }
  return { copy: Object.freeze(copies) };
};

/** `fromEntries` makes own properties of all names, `__proto__` too. */
const copyObject = (fields: Fields, level: number): Copied<JsonObject> | undefined => {
  const copies: [string, JsonValue][] = [];
  for (const [name, value] of Object.entries(fields)) {
    const copied = copyJson(value, level);
    if (copied === undefined) return undefined;
    copies.push([name, copied.copy]);
  }
  return { copy: Object.freeze(Object.fromEntries(copies)) };
};

/** A deeply frozen copy of a JSON value, or undefined where it is none that we serve. */
const copyJson = (value: unknown, level: number): Copied<JsonValue> | undefined => {
  if (value === null || typeof value === 'string' || typeof value === 'boolean')
    return { copy: value };
  if (typeof value === 'number') return Number.isFinite(value) ? { copy: value } : undefined;
  if (level === MAX_LEVELS) return undefined;
  if (isList(value)) return copyList(value, level + 1);
  return isObject(value) ? copyObject(value, level + 1) : undefined;
};

type Type = {
  /** What a variant of this type must be, in words. */
  readonly wanted: string;
  /** A value that nobody can change, or undefined where it is not of this type. */
  readonly copy: (value: unknown) => Value | undefined;
};

/** Every type of flag. One that is missing here does not compile. */
export const TYPES = {
  boolean: {
    wanted: 'true or false',
    copy: value => (typeof value === 'boolean' ? value : undefined),
  },
  string: {
    wanted: 'a string',
    copy: value => (typeof value === 'string' ? value : undefined),
  },
  number: {
    wanted: 'a finite number',
    copy: value => (typeof value === 'number' && Number.isFinite(value) ? value : undefined),
  },
  object: {
    wanted: `a JSON object with finite numbers only, at most ${MAX_LEVELS} levels deep`,
    copy: value => (isObject(value) ? copyObject(value, 1)?.copy : undefined),
  },
} satisfies Record<FlagType, Type>;
