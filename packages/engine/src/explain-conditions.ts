import type { Attributes } from './attributes.ts';
import { evaluateMemoized } from './evaluate.ts';
import { codeSpan, describe, describeOperand, joinQuoted, quote, truncate } from './format.ts';
import { isList } from './json.ts';
import type {
  CompiledAttributeCondition,
  CompiledCondition,
  CompiledFlagCondition,
} from './model.ts';
import { anyPasses, isScalar } from './operators.ts';
import type { ConditionTrace } from './trace.ts';

const MAX_VARIANTS = 100;

/** The evaluation to explain, and how many more conditions its trace may contain. */
export type TraceScope = {
  readonly context: Attributes;
  readonly evaluationId: number;
  conditionsLeft: number;
  leftOut: number;
};

const describeList = (
  items: readonly unknown[],
  { entry, operand, test }: CompiledAttributeCondition,
): string => {
  const which = anyPasses(items, test, entry) ? 'one' : 'none';
  return `a list of ${items.length}, of which ${which} ${entry.verb} ${describeOperand(operand)}`;
};

/** Describes a present attribute, and how it compares with the operand. */
const describeComparison = (value: unknown, condition: CompiledAttributeCondition): string => {
  const { entry, operator, operand, test } = condition;
  if (isList(value)) return describeList(value, condition);
  if (!isScalar(value) || !entry.accepts(value)) {
    return `${describe(value)}, ${codeSpan(operator)} expects ${entry.expects}`;
  }
  const verb = test(value) ? entry.verb : entry.negatedVerb;
  return `${describe(value)}, which ${verb} ${describeOperand(operand)}`;
};

const explainAttribute = (
  condition: CompiledAttributeCondition,
  { context }: TraceScope,
): string => {
  const value = condition.read(context);
  const attribute = codeSpan(condition.attribute);
  if (value === undefined) return `${attribute} is missing`;
  if (condition.entry.testsPresence) return `${attribute} is present: ${describe(value)}`;
  return `${attribute} is ${describeComparison(value, condition)}`;
};

const explainFlag = (
  { flag, variants, lazyFlag }: CompiledFlagCondition,
  { context, evaluationId }: TraceScope,
): string => {
  if (lazyFlag === undefined) return `there is no flag ${codeSpan(flag)}`;
  const result = evaluateMemoized(lazyFlag, context, evaluationId);
  if (result === undefined || !('variant' in result)) {
    return `the flag ${codeSpan(flag)} has no variant (${result?.reason ?? 'ERROR'})`;
  }
  const listed = variants.includes(result.variant) ? 'is' : 'is not';
  const variant = quote(result.variant);
  return `the flag ${codeSpan(flag)} has ${variant}, which ${listed} one of ${joinQuoted(variants)}`;
};

/** `2 of 3 conditions hold` */
const countHolding = (
  conditions: readonly CompiledCondition[],
  { context, evaluationId }: TraceScope,
): string => {
  const holding = conditions.filter(condition => condition.holds(context, evaluationId)).length;
  return `${holding} of ${conditions.length} conditions ${holding === 1 ? 'holds' : 'hold'}`;
};

/** Explains a condition without its `not`. */
const explainPositive = (condition: CompiledCondition, scope: TraceScope): string => {
  if (condition.kind === 'attribute') return explainAttribute(condition, scope);
  if (condition.kind === 'flag') return explainFlag(condition, scope);
  const count = countHolding(condition.conditions, scope);
  if (condition.kind === 'any') return `${count}, and one is required`;
  const of = condition.kind === 'segment' ? ` of the segment ${codeSpan(condition.segment)}` : '';
  return `${count}${of}, and all are required`;
};

export const explainCondition = (condition: CompiledCondition, scope: TraceScope): string =>
  explainPositive(condition, scope) + (condition.not ? ', and `not` inverts this' : '');

const traceCondition = (condition: CompiledCondition, scope: TraceScope): ConditionTrace => {
  const { kind } = condition;
  const inverted: { not?: true } = condition.not ? { not: true } : {};
  const holds = condition.holds(scope.context, scope.evaluationId);
  const outcome = { ...inverted, holds, why: explainCondition(condition, scope) };
  if (kind === 'attribute') {
    const attribute = truncate(condition.attribute);
    return { kind, attribute, operator: condition.operator, ...outcome };
  }
  if (kind === 'flag') {
    const variants = condition.variants.slice(0, MAX_VARIANTS).map(truncate);
    return { kind, flag: truncate(condition.flag), variants, ...outcome };
  }
  const conditions = traceConditions(condition.conditions, scope);
  return kind === 'segment'
    ? { kind, segment: truncate(condition.segment), ...outcome, conditions }
    : { kind, ...outcome, conditions };
};

/** Traces all conditions of a list, until the trace reaches its limit. */
export const traceConditions = (
  conditions: readonly CompiledCondition[],
  scope: TraceScope,
): ConditionTrace[] => {
  const shown = conditions.slice(0, scope.conditionsLeft);
  scope.conditionsLeft -= shown.length;
  scope.leftOut += conditions.length - shown.length;
  return shown.map(condition => traceCondition(condition, scope));
};
