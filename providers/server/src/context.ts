import { isDate } from 'node:util/types';

/** The depth to which the server accepts a context. Deeper values, and cycles, stay as they are. */
const MAX_DEPTH = 20;

/** Undefined for an invalid date, so the attribute is missing. */
const isoText = (date: Date): string | undefined =>
  Number.isNaN(date.getTime()) ? undefined : date.toISOString();

type Members = { readonly [name: string]: unknown };

/** Includes lists: their items are read by index. */
const hasMembers = (value: unknown): value is Members =>
  typeof value === 'object' && value !== null;

/** Recognizes most values without a function call for each: this runs in every evaluation. */
const isPlain = (value: unknown): boolean => {
  const type = typeof value;
  return type === 'string' || type === 'number' || type === 'boolean' || type === 'undefined';
};

const toPlainObject = (value: Members, depth: number): unknown => {
  if (isDate(value)) return isoText(value);
  return depth > MAX_DEPTH ? value : withPlainMembers(value, depth);
};

const toPlainValue = (value: unknown, depth: number): unknown => {
  if (hasMembers(value)) return toPlainObject(value, depth);
  if (typeof value === 'bigint') return Number(value);
  return typeof value === 'function' || typeof value === 'symbol' ? undefined : value;
};

/** Defines the member instead of assigning it, because its name may be `__proto__`. */
const setMember = (copy: object, name: string, value: unknown): void =>
  void Object.defineProperty(copy, name, {
    value,
    enumerable: true,
    writable: true,
    configurable: true,
  });

const copyOf = (value: object): object =>
  Array.isArray(value) ? Array.from<unknown>(value) : { ...value };

/** Copies only if a member has to change, so most contexts need no memory. */
const withPlainMembers = (value: Members, depth: number): object => {
  let copy: object | undefined;
  for (const name in value) {
    const member = value[name];
    if (isPlain(member) || !Object.hasOwn(value, name)) continue;
    const plain = toPlainValue(member, depth + 1);
    if (plain === member) continue;
    copy ??= copyOf(value);
    setMember(copy, name, plain);
  }
  return copy ?? value;
};

/** Returns the evaluation context with JSON values only: dates, at any depth, become text in UTC. */
export const toPlainContext = (context: unknown): unknown =>
  hasMembers(context) ? withPlainMembers(context, 1) : context;
