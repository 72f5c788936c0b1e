import { z } from 'zod';

import { isJsonObject, scalar, Scalar } from './json.ts';
import { LIMITS } from './limits.ts';
import { strictObject } from './strict-object.ts';
import { didYouMean, oneOfMessage } from './suggest.ts';
import { expected, fits, Key, Name, text } from './text.ts';

/** Operators by the type of their operand. The engine's table does not compile if one is missing. */
export const OPERATORS = {
  scalar: ['equals', 'notEquals'],
  list: ['in', 'notIn'],
  string: ['contains', 'startsWith', 'endsWith'],
  number: ['greaterThan', 'lessThan', 'greaterOrEqual', 'lessOrEqual'],
  none: ['exists'],
  date: ['before', 'after'],
  semver: [
    'semverEquals',
    'semverGreaterThan',
    'semverLessThan',
    'semverGreaterOrEqual',
    'semverLessOrEqual',
  ],
  network: ['inCidr'],
  pattern: ['matches'],
} as const;
export type Operator = (typeof OPERATORS)[keyof typeof OPERATORS][number];
const OPERATOR_NAMES = Object.values(OPERATORS).flat();

/** Operators by the names that they have elsewhere. */
const OPERATOR_SYNONYMS = {
  '=': 'equals',
  '==': 'equals',
  '===': 'equals',
  eq: 'equals',
  is: 'equals',
  '!=': 'notEquals',
  '!==': 'notEquals',
  ne: 'notEquals',
  neq: 'notEquals',
  isnot: 'notEquals',
  oneof: 'in',
  isoneof: 'in',
  isnotoneof: 'notIn',
  includes: 'contains',
  notcontains: '"contains" with "not": true',
  doesnotcontain: '"contains" with "not": true',
  prefix: 'startsWith',
  suffix: 'endsWith',
  '>': 'greaterThan',
  gt: 'greaterThan',
  '>=': 'greaterOrEqual',
  ge: 'greaterOrEqual',
  gte: 'greaterOrEqual',
  greaterthanorequal: 'greaterOrEqual',
  '<': 'lessThan',
  lt: 'lessThan',
  '<=': 'lessOrEqual',
  le: 'lessOrEqual',
  lte: 'lessOrEqual',
  lessthanorequal: 'lessOrEqual',
  isset: 'exists',
  present: 'exists',
  notexists: '"exists" with "not": true',
  cidr: 'inCidr',
  regex: 'matches',
  regexp: 'matches',
};

export const Operator = z.enum(OPERATOR_NAMES, {
  error: ({ input }) => oneOfMessage(OPERATOR_NAMES, input, OPERATOR_SYNONYMS),
});

const tooManyValues = `must be a list of at most ${LIMITS.listValues} values`;
const listOf = <Item extends z.ZodType>(item: Item) =>
  z.array(item).max(LIMITS.listValues, tooManyValues);

const Operand = Scalar.refine(...fits(LIMITS.valueBytes));
/** The operators that compare with a list have other names. */
const SingleOperand = scalar(value =>
  Array.isArray(value)
    ? 'must be one value, not a list: use the operator "in" or "notIn" for a list'
    : undefined,
).refine(...fits(LIMITS.valueBytes));
const operandText = (what = 'a string') =>
  z
    .string({ error: ({ input }) => expected(`must be ${what}`, input) })
    .refine(...fits(LIMITS.valueBytes));
const OperandText = operandText();
const Presence = z.literal(true, {
  error: 'must be true or absent; for the opposite, add "not": true to the condition',
});
const Network = z.union([OperandText, listOf(OperandText)], {
  error: 'must be a network such as "10.0.0.0/8", or a list of networks',
});

/** The name of an attribute of the evaluation context. */
export const Attribute = text(1, LIMITS.attributeLength).describe(
  'Attribute of the evaluation context: its exact name, otherwise a dotted path.',
);
const not = z.boolean().nullish().describe('If true, inverts the condition.');

/** `id` names this kind of comparison in the JSON Schema and the OpenAPI document. */
const comparison = <const Names extends readonly string[], Operand extends z.ZodType>(
  id: string,
  operators: Names,
  value: Operand,
) => strictObject({ attribute: Attribute, operator: z.enum(operators), value, not }).meta({ id });

/** Kinds of conditions by the names that they have elsewhere. */
const KIND_SYNONYMS = { and: 'all', or: 'any', property: 'attribute', field: 'attribute' };

/** Returns the message for a condition of an unknown kind. Suggests a kind if a field is similar to it. */
const exactlyOneOf =
  (kinds: readonly string[]) =>
  ({ input }: { input?: unknown }): string => {
    const expectation = `must have exactly one of ${kinds.map(kind => `"${kind}"`).join(', ')}`;
    if (!isJsonObject(input) || kinds.some(kind => Object.hasOwn(input, kind))) return expectation;
    if (isJsonObject(input['not'])) return `${expectation}; add "not": true to that condition`;
    const suggestions = Object.keys(input).map(name => didYouMean(name, kinds, KIND_SYNONYMS));
    return expectation + (suggestions.find(suggestion => suggestion !== '') ?? '');
  };

/** Without `attribute` either, this is probably a condition of another kind: see `describeIssues`. */
export const NOT_A_COMPARISON = 'must have an "attribute" and an "operator"';

const unknownOperator = ({ input }: { input?: unknown }): string =>
  isJsonObject(input) && Object.hasOwn(input, 'attribute')
    ? oneOfMessage(OPERATOR_NAMES, input['operator'], OPERATOR_SYNONYMS)
    : NOT_A_COMPARISON;

/** Compares one attribute with an operand. The operator determines the type of the operand. */
export const AttributeCondition = z
  .discriminatedUnion(
    'operator',
    [
      comparison('ScalarCondition', OPERATORS.scalar, SingleOperand),
      comparison('ListCondition', OPERATORS.list, listOf(Operand)),
      comparison('StringCondition', OPERATORS.string, OperandText.min(1, 'must not be empty')),
      comparison('NumberCondition', OPERATORS.number, z.number()),
      comparison('PresenceCondition', OPERATORS.none, Presence.nullish()),
      comparison(
        'DateCondition',
        OPERATORS.date,
        operandText('a date and time such as "2026-01-31T12:00:00Z"'),
      ),
      comparison(
        'VersionCondition',
        OPERATORS.semver,
        text(1, LIMITS.versionLength, 'a version such as "1.2.3"'),
      ),
      comparison('NetworkCondition', OPERATORS.network, Network),
      comparison(
        'PatternCondition',
        OPERATORS.pattern,
        text(0, LIMITS.patternLength, 'a regular expression in a string'),
      ),
    ],
    { error: unknownOperator },
  )
  .meta({ id: 'AttributeCondition' });
export type AttributeCondition = z.infer<typeof AttributeCondition>;

/** Holds if all conditions of the named segment hold. */
export const SegmentCondition = strictObject({ segment: Key, not }).meta({
  id: 'SegmentCondition',
  description: 'Holds if all conditions of the named segment hold.',
});
export type SegmentCondition = z.infer<typeof SegmentCondition>;

/** Holds if another flag of the same set evaluates to one of these variants. */
export const FlagCondition = strictObject({
  flag: Key,
  variants: z
    .array(Name)
    .min(1, 'must name at least one variant')
    .max(LIMITS.variants, `must name at most ${LIMITS.variants} variants`),
  not,
}).meta({
  id: 'FlagCondition',
  description: 'Holds if another flag evaluates to one of these variants.',
});
export type FlagCondition = z.infer<typeof FlagCondition>;

/** Holds if at least one member holds. */
interface Any<Member> {
  any: Member[];
  not?: boolean | null | undefined;
}

/** Holds if all members hold. */
interface All<Member> {
  all: Member[];
  not?: boolean | null | undefined;
}

/** The fields of each kind of condition. A condition has exactly one field named after a kind. */
export const CONDITION_FIELDS = {
  attribute: Object.keys(AttributeCondition.options[0].shape),
  segment: Object.keys(SegmentCondition.shape),
  flag: Object.keys(FlagCondition.shape),
  any: ['any', 'not'],
  all: ['all', 'not'],
};

const tooMany = `must have at most ${LIMITS.conditionsPerRule} conditions, including those in groups`;

const membersOf = <Member extends z.ZodType>(member: Member) =>
  z.array(member).min(1, 'must have at least one condition').max(LIMITS.conditionsPerRule, tooMany);

export type Condition =
  AttributeCondition | SegmentCondition | FlagCondition | Any<Condition> | All<Condition>;

/** One condition of a rule. The engine, not this schema, limits the depth of groups to five. */
export const Condition: z.ZodType<Condition, Condition> = z
  .union(
    [
      AttributeCondition,
      SegmentCondition,
      FlagCondition,
      strictObject({
        get any() {
          return membersOf(Condition);
        },
        not,
      }).meta({ id: 'AnyCondition' }),
      strictObject({
        get all() {
          return membersOf(Condition);
        },
        not,
      }).meta({ id: 'AllCondition' }),
    ],
    { error: exactlyOneOf(Object.keys(CONDITION_FIELDS)) },
  )
  .meta({ id: 'Condition' });

export type SegmentMember = AttributeCondition | Any<SegmentMember> | All<SegmentMember>;

/** One condition of a segment. Segments cannot refer to flags or to other segments. */
export const SegmentMember: z.ZodType<SegmentMember, SegmentMember> = z
  .union(
    [
      AttributeCondition,
      strictObject({
        get any() {
          return membersOf(SegmentMember);
        },
        not,
      }).meta({ id: 'SegmentAnyCondition' }),
      strictObject({
        get all() {
          return membersOf(SegmentMember);
        },
        not,
      }).meta({ id: 'SegmentAllCondition' }),
    ],
    { error: exactlyOneOf(['attribute', 'any', 'all']) },
  )
  .meta({ id: 'SegmentMember' });

/** Counts the conditions at all depths. Groups themselves do not count. */
const count = (conditions: readonly Condition[]): number =>
  conditions.reduce((sum, condition) => {
    if ('any' in condition) return sum + count(condition.any);
    return sum + ('all' in condition ? count(condition.all) : 1);
  }, 0);

/** Checks `max` first, so zod skips the elements of a list that is too long. */
const bounded = <Member extends Condition>(member: z.ZodType<Member, Member>) =>
  z
    .array(member)
    .max(LIMITS.conditionsPerRule, tooMany)
    .refine(conditions => count(conditions) <= LIMITS.conditionsPerRule, tooMany);

/** The conditions of a rule, which holds if all of them hold. An empty list always holds. */
export const Conditions = bounded(Condition);

/** The conditions of a segment, which holds if all of them hold. */
export const SegmentConditions = bounded(SegmentMember).min(1, 'must have at least one condition');
