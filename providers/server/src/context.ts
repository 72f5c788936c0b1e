import { isDate } from 'node:util/types';

/** As deep as the server takes a context; what is deeper, or endless, stays as it is. */
const MAX_DEPTH = 20;

/** An invalid date is missing. */
const textOf = (date: Date): string | undefined =>
  Number.isNaN(date.getTime()) ? undefined : date.toISOString();

type Fields = { readonly [name: string]: unknown };

/** Lists too: their members are read by number. */
const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null;

/** Needs no second look: this runs with every evaluation. */
const isPlain = (value: unknown): boolean => {
  const type = typeof value;
  return type === 'string' || type === 'number' || type === 'boolean' || type === 'undefined';
};

const plainObject = (value: Fields, depth: number): unknown => {
  if (isDate(value)) return textOf(value);
  return depth > MAX_DEPTH ? value : plainMembers(value, depth);
};

const plainValue = (value: unknown, depth: number): unknown => {
  if (isFields(value)) return plainObject(value, depth);
  if (typeof value === 'bigint') return Number(value);
  return typeof value === 'function' || typeof value === 'symbol' ? undefined : value;
};

const withMember = (copy: object, name: string, value: unknown): void =>
  // Not assigned: the name may be `__proto__`.
  void Object.defineProperty(copy, name, {
    value,
    enumerable: true,
    writable: true,
    configurable: true,
  });

const copyOf = (value: object): object =>
  Array.isArray(value) ? Array.from<unknown>(value) : { ...value };

/** The same object where there is nothing to change, which is nearly always, and costs no memory. */
const plainMembers = (value: Fields, depth: number): object => {
  let copy: object | undefined;
  for (const name in value) {
    const member = value[name];
    if (isPlain(member) || !Object.hasOwn(value, name)) continue;
    const plain = plainValue(member, depth + 1);
    if (plain === member) continue;
    copy ??= copyOf(value);
    withMember(copy, name, plain);
  }
  return copy ?? value;
};

/** An evaluation context as JSON can say it: dates as text in UTC, at any depth. */
export const plainContext = (context: unknown): unknown =>
  isFields(context) ? plainMembers(context, 1) : context;
