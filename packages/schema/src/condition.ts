import { z } from 'zod';

import { isJsonObject, Scalar } from './json.ts';
import { LIMITS } from './limits.ts';
import { strictObject } from './object.ts';
import { fits, Key, Name, text } from './text.ts';

const operandSize = fits(LIMITS.valueBytes);
const Operand = Scalar.refine(operandSize.check, operandSize.error);
const OperandText = z.string().refine(operandSize.check, operandSize.error);
const listOf = <Item extends z.ZodType>(item: Item) =>
  z
    .array(item)
    .max(
      LIMITS.listValues,
      `must be a list of at most ${LIMITS.listValues.toLocaleString('en')} values`,
    );

/** Operators by the operand they take. The engine's table of operators is complete over these. */
export const OPERATORS = {
  scalar: ['equals', 'notEquals'],
  list: ['in', 'notIn'],
  text: ['contains', 'startsWith', 'endsWith'],
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

const attribute = text(1, LIMITS.attributeLength).describe(
  'Attribute of the evaluation context: its exact name, else a dotted path.',
);
const not = z.boolean().nullish().describe('The exact logical opposite.');

const comparison = <const Names extends readonly [string, ...string[]], Operand extends z.ZodType>(
  operators: Names,
  value: Operand,
) => strictObject({ attribute, operator: z.enum(operators), value, not });

const kinds = (names: readonly string[]) =>
  `must have exactly one of ${names.map(name => `"${name}"`).join(', ')}`;

/** In a union of conditions, one without an attribute was meant to be of another kind. */
const notMeant = (issue: { input?: unknown }) =>
  isJsonObject(issue.input) && Object.hasOwn(issue.input, 'attribute')
    ? undefined
    : kinds(['attribute']);

const Networks = z
  .union([z.string(), listOf(z.string())], {
    error: 'must be a network such as "10.0.0.0/8", or a list of networks',
  })
  .refine(operandSize.check, operandSize.error);

export const AttributeCondition = z
  .discriminatedUnion(
    'operator',
    [
      comparison(OPERATORS.scalar, Operand),
      comparison(OPERATORS.list, listOf(Operand)),
      comparison(OPERATORS.text, OperandText.min(1, 'must not be empty')),
      comparison(OPERATORS.number, z.number()),
      comparison(OPERATORS.none, z.literal(true).nullish()),
      comparison(OPERATORS.date, OperandText),
      comparison(OPERATORS.semver, text(1, 256)),
      comparison(OPERATORS.network, Networks),
      comparison(OPERATORS.pattern, text(0, LIMITS.patternLength)),
    ],
    { error: notMeant },
  )
  .meta({ id: 'AttributeCondition' });
export type AttributeCondition = z.infer<typeof AttributeCondition>;

export const SegmentCondition = strictObject({ segment: Key, not }).meta({
  id: 'SegmentCondition',
  description: 'The conditions of a named segment all hold.',
});

export const FlagCondition = strictObject({
  flag: Key,
  variants: z.array(Name).min(1, 'must name at least one variant').max(LIMITS.variants),
  not,
}).meta({ id: 'FlagCondition', description: 'Another flag answers one of these variants.' });

/** The kinds of condition, told apart by the one field that names the kind. */
export const CONDITION_KINDS = ['attribute', 'segment', 'flag', 'any', 'all'] as const;

const tooManyConditions = `must hold at most ${LIMITS.conditionsPerRule} conditions`;
const groupMembers = <Member extends z.ZodType>(member: Member) =>
  z
    .array(member)
    .min(1, 'must hold at least one condition')
    .max(LIMITS.conditionsPerRule, tooManyConditions);

export type Condition =
  | AttributeCondition
  | z.infer<typeof SegmentCondition>
  | z.infer<typeof FlagCondition>
  | { any: Condition[]; not?: boolean | null | undefined }
  | { all: Condition[]; not?: boolean | null | undefined };

/** One condition of a rule. Groups nest at most five deep, which the engine checks. */
export const Condition: z.ZodType<Condition> = z
  .union(
    [
      AttributeCondition,
      SegmentCondition,
      FlagCondition,
      strictObject({
        get any() {
          return groupMembers(Condition);
        },
        not,
      }),
      strictObject({
        get all() {
          return groupMembers(Condition);
        },
        not,
      }),
    ],
    { error: kinds(CONDITION_KINDS) },
  )
  .meta({ id: 'Condition' });

export type SegmentMember =
  | AttributeCondition
  | { any: SegmentMember[]; not?: boolean | null | undefined }
  | { all: SegmentMember[]; not?: boolean | null | undefined };

/** One condition of a segment: attribute conditions and groups only. */
export const SegmentMember: z.ZodType<SegmentMember> = z
  .union(
    [
      AttributeCondition,
      strictObject({
        get any() {
          return groupMembers(SegmentMember);
        },
        not,
      }),
      strictObject({
        get all() {
          return groupMembers(SegmentMember);
        },
        not,
      }),
    ],
    { error: kinds(['attribute', 'any', 'all']) },
  )
  .meta({ id: 'SegmentMember' });

export const Conditions = z.array(Condition).max(LIMITS.conditionsPerRule, tooManyConditions);
