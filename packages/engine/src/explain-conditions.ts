import { evaluateMemoized } from './evaluate.ts';
import type { Attributes } from './attributes.ts';
import { isList } from './fields.ts';
import type { AttributeCondition, CompiledCondition, FlagCondition } from './model.ts';
import { anyPasses, isScalar } from './operators.ts';
import type { ConditionTrace } from './trace.ts';
import { codeSpan, truncate, joinQuoted, describe, describeOperand, quote } from './format.ts';

const MAX_VARIANTS = 100;

/** What a walk carries along: the question, and how many more conditions its trace may show. */
export type Walk = {
  readonly context: Attributes;
  readonly evaluationId: number;
  conditionsLeft: number;
  leftOut: number;
};

const listWords = (
  items: readonly unknown[],
  { entry, operand, test }: AttributeCondition,
): string => {
  const which = anyPasses(items, test) ? 'one' : 'none';
  return `a list of ${items.length}, of which ${which} ${entry.verb} ${describeOperand(operand)}`;
};

/** What a present attribute is, and how it stands to the operand. */
const valueWords = (value: unknown, condition: AttributeCondition): string => {
  const { entry, operator, operand, test } = condition;
  if (isList(value)) return listWords(value, condition);
  if (!isScalar(value) || !entry.accepts(value)) {
    return `${describe(value)}, ${codeSpan(operator)} expects ${entry.expects}`;
  }
  return `${describe(value)}, which ${test(value) ? entry.verb : entry.negatedVerb} ${describeOperand(operand)}`;
};

const attributeWords = (condition: AttributeCondition, { context }: Walk): string => {
  const value = condition.read(context);
  const attribute = codeSpan(condition.attribute);
  if (value === undefined) return `${attribute} is missing`;
  if (condition.entry.testsPresence) return `${attribute} is present: ${describe(value)}`;
  return `${attribute} is ${valueWords(value, condition)}`;
};

const flagWords = (
  { flag, variants, slot }: FlagCondition,
  { context, evaluationId }: Walk,
): string => {
  if (slot === undefined) return `there is no flag ${codeSpan(flag)}`;
  const answer = evaluateMemoized(slot, context, evaluationId);
  if (answer === undefined || !('variant' in answer)) {
    return `the flag ${codeSpan(flag)} answers no variant (${answer?.reason ?? 'ERROR'})`;
  }
  const listed = variants.includes(answer.variant) ? 'is' : 'is not';
  return `the flag ${codeSpan(flag)} answers ${quote(answer.variant)}, which ${listed} one of ${joinQuoted(variants)}`;
};

/** How many of a list hold: `2 of 3 conditions hold`. */
const countWords = (
  conditions: readonly CompiledCondition[],
  { context, evaluationId }: Walk,
): string => {
  const holding = conditions.filter(condition => condition.holds(context, evaluationId)).length;
  return `${holding} of ${conditions.length} conditions ${holding === 1 ? 'holds' : 'hold'}`;
};

/** What each kind of condition met, before `not` is counted. */
const factOf = (condition: CompiledCondition, walk: Walk): string => {
  if (condition.kind === 'attribute') return attributeWords(condition, walk);
  if (condition.kind === 'flag') return flagWords(condition, walk);
  const counted = countWords(condition.conditions, walk);
  if (condition.kind === 'any') return `${counted}, and one is enough`;
  const of = condition.kind === 'segment' ? ` of the segment ${codeSpan(condition.segment)}` : '';
  return `${counted}${of}, and all are wanted`;
};

/** Why a condition holds, or why it does not. */
export const whyOf = (condition: CompiledCondition, walk: Walk): string =>
  factOf(condition, walk) + (condition.not ? ', and `not` turns this round' : '');

const traceCondition = (condition: CompiledCondition, walk: Walk): ConditionTrace => {
  const { kind } = condition;
  const turned: { not?: true } = condition.not ? { not: true } : {};
  const holds = condition.holds(walk.context, walk.evaluationId);
  const fact = { ...turned, holds, why: whyOf(condition, walk) };
  if (kind === 'attribute') {
    return {
      kind,
      attribute: truncate(condition.attribute),
      operator: condition.operator,
      ...fact,
    };
  }
  if (kind === 'flag') {
    const variants = condition.variants.slice(0, MAX_VARIANTS).map(truncate);
    return { kind, flag: truncate(condition.flag), variants, ...fact };
  }
  const conditions = traceConditions(condition.conditions, walk);
  return kind === 'segment'
    ? { kind, segment: truncate(condition.segment), ...fact, conditions }
    : { kind, ...fact, conditions };
};

/** The traces of a list of conditions, every one of them, until the trace has grown to its bound. */
export const traceConditions = (
  conditions: readonly CompiledCondition[],
  walk: Walk,
): ConditionTrace[] => {
  const shown = conditions.slice(0, walk.conditionsLeft);
  walk.conditionsLeft -= shown.length;
  walk.leftOut += conditions.length - shown.length;
  return shown.map(condition => traceCondition(condition, walk));
};
