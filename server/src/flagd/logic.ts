import type { JsonValue } from '@pennon/schema';

/** A rule of flagd: JsonLogic with flagd's own operators. */
export type Logic = JsonValue;

export const variable = (name: string): Logic => ({ var: name });

/** The item of a list that `some` tests. */
export const ITEM = variable('');

export const allOf = (logics: readonly Logic[]): Logic => {
  const [only] = logics;
  if (only === undefined) return true;
  return logics.length === 1 ? only : { and: logics };
};

export const anyOf = (logics: readonly Logic[]): Logic => {
  const [only] = logics;
  if (only === undefined) return false;
  return logics.length === 1 ? only : { or: logics };
};

export const not = (logic: Logic): Logic => ({ '!': [logic] });

export const same = (left: Logic, right: Logic): Logic => ({ '===': [left, right] });

const different = (left: Logic, right: Logic): Logic => ({ '!==': [left, right] });

const isIn = (part: Logic, whole: Logic): Logic => ({ in: [part, whole] });

export const isPresent = (value: Logic): Logic => different(value, null);

/** A value that is not a list counts as a list of one item. */
export const itemsOf = (value: Logic): Logic => ({ merge: [value] });

export const someItem = (value: Logic, test: Logic): Logic => ({ some: [itemsOf(value), test] });

const TEXT: Logic = { cat: [ITEM] };
const FIRST_CHARACTER: Logic = { substr: [ITEM, 0, 1] };
const LAST_CHARACTER: Logic = { substr: [ITEM, -1] };
const DIGITS = '0123456789';
const LETTERS = 'abcdefghijklmnopqrstuvwxyz';

/**
 * The parts of the tests below. JsonLogic compares with conversions and has no operator for types, and the
 * engines of flagd fail on different values: the one in Go if lists, objects or booleans become text, the one in
 * JavaScript if objects become numbers. In Go, lists and objects do not equal themselves.
 */
const CAN_BE_TEXT = [different(ITEM, true), different(ITEM, false), same(ITEM, ITEM)];
const IS_STRING = [...CAN_BE_TEXT, same(TEXT, ITEM)];
const IS_NUMBER = [
  ...CAN_BE_TEXT,
  isPresent(ITEM),
  different(TEXT, ITEM),
  isIn(ITEM, itemsOf(ITEM)),
  isIn({ substr: [TEXT, 0, 1] }, `-${DIGITS}`),
];

/** Versions with larger numbers are invalid for some of flagd's engines. */
export const MAX_VERSION_DIGITS = 15;

/** Whether a string has a second dot after a number. */
const HAS_TWO_DOTS = anyOf(
  Array.from({ length: MAX_VERSION_DIGITS + 1 }, (_, at) =>
    allOf([same({ substr: [ITEM, at + 1, 1] }, '.'), isIn('.', { substr: [ITEM, at + 2] })]),
  ),
);

/** Tests of the type of an item, by the names under which the rules of a document share them. */
export const ITEM_TYPES = {
  isString: allOf(IS_STRING),
  isNumber: allOf(IS_NUMBER),
  /** Whether a string begins and ends like a complete version: flagd completes others, and ignores white space. */
  isVersion: allOf([
    ...IS_STRING,
    isIn(FIRST_CHARACTER, DIGITS),
    isIn(LAST_CHARACTER, `${DIGITS}${LETTERS}${LETTERS.toUpperCase()}-`),
    HAS_TWO_DOTS,
  ]),
  /** Whether a value can be hashed. */
  isBucketingValue: anyOf([
    allOf([...IS_STRING, different(ITEM, '')]),
    allOf(IS_NUMBER),
    same(ITEM, true),
    same(ITEM, false),
  ]),
} as const satisfies Record<string, Logic>;

export type ItemType = keyof typeof ITEM_TYPES;

/** Returns the test of a type: a reference to the shared one, or the test itself. */
export type RenderType = (type: ItemType) => Logic;

export const referTo: RenderType = type => ({ $ref: type });
export const spellOut: RenderType = type => ITEM_TYPES[type];

export const isOneOf = isIn;
