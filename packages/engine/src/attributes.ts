import { isObject, ownValue, type RawObject } from './json.ts';

/** The attributes of an evaluation context. Only own properties are read. */
export type Attributes = RawObject;

/** Reads one attribute of a context. Returns undefined if it is missing. */
export type AttributeReader = (context: Attributes) => unknown;

const NO_ATTRIBUTES: Attributes = Object.freeze({});

/** A context that is not an object has no attributes. */
export const attributesOf = (context: unknown): Attributes =>
  isObject(context) ? context : NO_ATTRIBUTES;

/** NaN, infinities and null are missing. */
const presentValue = (value: unknown): unknown => {
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined;
  return value === null ? undefined : value;
};

const readNothing: AttributeReader = () => undefined;

/** Almost every draw reads this attribute, and V8 reads a literal name faster than one in a variable. */
const readTargetingKey: AttributeReader = context => {
  const value = context['targetingKey'];
  if (value === undefined || !Object.hasOwn(context, 'targetingKey')) return undefined;
  return presentValue(value);
};

/** Checks ownership last, because most names are either own or undefined. */
const readerOfName =
  (name: string): AttributeReader =>
  context => {
    const value = context[name];
    if (value === undefined || !Object.hasOwn(context, name)) return undefined;
    return presentValue(value);
  };

/** Steps through objects only, never through lists or strings. */
const readPath = (context: Attributes, steps: readonly string[]): unknown => {
  let reached: unknown = context;
  for (const step of steps) {
    if (!isObject(reached)) return undefined;
    reached = ownValue(reached, step);
  }
  return presentValue(reached);
};

const readerOfPath = (name: string, steps: readonly string[]): AttributeReader => {
  const isNeverPresent = steps.includes('__proto__');
  return context => {
    const exact = ownValue(context, name) ?? undefined;
    if (exact !== undefined) return presentValue(exact);
    return isNeverPresent ? undefined : readPath(context, steps);
  };
};

/** Returns the reader of an attribute: its exact name comes first, then the dotted path. */
export const attributeReader = (name: string): AttributeReader => {
  if (name === '__proto__') return readNothing;
  if (name === 'targetingKey') return readTargetingKey;
  const steps = name.split('.');
  return steps.length === 1 ? readerOfName(name) : readerOfPath(name, steps);
};

/** Returns the text that is hashed for an attribute's value; undefined if the value cannot be hashed. */
export const toBucketingValue = (value: unknown): string | undefined => {
  if (typeof value === 'string') return value === '' ? undefined : value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined;
};
