import { parseVersion } from '@pennon/engine';
import { isScalar, type Operator, type Scalar } from '@pennon/schema';

import { FLAG_PREFIX } from './conditions.ts';
import { referenceOf } from './expand.ts';
import { ITEM, ITEM_TYPES, spellOut, variable, type Logic } from './logic.ts';
import { hasLargeNumber, versionGuard } from './operators.ts';
import {
  equalLogic,
  operandsOf,
  operationOf,
  readAttribute,
  readName,
  refuse,
  requireOperands,
  scalarsOf,
  type Operation,
} from './read-logic.ts';
import { SEGMENT_PREFIX } from './references.ts';

/** A condition that no schema has checked yet. */
export type ConditionDraft = (
  | { readonly attribute: string; readonly operator: Operator; readonly value?: Logic }
  | { readonly segment: string }
  | { readonly flag: string; readonly variants: readonly string[] }
  | { readonly any: readonly ConditionDraft[] }
  | { readonly all: readonly ConditionDraft[] }
) & { readonly not?: boolean };

/** A comparison with an attribute that is still to be named. */
type Test = { readonly operator: Operator; readonly value?: Logic; readonly not?: boolean };

const MISSING: Test = { operator: 'exists', not: true };

const compare = (attribute: string, test: Test): ConditionDraft => ({ attribute, ...test });

export const inverted = (condition: ConditionDraft): ConditionDraft => ({
  ...condition,
  not: condition.not !== true,
});

export const joinAll = (conditions: readonly ConditionDraft[]): ConditionDraft | undefined => {
  const [only] = conditions;
  return conditions.length <= 1 ? only : { all: conditions };
};

/** Reads a condition as a list of which all must hold; undefined if it never holds. */
export type ReadConditions = (logic: Logic) => ConditionDraft[] | undefined;

const ORDER = {
  '>': { name: 'greaterThan', holdsForZero: (operand: number) => operand < 0 },
  '>=': { name: 'greaterOrEqual', holdsForZero: (operand: number) => operand <= 0 },
  '<': { name: 'lessThan', holdsForZero: (operand: number) => operand > 0 },
  '<=': { name: 'lessOrEqual', holdsForZero: (operand: number) => operand >= 0 },
} as const;
const SWAPPED = { '>': '<', '>=': '<=', '<': '>', '<=': '>=' } as const;
type Comparator = keyof typeof ORDER;
const isComparator = (operator: string): operator is Comparator => Object.hasOwn(ORDER, operator);

/** `==` of 0 or false and an attribute that is missing holds in flagd's engine for JavaScript, but not in Go. */
const requireSameInEngines = ({ operator, operands }: Operation): void => {
  if (operands.some(each => each === 0 || each === false))
    refuse(
      { [operator]: operands },
      `must compare 0 and false by "${operator}=", because the engines of flagd differ if the attribute is missing`,
    );
};

/** Returns what `subject` is compared with, on the other side; undefined if it is on none. */
const operandOf = ([left, right]: readonly Logic[], subject: Logic): Logic | undefined => {
  if (equalLogic(left, subject)) return right;
  return equalLogic(right, subject) ? left : undefined;
};

type OrderTest = { readonly test: Test; readonly holdsForZero: boolean };

const orderTest = (operator: Comparator, operands: readonly Logic[], subject: Logic): OrderTest => {
  const operand = operandOf(operands, subject);
  if (typeof operand !== 'number')
    return refuse({ [operator]: operands }, 'must compare only numbers by order');
  const { name, holdsForZero } =
    ORDER[equalLogic(operands[0], subject) ? operator : SWAPPED[operator]];
  return { test: { operator: name, value: operand }, holdsForZero: holdsForZero(operand) };
};

/** flagd compares 0 if the attribute is missing. */
const orderCondition = (
  attribute: string,
  operator: Comparator,
  operands: readonly Logic[],
): ConditionDraft => {
  const { test, holdsForZero } = orderTest(operator, operands, variable(attribute));
  const comparison = compare(attribute, test);
  return holdsForZero ? { any: [comparison, compare(attribute, MISSING)] } : comparison;
};

const equalityTest = (operands: readonly Logic[], subject: Logic): Test => {
  const operand = operandOf(operands, subject);
  // A list with null is not a missing attribute.
  if (operand === null && subject !== ITEM) return MISSING;
  return isScalar(operand)
    ? { operator: 'equals', value: operand }
    : refuse({ '==': operands }, 'must compare an attribute with a constant');
};

const membershipTest = (operands: readonly Logic[], subject: Logic): Test => {
  const [part, whole] = operands;
  const values = scalarsOf(whole);
  if (equalLogic(part, subject) && values !== undefined) return { operator: 'in', value: values };
  if (!equalLogic(whole, subject) || !isScalar(part)) return refuse({ in: operands });
  if (typeof part !== 'string') return { operator: 'equals', value: part };
  return { operator: 'contains', value: part };
};

/** `substr` with the length of the text is how the start and the end of items are compared. */
const sliceTest = ([left, text]: readonly Logic[], subject: Logic): Test | undefined => {
  const [read, start, length] = operandsOf(left, 'substr') ?? [];
  if (typeof text !== 'string' || !equalLogic(read, subject)) return undefined;
  if (start === 0 && length === text.length) return { operator: 'startsWith', value: text };
  if (start === -text.length && length === undefined) return { operator: 'endsWith', value: text };
  return undefined;
};

const TEXT_OPERATORS = { starts_with: 'startsWith', ends_with: 'endsWith' } as const;

const textTest = (operator: keyof typeof TEXT_OPERATORS, operands: readonly Logic[]): Test =>
  typeof operands[1] === 'string'
    ? { operator: TEXT_OPERATORS[operator], value: operands[1] }
    : refuse({ [operator]: operands }, 'must compare a text with a constant');

const GUARDS: readonly Logic[] = [ITEM_TYPES.isString, ITEM_TYPES.isNumber];

/** Reads the test of an item. Tests of its type are left out, because Pennon's operators include them. */
const itemTest = (logic: Logic): readonly Test[] => {
  const operation = operationOf(logic) ?? refuse(logic);
  requireOperands(operation);
  const { operator, operands } = operation;
  if (operator === 'or') return operands.flatMap(itemTest);
  if (operator === 'and') {
    const [test, ...others] = operands.filter(
      each => !GUARDS.some(guard => equalLogic(each, guard)),
    );
    return test === undefined || others.length > 0 ? refuse(logic) : itemTest(test);
  }
  if (operator === '===' || operator === '==')
    return [sliceTest(operands, ITEM) ?? equalityTest(operands, ITEM)];
  if (operator === 'in') return [membershipTest(operands, ITEM)];
  return isComparator(operator) && operands.length === 2
    ? [orderTest(operator, operands, ITEM).test]
    : refuse(logic);
};

const valuesOf = ({ operator, value }: Test): readonly Scalar[] | undefined => {
  if (operator === 'in') return scalarsOf(value);
  return operator === 'equals' && isScalar(value) ? [value] : undefined;
};

/** `merge` of one attribute makes a value that is not a list a list. */
const readListName = (list: Logic | undefined): string | undefined => {
  const [merged, ...others] = operandsOf(list, 'merge') ?? [list];
  return others.length === 0 ? readAttribute(merged) : undefined;
};

/** Reads a test of some item of an attribute, which is how Pennon compares. */
const someCondition = (operands: readonly Logic[]): ConditionDraft => {
  const [list, test = null] = operands;
  const attribute = readListName(list);
  if (attribute === undefined) return refuse({ some: operands });
  const tests = itemTest(test);
  const [first] = tests;
  if (tests.length === 1 && first !== undefined) return compare(attribute, first);
  const values = tests.map(valuesOf);
  return values.every(each => each !== undefined)
    ? compare(attribute, { operator: 'in', value: values.flat() })
    : { any: tests.map(each => compare(attribute, each)) };
};

const VERSION_OPERATORS: Readonly<Record<string, Operator>> = {
  '=': 'semverEquals',
  '>': 'semverGreaterThan',
  '<': 'semverLessThan',
  '>=': 'semverGreaterOrEqual',
  '<=': 'semverLessOrEqual',
};
/** The lowest version of all. */
const LOWEST = '0.0.0-0';

const next = (digits: string): string => String(Number(digits) + 1);

/** The versions from `first` up to, but without, `end`. */
const between = (attribute: string, first: string, end: string): ConditionDraft[] => [
  compare(attribute, { operator: 'semverGreaterOrEqual', value: first }),
  compare(attribute, { operator: 'semverLessThan', value: end }),
];

const versionConditions = (operands: readonly Logic[]): ConditionDraft[] => {
  const [read, operator, value] = operands;
  const attribute = readAttribute(read);
  const text = typeof value === 'string' && !hasLargeNumber(value) ? value : '';
  const version = parseVersion(text);
  if (attribute === undefined || typeof operator !== 'string' || version === undefined)
    return refuse({ sem_ver: operands }, 'must compare a version with a complete one');
  const [major, minor] = version.numbers;
  const known = VERSION_OPERATORS[operator];
  if (known !== undefined) return [compare(attribute, { operator: known, value: text })];
  if (operator === '^') return between(attribute, `${major}.0.0-0`, `${next(major)}.0.0-0`);
  if (operator === '~')
    return between(attribute, `${major}.${minor}.0-0`, `${major}.${next(minor)}.0-0`);
  if (operator !== '!=') return refuse({ sem_ver: operands });
  return [
    compare(attribute, { operator: 'semverGreaterOrEqual', value: LOWEST }),
    compare(attribute, { operator: 'semverEquals', value: text, not: true }),
  ];
};

/** Removes what the export adds to a comparison of versions. */
const withoutVersionGuards = (operands: readonly Logic[]): readonly Logic[] => {
  const guards = operands.flatMap(each => {
    const [read] = operandsOf(each, 'sem_ver') ?? [];
    const attribute = readName(read);
    return attribute === undefined ? [] : versionGuard(variable(attribute), spellOut);
  });
  return operands.filter(each => !guards.some(guard => equalLogic(each, guard)));
};

const flagCondition = ([name, test]: readonly Logic[]): ConditionDraft | undefined => {
  if (typeof name !== 'string' || !name.startsWith(FLAG_PREFIX)) return undefined;
  const variants = scalarsOf(operandsOf(test, 'in')?.[1])?.filter(each => typeof each === 'string');
  return variants && { flag: name.slice(FLAG_PREFIX.length), variants };
};

const readAnd = (operands: readonly Logic[]): ConditionDraft[] | undefined => {
  const flag = flagCondition(operands);
  if (flag !== undefined) return [flag];
  const all = withoutVersionGuards(operands).map(readConditions);
  return all.every(each => each !== undefined) ? all.flat() : undefined;
};

const readOr = (operands: readonly Logic[]): ConditionDraft[] | undefined => {
  const any = operands.map(readConditions).filter(each => each !== undefined);
  if (any.length === 0) return undefined;
  const joined = any.map(joinAll);
  const possible = joined.filter(each => each !== undefined);
  return possible.length < joined.length ? [] : [onlyOrAny(possible)];
};

const onlyOrAny = (conditions: ConditionDraft[]): ConditionDraft => {
  const [only] = conditions;
  return only !== undefined && conditions.length === 1 ? only : { any: conditions };
};

const readNot = (logic: Logic): ConditionDraft[] | undefined => {
  const conditions = readConditions(logic);
  if (conditions === undefined) return [];
  const joined = joinAll(conditions);
  return joined === undefined ? undefined : [inverted(joined)];
};

/** `<` with three operands, of which the one in the middle is compared with both others. */
const readBetween = (
  operator: Comparator,
  [low, read, high]: readonly Logic[],
): ConditionDraft[] => {
  const first = readComparison({ operator, operands: [low ?? null, read ?? null] });
  return [first, readComparison({ operator, operands: [read ?? null, high ?? null] })];
};

const readComparison = (operation: Operation): ConditionDraft => {
  const { operator, operands } = operation;
  const logic = { [operator]: operands };
  const attribute = operands.map(readAttribute).find(name => name !== undefined);
  if (attribute === undefined) return refuse(logic);
  const subject = variable(attribute);
  if (operator === '==' || operator === '!=') requireSameInEngines(operation);
  if (operator === '===' || operator === '==')
    return compare(attribute, equalityTest(operands, subject));
  if (operator === '!==' || operator === '!=')
    return inverted(compare(attribute, equalityTest(operands, subject)));
  if (operator === 'in') return compare(attribute, membershipTest(operands, subject));
  if (operator === 'starts_with' || operator === 'ends_with')
    return compare(attribute, textTest(operator, operands));
  return isComparator(operator) ? orderCondition(attribute, operator, operands) : refuse(logic);
};

const segmentOf = (logic: Logic): ConditionDraft | undefined => {
  const name = referenceOf(logic);
  return name === undefined ? undefined : { segment: name.slice(SEGMENT_PREFIX.length) };
};

/** Reads the condition of a rule, in which all evaluators but segments are inserted. */
export const readConditions: ReadConditions = logic => {
  if (typeof logic === 'boolean') return logic ? [] : undefined;
  const segment = segmentOf(logic);
  if (segment !== undefined) return [segment];
  if (readName(logic) !== undefined)
    return refuse(logic, 'must compare an attribute with a value, such as true');
  const operation = operationOf(logic) ?? refuse(logic, 'is not a condition');
  requireOperands(operation);
  const { operator, operands } = operation;
  if (operator === 'and') return readAnd(operands);
  if (operator === 'or') return readOr(operands);
  if (operator === '!') return readNot(operands[0] ?? null);
  if (operator === '!!') return readConditions(operands[0] ?? null);
  if (operator === 'some') return [someCondition(operands)];
  if (operator === 'none') return [inverted(someCondition(operands))];
  if (operator === 'sem_ver') return versionConditions(operands);
  if (isComparator(operator) && operands.length === 3) return readBetween(operator, operands);
  return [readComparison(operation)];
};
