import type { Operator } from '@pennon/schema';

import { contains, parseAddress, parseNetwork, type Network } from './cidr.ts';
import { parseInstant } from './dates.ts';
import { isList } from './fields.ts';
import { search, type Patterns } from './re2-subset.ts';
import { compareVersions, parseVersion } from './semver.ts';
import { name } from './format.ts';

/** What conditions compare; numbers are finite. */
export type Scalar = string | number | boolean;
export type Test = (value: Scalar) => boolean;
export type Refused = { readonly refused: string };

/** One operator: `prepare` does at compile what can be done there, and what it returns runs hot. */
export type OperatorEntry = {
  readonly prepare: (operand: unknown, patterns: Patterns | undefined) => Test | Refused;
  /** Whether an attribute value can be compared at all; where not, `wants` says what is wanted. */
  readonly takes: (value: Scalar) => boolean;
  readonly wants: string;
  /** What an attribute is said to do where the test holds, and where it does not. */
  readonly does: string;
  readonly doesNot: string;
  /** Holds exactly where the test does not, a missing attribute included. */
  readonly opposite?: true;
  /** Asks only whether there is an attribute at all, a list or an object included. */
  readonly presence?: true;
};

const refuse = (wanted: string, operand: unknown): Refused => ({
  refused: `must be ${wanted}, and is ${name(operand)}`,
});

const isText = (value: unknown): value is string => typeof value === 'string';
const isNumber = (value: unknown): value is number =>
  typeof value === 'number' && Number.isFinite(value);
export const isScalar = (value: unknown): value is Scalar =>
  isText(value) || isNumber(value) || typeof value === 'boolean';

/** An unpaired surrogate counts as U+FFFD. */
const wellFormed = (value: Scalar): Scalar => (isText(value) ? value.toWellFormed() : value);

/** Only an operand with U+FFFD in it can tell an ill-formed text from the same text repaired. */
const isTolerant = (operand: Scalar): boolean => isText(operand) && operand.includes('\uFFFD');

const equalTo = (operand: Scalar): Test =>
  isTolerant(operand) ? value => wellFormed(value) === operand : value => value === operand;

const oneOf = (operands: readonly Scalar[]): Test => {
  const wanted = new Set(operands);
  return operands.some(isTolerant)
    ? value => wanted.has(wellFormed(value))
    : value => wanted.has(value);
};

const equality = {
  prepare: (operand: unknown) =>
    isScalar(operand)
      ? equalTo(wellFormed(operand))
      : refuse('a string, a finite number or a boolean', operand),
  takes: () => true,
  wants: 'a string, a number or a boolean',
};

const membership = {
  prepare: (operand: unknown) =>
    isList(operand) && operand.every(isScalar)
      ? oneOf(operand.map(wellFormed))
      : refuse('a list of strings, finite numbers and booleans', operand),
  takes: () => true,
  wants: 'a string, a number or a boolean',
};

/** Operators on text. A well-formed operand without U+FFFD is found in ill-formed text as it is. */
const onText = (finds: (text: string, operand: string) => boolean) => ({
  prepare: (operand: unknown): Test | Refused => {
    if (!isText(operand) || operand === '') return refuse('a text that is not empty', operand);
    const wanted = operand.toWellFormed();
    return isTolerant(wanted)
      ? value => isText(value) && finds(value.toWellFormed(), wanted)
      : value => isText(value) && finds(value, wanted);
  },
  takes: isText,
  wants: 'a text',
});

const onNumbers = (prepared: (operand: number) => (value: number) => boolean) => ({
  prepare: (operand: unknown): Test | Refused => {
    if (!isNumber(operand)) return refuse('a finite number', operand);
    const compare = prepared(operand);
    return value => typeof value === 'number' && compare(value);
  },
  takes: isNumber,
  wants: 'a number',
});

const DATE = 'a date and time such as 2026-01-31T12:00:00Z';
const isDate = (value: unknown): value is string =>
  isText(value) && !Number.isNaN(parseInstant(value));

/** NaN, which a text that is no date reads as, compares false with everything. */
const onDates = (compare: (value: number, operand: number) => boolean) => ({
  prepare: (operand: unknown): Test | Refused => {
    if (!isDate(operand)) return refuse(DATE, operand);
    const wanted = parseInstant(operand);
    return value => isText(value) && compare(parseInstant(value), wanted);
  },
  takes: isDate,
  wants: DATE,
});

const VERSION = 'a version such as 1.2.3 or 2.0.0-beta.1';
const versionOf = (value: unknown) => (isText(value) ? parseVersion(value) : undefined);

const onVersions = (holds: (order: number) => boolean) => ({
  prepare: (operand: unknown): Test | Refused => {
    const wanted = versionOf(operand);
    if (wanted === undefined) return refuse(VERSION, operand);
    return value => {
      const version = versionOf(value);
      return version !== undefined && holds(compareVersions(version, wanted));
    };
  },
  takes: (value: Scalar) => versionOf(value) !== undefined,
  wants: VERSION,
});

const ADDRESS = 'an IPv4 or IPv6 address';
const NETWORK = 'a network such as 10.0.0.0/8 or 2001:db8::/32, an address, or a list of them';
const addressOf = (value: unknown) => (isText(value) ? parseAddress(value) : undefined);
const networkOf = (value: unknown) => (isText(value) ? parseNetwork(value) : undefined);

const inNetworks =
  (networks: readonly Network[]): Test =>
  value => {
    const address = addressOf(value);
    return address !== undefined && networks.some(network => contains(network, address));
  };

const networks = {
  prepare: (operand: unknown): Test | Refused => {
    const written = isList(operand) ? operand : [operand];
    const read = written.map(networkOf);
    const known = read.filter(network => network !== undefined);
    if (known.length === read.length) return inNetworks(known);
    return refuse(NETWORK, isList(operand) ? written[read.indexOf(undefined)] : operand);
  },
  takes: (value: Scalar) => addressOf(value) !== undefined,
  wants: ADDRESS,
};

const pattern = {
  prepare: (operand: unknown, patterns: Patterns | undefined): Test | Refused => {
    if (!isText(operand)) return refuse('a pattern', operand);
    const finds = search(operand, patterns);
    return typeof finds === 'function' ? value => isText(value) && finds(value) : finds;
  },
  takes: isText,
  wants: 'a text',
};

const presence = {
  prepare: (operand: unknown): Test | Refused =>
    operand === undefined || operand === null || operand === true
      ? () => true
      : refuse('left out (for the opposite, use "not": true)', operand),
  takes: () => true,
  wants: 'any value',
  presence: true,
} as const;

const is = (does: string) => ({ does: `is ${does}`, doesNot: `is not ${does}` });

/** Every operator. One that is missing here does not compile. */
export const OPERATORS = {
  equals: { ...equality, ...is('equal to') },
  notEquals: { ...equality, ...is('equal to'), opposite: true },
  in: { ...membership, ...is('one of') },
  notIn: { ...membership, ...is('one of'), opposite: true },
  contains: {
    ...onText((text, operand) => text.includes(operand)),
    does: 'contains',
    doesNot: 'does not contain',
  },
  startsWith: {
    ...onText((text, operand) => text.startsWith(operand)),
    does: 'starts with',
    doesNot: 'does not start with',
  },
  endsWith: {
    ...onText((text, operand) => text.endsWith(operand)),
    does: 'ends with',
    doesNot: 'does not end with',
  },
  greaterThan: { ...onNumbers(operand => value => value > operand), ...is('greater than') },
  lessThan: { ...onNumbers(operand => value => value < operand), ...is('less than') },
  greaterOrEqual: { ...onNumbers(operand => value => value >= operand), ...is('at least') },
  lessOrEqual: { ...onNumbers(operand => value => value <= operand), ...is('at most') },
  exists: { ...presence, does: 'is present', doesNot: 'is missing' },
  before: { ...onDates((value, operand) => value < operand), ...is('before') },
  after: { ...onDates((value, operand) => value > operand), ...is('after') },
  semverEquals: { ...onVersions(order => order === 0), ...is('the same version as') },
  semverGreaterThan: { ...onVersions(order => order > 0), ...is('a version above') },
  semverLessThan: { ...onVersions(order => order < 0), ...is('a version below') },
  semverGreaterOrEqual: { ...onVersions(order => order >= 0), ...is('a version at or above') },
  semverLessOrEqual: { ...onVersions(order => order <= 0), ...is('a version at or below') },
  inCidr: { ...networks, ...is('in') },
  matches: { ...pattern, does: 'matches', doesNot: 'does not match' },
} as const satisfies Record<Operator, OperatorEntry>;

const byName: ReadonlyMap<string, OperatorEntry> = new Map(Object.entries(OPERATORS));

export const OPERATOR_NAMES: readonly string[] = [...byName.keys()];

/** The operator of that name; `constructor` is none. */
export const operatorOf = (operator: string): OperatorEntry | undefined => byName.get(operator);

/** Whether a scalar, or any scalar of a list, passes the test. Nothing else passes any. */
export const anyPasses = (value: unknown, test: Test): boolean => {
  if (typeof value === 'object')
    return isList(value) && value.some(item => isScalar(item) && test(item));
  return isScalar(value) && test(value);
};
