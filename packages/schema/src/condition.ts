import { z } from 'zod';

import { acceptEarly, dispatch, listFewProblems, refuseEarly } from './early.ts';
import { isJsonObject, isScalar, scalar, Scalar } from './json.ts';
import { LIMITS } from './limits.ts';
import { strictObject } from './strict-object.ts';
import { didYouMean, oneOfMessage } from './suggest.ts';
import { expected, fits, Key, Name, surelyFits, text } from './text.ts';

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
/** Also visits the holes of a list, which `every` skips. */
const allOf = (list: readonly unknown[], holds: (value: unknown) => boolean): boolean => {
  for (const value of list) if (!holds(value)) return false;
  return true;
};
const listOf = <Item extends z.ZodType>(item: Item, isItem: (value: unknown) => boolean) =>
  acceptEarly(
    z.array(item).max(LIMITS.listValues, tooManyValues),
    input =>
      Array.isArray(input) &&
      input.length <= LIMITS.listValues &&
      allOf(input, value => isItem(value) && surelyFits(value, LIMITS.valueBytes)),
  );
const isText = (value: unknown): boolean => typeof value === 'string';

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
const Network = z.union([OperandText, listOf(OperandText, isText)], {
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
      comparison('ListCondition', OPERATORS.list, listOf(Operand, isScalar)),
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

/** Returns a function that finds the option of a union by the name of its field. */
const optionFor =
  (options: Readonly<Record<string, z.ZodType>>) =>
  (input: unknown): z.ZodType | undefined => {
    if (!isJsonObject(input)) return undefined;
    for (const [name, option] of Object.entries(options))
      if (Object.hasOwn(input, name)) return option;
    return undefined;
  };

const CONDITIONS = {
  attribute: AttributeCondition,
  segment: SegmentCondition,
  flag: FlagCondition,
  any: strictObject({
    get any() {
      return membersOf(Condition);
    },
    not,
  }).meta({ id: 'AnyCondition' }),
  all: strictObject({
    get all() {
      return membersOf(Condition);
    },
    not,
  }).meta({ id: 'AllCondition' }),
};

/** One condition of a rule. The engine, not this schema, limits the depth of groups to five. */
export const Condition: z.ZodType<Condition, Condition> = dispatch(
  z
    .union(
      [CONDITIONS.attribute, CONDITIONS.segment, CONDITIONS.flag, CONDITIONS.any, CONDITIONS.all],
      { error: exactlyOneOf(Object.keys(CONDITION_FIELDS)) },
    )
    .meta({ id: 'Condition' }),
  optionFor(CONDITIONS),
);

export type SegmentMember = AttributeCondition | Any<SegmentMember> | All<SegmentMember>;

const SEGMENT_MEMBERS = {
  attribute: AttributeCondition,
  any: strictObject({
    get any() {
      return membersOf(SegmentMember);
    },
    not,
  }).meta({ id: 'SegmentAnyCondition' }),
  all: strictObject({
    get all() {
      return membersOf(SegmentMember);
    },
    not,
  }).meta({ id: 'SegmentAllCondition' }),
};

/** One condition of a segment. Segments cannot refer to flags or to other segments. */
export const SegmentMember: z.ZodType<SegmentMember, SegmentMember> = dispatch(
  z
    .union([SEGMENT_MEMBERS.attribute, SEGMENT_MEMBERS.any, SEGMENT_MEMBERS.all], {
      error: exactlyOneOf(Object.keys(SEGMENT_MEMBERS)),
    })
    .meta({ id: 'SegmentMember' }),
  optionFor(SEGMENT_MEMBERS),
);

/** Returns how many conditions may still follow; negative if there are too many. Groups do not count. */
const roomAfter = (input: unknown, room: number): number => {
  let left = room;
  for (const condition of Array.isArray(input) ? input : []) {
    if (left < 0) return left;
    const members = isJsonObject(condition) ? (condition['any'] ?? condition['all']) : undefined;
    left = Array.isArray(members) && members.length > 0 ? roomAfter(members, left) : left - 1;
  }
  return left;
};

/** Counts the conditions at all depths before any of them is parsed, because there may be thousands. */
const bounded = <Schema extends z.ZodType>(conditions: Schema): Schema =>
  refuseEarly(listFewProblems(conditions), input =>
    roomAfter(input, LIMITS.conditionsPerRule) < 0 ? tooMany : undefined,
  );

/** The conditions of a rule, which holds if all of them hold. An empty list always holds. */
export const Conditions = bounded(z.array(Condition).max(LIMITS.conditionsPerRule, tooMany));

/** Conditions on the attributes of an event, which fits if all of them hold. */
export const EventConditions = bounded(
  z.array(SegmentMember).max(LIMITS.conditionsPerRule, tooMany),
);

/** The conditions of a segment, which holds if all of them hold. */
export const SegmentConditions = bounded(
  z
    .array(SegmentMember)
    .max(LIMITS.conditionsPerRule, tooMany)
    .min(1, 'must have at least one condition'),
);
