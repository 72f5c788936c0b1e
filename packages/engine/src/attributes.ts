import { isObject, ownValue, type RawObject } from './json.ts';
import { LONG_TEXT } from './work.ts';

/** The attributes of an evaluation context. Only own properties are read. The object itself is plain. */
export type Attributes = RawObject;

/** Reads one attribute of a context. Returns undefined if it is missing. */
export type AttributeReader = (context: Attributes) => unknown;

/** Converts a value that JSON does not have, such as a date, and returns all others as they are. */
export type ToPlainValue = (value: unknown) => unknown;

export const asItIs: ToPlainValue = value => value;

let toPlainValue = asItIs;

/** Sets how the current evaluation converts the attributes that it reads, except short texts and finite numbers. */
export const convertAttributes = (convert: ToPlainValue): void => {
  if (toPlainValue !== convert) toPlainValue = convert;
};

const NO_ATTRIBUTES: Attributes = Object.freeze({});

/** V8 knows the prototype of an object from its shape, which it checks when a property is read. */
const isPlain = (object: { readonly targetingKey?: unknown }): object is Attributes => {
  void object.targetingKey;
  return Object.getPrototypeOf(object) === Object.prototype;
};

const plainCopy = (object: RawObject): Attributes =>
  Object.defineProperties<RawObject>({}, Object.getOwnPropertyDescriptors(object));

/** A context that is not an object has no attributes. */
export const attributesOf = (context: unknown): Attributes => {
  if (typeof context !== 'object' || context === null) return NO_ATTRIBUTES;
  if (isPlain(context)) return context;
  return isObject(context) ? plainCopy(context) : NO_ATTRIBUTES;
};

/** NaN, infinities and null are missing. */
const presentValue = (value: unknown): unknown => {
  if (value === null) return undefined;
  return typeof value === 'number' && !Number.isFinite(value) ? undefined : value;
};

const readNothing: AttributeReader = () => undefined;

/** Almost every draw reads this attribute, and V8 reads a literal name faster than one in a variable. */
const readTargetingKey: AttributeReader = context => {
  const value =
    NO_ATTRIBUTES['targetingKey'] === undefined
      ? context['targetingKey']
      : ownValue(context, 'targetingKey');
  return typeof value === 'string' ? value : presentValue(toPlainValue(value));
};

const readerOfName =
  (name: string): AttributeReader =>
  context =>
    presentValue(toPlainValue(ownValue(context, name)));

/** Steps through objects only, never through lists or strings. */
const readPath = (context: Attributes, steps: readonly string[]): unknown => {
  let reached: unknown = context;
  for (const step of steps) {
    if (!isObject(reached)) return undefined;
    reached = ownValue(reached, step);
  }
  return presentValue(toPlainValue(reached));
};

const readerOfPath = (name: string, steps: readonly string[]): AttributeReader => {
  const isNeverPresent = steps.includes('__proto__');
  return context => {
    const exact = toPlainValue(ownValue(context, name)) ?? undefined;
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

/** A test, in two parts, so that the values that most attributes have need no further checks. */
export type AttributeTest = {
  /** The same text for tests that do the same; undefined if that would be long. */
  readonly id: string | undefined;
  /** Tests a short text or a finite number. */
  readonly simple: (value: string | number) => boolean;
  /** Tests any other value, also none. */
  readonly others: (value: unknown) => boolean;
};

/** A constant of this module, because V8 reads an imported one from memory. */
const SHORT_TEXT = LONG_TEXT;

const isSimple = (value: unknown): value is string | number =>
  typeof value === 'string' ? value.length <= SHORT_TEXT : Number.isFinite(value);

type Tester = (context: Attributes) => boolean;

type CreateTester = (
  name: string,
  simple: AttributeTest['simple'],
  others: AttributeTest['others'],
) => Tester;

/**
 * Functions that all do the same. V8 reads a property as fast as one with a literal name if a function has read
 * no other, and calls a test as fast as a part of the function if it has called no other. So each of the first
 * names that a process compiles has a function of its own. A plain context inherits what the object without
 * attributes inherits, so a value is its own if that one has none. Functions capture parameters, not constants:
 * V8 tests at every use whether a captured constant has been assigned yet.
 */
const TESTERS: readonly CreateTester[] = [
  (name, simple, others) => context => {
    const value = NO_ATTRIBUTES[name] === undefined ? context[name] : ownValue(context, name);
    return isSimple(value) ? simple(value) : others(value);
  },
  (name, simple, others) => context => {
    const value = NO_ATTRIBUTES[name] === undefined ? context[name] : ownValue(context, name);
    return isSimple(value) ? simple(value) : others(value);
  },
  (name, simple, others) => context => {
    const value = NO_ATTRIBUTES[name] === undefined ? context[name] : ownValue(context, name);
    return isSimple(value) ? simple(value) : others(value);
  },
  (name, simple, others) => context => {
    const value = NO_ATTRIBUTES[name] === undefined ? context[name] : ownValue(context, name);
    return isSimple(value) ? simple(value) : others(value);
  },
  (name, simple, others) => context => {
    const value = NO_ATTRIBUTES[name] === undefined ? context[name] : ownValue(context, name);
    return isSimple(value) ? simple(value) : others(value);
  },
  (name, simple, others) => context => {
    const value = NO_ATTRIBUTES[name] === undefined ? context[name] : ownValue(context, name);
    return isSimple(value) ? simple(value) : others(value);
  },
  (name, simple, others) => context => {
    const value = NO_ATTRIBUTES[name] === undefined ? context[name] : ownValue(context, name);
    return isSimple(value) ? simple(value) : others(value);
  },
  (name, simple, others) => context => {
    const value = NO_ATTRIBUTES[name] === undefined ? context[name] : ownValue(context, name);
    return isSimple(value) ? simple(value) : others(value);
  },
  (name, simple, others) => context => {
    const value = NO_ATTRIBUTES[name] === undefined ? context[name] : ownValue(context, name);
    return isSimple(value) ? simple(value) : others(value);
  },
  (name, simple, others) => context => {
    const value = NO_ATTRIBUTES[name] === undefined ? context[name] : ownValue(context, name);
    return isSimple(value) ? simple(value) : others(value);
  },
  (name, simple, others) => context => {
    const value = NO_ATTRIBUTES[name] === undefined ? context[name] : ownValue(context, name);
    return isSimple(value) ? simple(value) : others(value);
  },
  (name, simple, others) => context => {
    const value = NO_ATTRIBUTES[name] === undefined ? context[name] : ownValue(context, name);
    return isSimple(value) ? simple(value) : others(value);
  },
];

const testers = new Map<string, CreateTester>();

/** V8 finds properties faster by a string that is the name of a property already. */
const asPropertyName = (name: string): string => Object.keys({ [name]: true })[0] ?? name;

const createTesterFor = (name: string): CreateTester | undefined => {
  if (name === '__proto__' || name.includes('.')) return undefined;
  const created = testers.get(name) ?? TESTERS[testers.size];
  if (created !== undefined) testers.set(name, created);
  return created;
};

const testerByReader = (name: string, { simple, others }: AttributeTest): Tester => {
  const read = attributeReader(name);
  return context => {
    const value = read(context);
    return isSimple(value) ? simple(value) : others(value);
  };
};

const MAX_SHARED = 1_000;
const MAX_SHARED_KEY_LENGTH = 1_000;
const shared = new Map<string, Tester>();

/**
 * Returns the tester that was created for the same test before, in another flag or before an edit of the flag, or
 * a new one. V8 makes faster code for one function, with its operand, than for many functions with the same text.
 */
const share = (key: string, create: () => Tester): Tester => {
  if (key.length > MAX_SHARED_KEY_LENGTH) return create();
  const tester = shared.get(key) ?? create();
  shared.delete(key);
  shared.set(key, tester);
  const [oldest] = shared.keys();
  if (oldest !== undefined && shared.size > MAX_SHARED) shared.delete(oldest);
  return tester;
};

/** Returns a function that reads an attribute of a context and tests it. */
export const attributeTester = (name: string, test: AttributeTest): Tester => {
  const create = createTesterFor(name);
  if (create === undefined) return testerByReader(name, test);
  const { id, simple, others } = test;
  const newTester = () =>
    create(asPropertyName(name), simple, value => others(toPlainValue(value)));
  return id === undefined ? newTester() : share(`${id} ${name}`, newTester);
};

/** Returns the text that is hashed for an attribute's value; undefined if the value cannot be hashed. */
export const toBucketingValue = (value: unknown): string | undefined => {
  if (typeof value === 'string') return value === '' ? undefined : value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined;
};

/** Returns the text of an attribute that a rule which buckets by it hashes; undefined if the context has none. */
export const unitOf = (context: unknown, attribute: string): string | undefined =>
  toBucketingValue(attributeReader(attribute)(attributesOf(context)));
