import type { FlagType, JsonObject, JsonValue, Value } from '@pennon/schema';

import { isList, isObject, type RawObject } from './json.ts';

/** How deep objects and lists may nest in a value. Deeper values could overflow a reader's stack. */
const MAX_VALUE_DEPTH = 20;

/** Wraps a copy, because null is a valid one. */
type Copied<Copy> = { readonly copy: Copy };

const copyList = (items: readonly unknown[], depth: number): Copied<JsonValue> | undefined => {
  const copies: JsonValue[] = [];
  for (const item of items) {
    const copied = copyJson(item, depth);
    if (copied === undefined) return undefined;
    copies.push(copied.copy);
  }
  return { copy: Object.freeze(copies) };
};

/** `fromEntries` makes an own property of every name, including `__proto__`. */
const copyObject = (object: RawObject, depth: number): Copied<JsonObject> | undefined => {
  const copies: [string, JsonValue][] = [];
  for (const [name, value] of Object.entries(object)) {
    const copied = copyJson(value, depth);
    if (copied === undefined) return undefined;
    copies.push([name, copied.copy]);
  }
  return { copy: Object.freeze(Object.fromEntries(copies)) };
};

/** Makes a deeply frozen copy of a JSON value; undefined if it is not JSON or nests too deep. */
const copyJson = (value: unknown, depth: number): Copied<JsonValue> | undefined => {
  if (value === null || typeof value === 'string' || typeof value === 'boolean')
    return { copy: value };
  if (typeof value === 'number') return Number.isFinite(value) ? { copy: value } : undefined;
  if (depth === MAX_VALUE_DEPTH) return undefined;
  if (isList(value)) return copyList(value, depth + 1);
  return isObject(value) ? copyObject(value, depth + 1) : undefined;
};

type TypeEntry = {
  /** What a variant of this type must be, for messages. */
  readonly expects: string;
  /** Makes a frozen copy of a value; undefined if it is not of this type. */
  readonly copy: (value: unknown) => Value | undefined;
};

/** All flag types. TypeScript rejects a table that lacks one of the schema's. */
export const TYPES = {
  boolean: {
    expects: 'true or false',
    copy: value => (typeof value === 'boolean' ? value : undefined),
  },
  string: {
    expects: 'a string',
    copy: value => (typeof value === 'string' ? value : undefined),
  },
  number: {
    expects: 'a finite number',
    copy: value => (typeof value === 'number' && Number.isFinite(value) ? value : undefined),
  },
  object: {
    expects: `a JSON object with finite numbers, at most ${MAX_VALUE_DEPTH} levels deep`,
    copy: value => (isObject(value) ? copyObject(value, 1)?.copy : undefined),
  },
} satisfies Record<FlagType, TypeEntry>;
