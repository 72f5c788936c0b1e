import type { AttributeCondition, Operator } from '@pennon/schema';

import {
  allOf,
  anyOf,
  ITEM,
  isOneOf,
  isPresent,
  MAX_VERSION_DIGITS,
  not,
  same,
  someItem,
  variable,
  type Logic,
  type RenderType,
} from './logic.ts';
import { Unsupported } from './unsupported.ts';

/** Returns the logic of a comparison, without its `not`. */
type Comparison = (condition: AttributeCondition, type: RenderType) => Logic;

/** A text with U+FFFD also equals texts that are not valid Unicode. */
const requirePlain = (text: string): string => {
  if (!text.isWellFormed() || text.includes('\uFFFD'))
    throw new Unsupported('it compares with a text that has U+FFFD or an unpaired surrogate');
  return text;
};

const textOf = ({ value }: AttributeCondition): string => requirePlain(String(value));

/** Returns a comparison that holds if any item passes: an attribute can be a list. */
const onItems =
  (test: (condition: AttributeCondition, type: RenderType) => Logic): Comparison =>
  (condition, type) =>
    someItem(variable(condition.attribute), test(condition, type));

const equality = onItems(({ value }) => {
  if (typeof value === 'string') return same(ITEM, requirePlain(value));
  return same(ITEM, value === true ? true : Number.isFinite(value) ? Number(value) : false);
});

/** Some of flagd's engines convert values before they look for them in a list, so the types are separate. */
const membership = onItems(({ value }, type) => {
  const values = Array.isArray(value) ? value : [];
  if (values.length === 0) return isOneOf(ITEM, []);
  const strings = values.filter(each => typeof each === 'string').map(requirePlain);
  const numbers = values.filter(each => typeof each === 'number');
  const booleans = values.filter(each => typeof each === 'boolean');
  return anyOf([
    ...(strings.length > 0 ? [allOf([type('isString'), isOneOf(ITEM, strings)])] : []),
    ...(numbers.length > 0 ? [isOneOf(ITEM, numbers)] : []),
    ...booleans.map(each => same(ITEM, each)),
  ]);
});

const onStrings = (test: (operand: string) => Logic) =>
  onItems((condition, type) => allOf([type('isString'), test(textOf(condition))]));

/** The engines of flagd count characters beyond the Basic Multilingual Plane as one or as two. */
const lengthOf = (text: string): number => {
  if (Array.from(text).length < text.length)
    throw new Unsupported('it compares the start or the end with a character above U+FFFF');
  return text.length;
};

const onNumbers = (operator: string) =>
  onItems(({ value }, type) => allOf([type('isNumber'), { [operator]: [ITEM, Number(value)] }]));

const LARGE_NUMBER = new RegExp(`[0-9]{${MAX_VERSION_DIGITS + 1}}`);

/** Whether a version is invalid for some of flagd's engines. */
export const hasLargeNumber = (version: string): boolean => LARGE_NUMBER.test(version);

/**
 * The first part makes a list of versions an error, because flagd's own operators compare no items of lists. A
 * value would be wrong.
 */
export const versionGuard = (attribute: Logic, type: RenderType): readonly Logic[] => [
  someItem(attribute, type('isVersion')),
  { '!==': [{ substr: [attribute, 0, 1] }, ''] },
];

const onVersions =
  (operator: string): Comparison =>
  ({ attribute, value }, type) => {
    const read = variable(attribute);
    const version = String(value);
    if (hasLargeNumber(version))
      throw new Unsupported(`it compares with a version that has a number above 15 digits`);
    return allOf([...versionGuard(read, type), { sem_ver: [read, operator, version] }]);
  };

const impossible =
  (operator: string): Comparison =>
  () => {
    throw new Unsupported(`flagd has nothing like the operator "${operator}"`);
  };

const negated =
  (comparison: Comparison): Comparison =>
  (condition, type) =>
    not(comparison(condition, type));

/** How flagd expresses each operator. TypeScript rejects a table that lacks one of the schema's. */
export const COMPARISONS = {
  equals: equality,
  notEquals: negated(equality),
  in: membership,
  notIn: negated(membership),
  contains: onStrings(operand => isOneOf(operand, ITEM)),
  startsWith: onStrings(operand => same({ substr: [ITEM, 0, lengthOf(operand)] }, operand)),
  endsWith: onStrings(operand => same({ substr: [ITEM, -lengthOf(operand)] }, operand)),
  greaterThan: onNumbers('>'),
  lessThan: onNumbers('<'),
  greaterOrEqual: onNumbers('>='),
  lessOrEqual: onNumbers('<='),
  exists: ({ attribute }) => isPresent(variable(attribute)),
  before: impossible('before'),
  after: impossible('after'),
  semverEquals: onVersions('='),
  semverGreaterThan: onVersions('>'),
  semverLessThan: onVersions('<'),
  semverGreaterOrEqual: onVersions('>='),
  semverLessOrEqual: onVersions('<='),
  inCidr: impossible('inCidr'),
  matches: impossible('matches'),
} as const satisfies Record<Operator, Comparison>;
