import type { Operator } from '@pennon/schema';

import { inNetworks, parseAddress, parseNetwork } from './cidr.ts';
import { parseInstant } from './dates.ts';
import { isList } from './json.ts';
import { compilePattern, type RegexEngine } from './re2-subset.ts';
import { compareTo, parseVersion } from './semver.ts';
import { describe } from './format.ts';
import { addText, addWork } from './work.ts';

/** A value that operators compare. Numbers are finite. */
export type Scalar = string | number | boolean;
export type ValueTest = (value: Scalar) => boolean;
export type InvalidOperand = { readonly problem: string };

export type OperatorEntry = {
  /** Runs once, at compile: parses the operand and returns the test that evaluations run. */
  readonly prepare: (
    operand: unknown,
    regexEngine: RegexEngine | undefined,
  ) => ValueTest | InvalidOperand;
  /** Whether the operator can compare the value; `expects` describes the values that it accepts. */
  readonly accepts: (value: Scalar) => boolean;
  readonly expects: string;
  /** The verb of an explanation if the test passes, and if it does not: `contains`, `does not contain`. */
  readonly verb: string;
  readonly negatedVerb: string;
  /** The condition holds if the test does not pass, and therefore also if the attribute is missing. */
  readonly isNegated?: true;
  /** Tests only that the attribute is present; lists and objects count too. */
  readonly testsPresence?: true;
  readonly isOperandOptional?: true;
  /** Needs regular expressions, which are loaded only if a flag uses them. */
  readonly needsPatterns?: true;
  /** With an empty list as operand, no attribute passes. */
  readonly neverPassesEmptyList?: true;
  /** The units of work that one item of a list takes; 4 by default. */
  readonly itemWork?: number;
};

/** The work of an item that must be parsed. */
const PARSED_ITEM_WORK = 300;
const ITEM_WORK = 4;

const invalid = (expected: string, operand: unknown): InvalidOperand => ({
  problem: `must be ${expected}, but is ${describe(operand)}`,
});

const isString = (value: unknown): value is string => typeof value === 'string';
const isNumber = (value: unknown): value is number =>
  typeof value === 'number' && Number.isFinite(value);
export const isScalar = (value: unknown): value is Scalar =>
  isString(value) || isNumber(value) || typeof value === 'boolean';

/** An unpaired surrogate counts as U+FFFD. */
const wellFormed = (value: Scalar): Scalar => (isString(value) ? value.toWellFormed() : value);

/** Ill-formed values must be repaired before the comparison only if the operand contains U+FFFD. */
const needsRepair = (operand: Scalar): boolean => isString(operand) && operand.includes('\uFFFD');

const equalTo = (operand: Scalar): ValueTest =>
  needsRepair(operand) ? value => wellFormed(value) === operand : value => value === operand;

const oneOf = (operands: readonly Scalar[]): ValueTest => {
  const set = new Set(operands);
  return operands.some(needsRepair) ? value => set.has(wellFormed(value)) : value => set.has(value);
};

const equality = {
  prepare: (operand: unknown) =>
    isScalar(operand)
      ? equalTo(wellFormed(operand))
      : invalid('a string, a finite number or a boolean', operand),
  accepts: () => true,
  expects: 'a string, a number or a boolean',
};

const membership = {
  prepare: (operand: unknown) =>
    isList(operand) && operand.every(isScalar)
      ? oneOf(operand.map(wellFormed))
      : invalid('a list of strings, finite numbers and booleans', operand),
  accepts: () => true,
  expects: 'a string, a number or a boolean',
};

/** A comparison of a text with the operand. `work` returns its units, for the lengths of both. */
type TextComparison = {
  readonly holds: (value: string, operand: string) => boolean;
  readonly work: (length: number, operandLength: number) => number;
};

/** A search reads a character up to six times. */
const searchWork = (length: number): number => length * 2;
const compareWork = (length: number, operandLength: number): number =>
  Math.min(length, operandLength) >>> 2;

const onStrings = ({ holds, work }: TextComparison) => ({
  prepare: (operand: unknown): ValueTest | InvalidOperand => {
    if (!isString(operand) || operand === '') return invalid('a string that is not empty', operand);
    const repaired = operand.toWellFormed();
    const isRepaired = needsRepair(repaired);
    return value => {
      if (!isString(value)) return false;
      addWork(work(value.length, repaired.length));
      return holds(isRepaired ? value.toWellFormed() : value, repaired);
    };
  },
  accepts: isString,
  expects: 'a string',
});

const onNumbers = (compare: (value: number, operand: number) => boolean) => ({
  prepare: (operand: unknown): ValueTest | InvalidOperand => {
    if (!isNumber(operand)) return invalid('a finite number', operand);
    return value => typeof value === 'number' && compare(value, operand);
  },
  accepts: isNumber,
  expects: 'a number',
});

const DATE = 'a date and time such as 2026-01-31T12:00:00Z';
const isDate = (value: unknown): value is string =>
  isString(value) && !Number.isNaN(parseInstant(value));

/** A value that is not a date parses to NaN, and every comparison with NaN is false. */
const onDates = (compare: (value: number, operand: number) => boolean) => ({
  prepare: (operand: unknown): ValueTest | InvalidOperand => {
    if (!isDate(operand)) return invalid(DATE, operand);
    const instant = parseInstant(operand);
    return value => isString(value) && compare(parseInstant(value), instant);
  },
  accepts: isDate,
  expects: DATE,
  itemWork: PARSED_ITEM_WORK,
});

const VERSION = 'a version such as 1.2.3 or 2.0.0-beta.1';
const versionOf = (value: unknown) => (isString(value) ? parseVersion(value) : undefined);

const onVersions = (holds: (order: number) => boolean) => ({
  prepare: (operand: unknown): ValueTest | InvalidOperand => {
    const required = versionOf(operand);
    if (required === undefined) return invalid(VERSION, operand);
    const compare = compareTo(required);
    // Every comparison with NaN is false.
    return value => isString(value) && holds(compare(value));
  },
  accepts: (value: Scalar) => versionOf(value) !== undefined,
  expects: VERSION,
  itemWork: PARSED_ITEM_WORK,
});

const ADDRESS = 'an IPv4 or IPv6 address';
const NETWORK = 'a network such as 10.0.0.0/8 or 2001:db8::/32, an address, or a list of them';
const addressOf = (value: unknown) => (isString(value) ? parseAddress(value) : undefined);
const networkOf = (value: unknown) => (isString(value) ? parseNetwork(value) : undefined);

const networks = {
  prepare: (operand: unknown): ValueTest | InvalidOperand => {
    const operands = isList(operand) ? operand : [operand];
    const parsed = operands.map(networkOf);
    const valid = parsed.filter(network => network !== undefined);
    if (valid.length < parsed.length) return invalid(NETWORK, operands[parsed.indexOf(undefined)]);
    const contain = inNetworks(valid);
    return value => {
      const address = addressOf(value);
      return address !== undefined && contain(address);
    };
  },
  accepts: (value: Scalar) => addressOf(value) !== undefined,
  expects: ADDRESS,
  itemWork: PARSED_ITEM_WORK,
  neverPassesEmptyList: true,
} as const;

const pattern = {
  prepare: (operand: unknown, regexEngine: RegexEngine | undefined): ValueTest | InvalidOperand => {
    if (!isString(operand)) return invalid('a pattern', operand);
    const search = compilePattern(operand, regexEngine);
    return typeof search === 'function' ? value => isString(value) && search(value) : search;
  },
  accepts: isString,
  expects: 'a string',
  needsPatterns: true,
} as const;

const presence = {
  prepare: (operand: unknown): ValueTest | InvalidOperand =>
    operand === undefined || operand === null || operand === true
      ? () => true
      : invalid('absent or true (for the opposite, use "not": true)', operand),
  accepts: () => true,
  expects: 'any value',
  testsPresence: true,
  isOperandOptional: true,
} as const;

const is = (relation: string) => ({ verb: `is ${relation}`, negatedVerb: `is not ${relation}` });

/** All operators. TypeScript rejects a table that lacks one of the schema's. */
export const OPERATORS = {
  equals: { ...equality, ...is('equal to') },
  notEquals: { ...equality, ...is('equal to'), isNegated: true },
  in: { ...membership, ...is('one of'), neverPassesEmptyList: true },
  notIn: { ...membership, ...is('one of'), isNegated: true },
  contains: {
    ...onStrings({ holds: (value, operand) => value.includes(operand), work: searchWork }),
    verb: 'contains',
    negatedVerb: 'does not contain',
  },
  startsWith: {
    ...onStrings({ holds: (value, operand) => value.startsWith(operand), work: compareWork }),
    verb: 'starts with',
    negatedVerb: 'does not start with',
  },
  endsWith: {
    ...onStrings({ holds: (value, operand) => value.endsWith(operand), work: compareWork }),
    verb: 'ends with',
    negatedVerb: 'does not end with',
  },
  greaterThan: { ...onNumbers((value, operand) => value > operand), ...is('greater than') },
  lessThan: { ...onNumbers((value, operand) => value < operand), ...is('less than') },
  greaterOrEqual: { ...onNumbers((value, operand) => value >= operand), ...is('at least') },
  lessOrEqual: { ...onNumbers((value, operand) => value <= operand), ...is('at most') },
  exists: { ...presence, verb: 'is present', negatedVerb: 'is missing' },
  before: { ...onDates((value, operand) => value < operand), ...is('before') },
  after: { ...onDates((value, operand) => value > operand), ...is('after') },
  semverEquals: { ...onVersions(order => order === 0), ...is('the same version as') },
  semverGreaterThan: { ...onVersions(order => order > 0), ...is('a version above') },
  semverLessThan: { ...onVersions(order => order < 0), ...is('a version below') },
  semverGreaterOrEqual: { ...onVersions(order => order >= 0), ...is('a version at or above') },
  semverLessOrEqual: { ...onVersions(order => order <= 0), ...is('a version at or below') },
  inCidr: { ...networks, ...is('in') },
  matches: { ...pattern, verb: 'matches', negatedVerb: 'does not match' },
} as const satisfies Record<Operator, OperatorEntry>;

const byName: ReadonlyMap<string, OperatorEntry> = new Map(Object.entries(OPERATORS));

export const OPERATOR_NAMES: readonly string[] = [...byName.keys()];

/** Undefined for names that are not operators, such as `constructor`. */
export const operatorOf = (name: unknown): OperatorEntry | undefined =>
  typeof name === 'string' ? byName.get(name) : undefined;

/** How operators differ, apart from what they compare. */
export type OperatorTraits = {
  /** Whether the condition holds if the attribute is missing. */
  readonly holdsIfMissing: boolean;
  readonly isOperandOptional: boolean;
  readonly needsPatterns: boolean;
  /** Whether the condition never holds if the operand is an empty list. */
  readonly neverHoldsForEmptyList: boolean;
};

/** Returns undefined for names that are not operators. */
export const operatorTraits = (name: string): OperatorTraits | undefined => {
  const entry = operatorOf(name);
  return (
    entry && {
      holdsIfMissing: entry.isNegated ?? false,
      isOperandOptional: entry.isOperandOptional ?? false,
      needsPatterns: entry.needsPatterns ?? false,
      neverHoldsForEmptyList: entry.neverPassesEmptyList ?? false,
    }
  );
};

const anyItemPasses = (
  items: readonly unknown[],
  test: ValueTest,
  { itemWork = ITEM_WORK }: OperatorEntry,
): boolean => {
  addWork(items.length * itemWork);
  return items.some(item => {
    if (isString(item)) addText(item);
    return isScalar(item) && test(item);
  });
};

/** Whether a scalar, or any scalar in a list, passes the test. Other values never do. */
export const anyPasses = (value: unknown, test: ValueTest, entry: OperatorEntry): boolean => {
  if (isString(value)) {
    addText(value);
    return test(value);
  }
  if (typeof value === 'object') return isList(value) && anyItemPasses(value, test, entry);
  return isScalar(value) && test(value);
};
