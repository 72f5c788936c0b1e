import { isObject, ownValue, type RawObject } from './json.ts';
import { LONG_TEXT } from './work.ts';

/** The attributes of an evaluation context. Only own properties are read. The object itself is plain. */
export type Attributes = RawObject;

/** Reads one attribute of a context. Returns undefined if it is missing. */
export type AttributeReader = (context: Attributes) => unknown;

const NO_ATTRIBUTES: Attributes = Object.freeze({});

/** V8 knows the prototype of an object from its shape, which it checks when a property is read. */
const isPlain = (object: RawObject): boolean => {
  void object['targetingKey'];
  return Object.getPrototypeOf(object) === Object.prototype;
};

const plainCopy = (object: RawObject): Attributes =>
  Object.defineProperties<RawObject>({}, Object.getOwnPropertyDescriptors(object));

/** A context that is not an object has no attributes. */
export const attributesOf = (context: unknown): Attributes => {
  if (!isObject(context)) return NO_ATTRIBUTES;
  return isPlain(context) ? context : plainCopy(context);
};

/** NaN, infinities and null are missing. */
const presentValue = (value: unknown): unknown => {
  if (value === null) return undefined;
  return typeof value === 'number' && !Number.isFinite(value) ? undefined : value;
};

const readNothing: AttributeReader = () => undefined;

/** Almost every draw reads this attribute, and V8 reads a literal name faster than one in a variable. */
const readTargetingKey: AttributeReader = context =>
  presentValue(
    NO_ATTRIBUTES['targetingKey'] === undefined
      ? context['targetingKey']
      : ownValue(context, 'targetingKey'),
  );

const readerOfName =
  (name: string): AttributeReader =>
  context =>
    presentValue(ownValue(context, name));

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

/** The two parts of a test, so that the values that most attributes have need no further checks. */
export type AttributeTest = {
  /** Tests a short text or a finite number. */
  readonly simple: (value: string | number) => boolean;
  /** Tests any other value, also none. */
  readonly others: (value: unknown) => boolean;
};

const isSimple = (value: unknown): value is string | number =>
  typeof value === 'string' ? value.length <= LONG_TEXT : Number.isFinite(value);

type CreateTester = (name: string, test: AttributeTest) => (context: Attributes) => boolean;

/**
 * Functions that all do the same. V8 reads a property as fast as one with a literal name if a function has read
 * no other, and calls a test as fast as a part of the function if it has called no other. So each of the first
 * names that a process compiles has a function of its own. A plain context inherits what the object without
 * attributes inherits, so a value is its own if that one has none.
 */
const TESTERS: readonly CreateTester[] = [
  (name, { simple, others }) =>
    context => {
      const value = NO_ATTRIBUTES[name] === undefined ? context[name] : ownValue(context, name);
      return isSimple(value) ? simple(value) : others(value);
    },
  (name, { simple, others }) =>
    context => {
      const value = NO_ATTRIBUTES[name] === undefined ? context[name] : ownValue(context, name);
      return isSimple(value) ? simple(value) : others(value);
    },
  (name, { simple, others }) =>
    context => {
      const value = NO_ATTRIBUTES[name] === undefined ? context[name] : ownValue(context, name);
      return isSimple(value) ? simple(value) : others(value);
    },
  (name, { simple, others }) =>
    context => {
      const value = NO_ATTRIBUTES[name] === undefined ? context[name] : ownValue(context, name);
      return isSimple(value) ? simple(value) : others(value);
    },
  (name, { simple, others }) =>
    context => {
      const value = NO_ATTRIBUTES[name] === undefined ? context[name] : ownValue(context, name);
      return isSimple(value) ? simple(value) : others(value);
    },
  (name, { simple, others }) =>
    context => {
      const value = NO_ATTRIBUTES[name] === undefined ? context[name] : ownValue(context, name);
      return isSimple(value) ? simple(value) : others(value);
    },
  (name, { simple, others }) =>
    context => {
      const value = NO_ATTRIBUTES[name] === undefined ? context[name] : ownValue(context, name);
      return isSimple(value) ? simple(value) : others(value);
    },
  (name, { simple, others }) =>
    context => {
      const value = NO_ATTRIBUTES[name] === undefined ? context[name] : ownValue(context, name);
      return isSimple(value) ? simple(value) : others(value);
    },
  (name, { simple, others }) =>
    context => {
      const value = NO_ATTRIBUTES[name] === undefined ? context[name] : ownValue(context, name);
      return isSimple(value) ? simple(value) : others(value);
    },
  (name, { simple, others }) =>
    context => {
      const value = NO_ATTRIBUTES[name] === undefined ? context[name] : ownValue(context, name);
      return isSimple(value) ? simple(value) : others(value);
    },
  (name, { simple, others }) =>
    context => {
      const value = NO_ATTRIBUTES[name] === undefined ? context[name] : ownValue(context, name);
      return isSimple(value) ? simple(value) : others(value);
    },
  (name, { simple, others }) =>
    context => {
      const value = NO_ATTRIBUTES[name] === undefined ? context[name] : ownValue(context, name);
      return isSimple(value) ? simple(value) : others(value);
    },
];

const testers = new Map<string, CreateTester>();

/** V8 finds properties faster by a string that is the name of a property already. */
const asPropertyName = (name: string): string => Object.keys({ [name]: true })[0] ?? name;

const testerOfReader: CreateTester = (name, { simple, others }) => {
  const read = attributeReader(name);
  return context => {
    const value = read(context);
    return isSimple(value) ? simple(value) : others(value);
  };
};

const createTesterFor = (name: string): CreateTester => {
  if (name === '__proto__' || name.includes('.')) return testerOfReader;
  const created = testers.get(name) ?? TESTERS[testers.size];
  if (created === undefined) return testerOfReader;
  testers.set(name, created);
  return created;
};

/** Returns a function that reads an attribute of a context and tests it. */
export const attributeTester: CreateTester = (name, test) =>
  createTesterFor(name)(asPropertyName(name), test);

/** Returns the text that is hashed for an attribute's value; undefined if the value cannot be hashed. */
export const toBucketingValue = (value: unknown): string | undefined => {
  if (typeof value === 'string') return value === '' ? undefined : value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined;
};
