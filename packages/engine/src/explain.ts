import type { Evaluation } from '@pennon/schema';

import { attributesOf, toBucketingValue, type Attributes } from './attributes.ts';
import { begin, evaluate, newEvaluationId } from './evaluate.ts';
import { explainCondition, traceConditions, type TraceScope } from './explain-conditions.ts';
import { codeSpan, quote, truncate } from './format.ts';
import { draw, DRAWS } from './hash.ts';
import type { CompiledFlag, CompiledFlagSet, CompiledRule } from './model.ts';
import { notFound } from './results.ts';
import { WORK_EXCEEDED } from './work.ts';
import type { AdmissionTrace, Explanation, RuleOutcome, RuleTrace, SplitTrace } from './trace.ts';

const MAX_RULES = 500;
const MAX_CONDITIONS = 1_000;

const traceAdmission = ({ admission, bucketBy }: CompiledRule, value: string): AdmissionTrace => {
  const { threshold, drawSeed } = admission;
  const drawn = draw(value, drawSeed);
  return {
    percentage: threshold / 1000,
    bucketBy: truncate(bucketBy),
    unit: truncate(value),
    draw: drawn,
    threshold,
    admitted: drawn < threshold,
  };
};

const traceSplit = (
  { serve: served, bucketBy }: CompiledRule,
  value: string,
): SplitTrace | undefined => {
  if (served.kind !== 'split') return undefined;
  const bands = served.bands.map(({ variant, weight, until }, index) => {
    const from = served.bands[index - 1]?.until ?? 0;
    return { variant: truncate(variant), weight, from, until };
  });
  return {
    bucketBy: truncate(bucketBy),
    unit: truncate(value),
    draw: draw(value, served.drawSeed),
    bands,
  };
};

type DrawTraces = { readonly admission?: AdmissionTrace; readonly split?: SplitTrace };

/** Repeats the draws of the evaluation. At 0 %, and at 100 % without a split, there are none. */
const traceDraws = (rule: CompiledRule, context: Attributes): DrawTraces => {
  const { threshold } = rule.admission;
  const value = threshold === 0 ? undefined : toBucketingValue(rule.readUnit(context));
  if (value === undefined) return {};
  const admission = threshold === DRAWS ? undefined : traceAdmission(rule, value);
  const split = admission?.admitted === false ? undefined : traceSplit(rule, value);
  return { ...(admission && { admission }), ...(split && { split }) };
};

const outcomeOf = (result: Evaluation | undefined): RuleOutcome => {
  if (result === undefined) return 'notAdmitted';
  return result.reason === 'ERROR' ? 'unitMissing' : 'served';
};

const explainNotAdmitted = (
  { admission, bucketBy }: CompiledRule,
  drawn: AdmissionTrace | undefined,
): string =>
  drawn === undefined
    ? 'the conditions hold, but a percentage of 0 admits no subject'
    : `the conditions hold, but ${codeSpan(bucketBy)} draws ${drawn.draw}, ` +
      `and ${drawn.percentage} % admits draws below ${admission.threshold}`;

/** Explains a rule after all of its conditions held. */
const explainOutcome = (
  rule: CompiledRule,
  result: Evaluation | undefined,
  { admission, split }: DrawTraces,
): string => {
  if (result === undefined) return explainNotAdmitted(rule, admission);
  if ('errorMessage' in result) return `the conditions hold, but ${result.errorMessage}`;
  const variant = 'variant' in result ? quote(result.variant) : 'no variant';
  if (split === undefined) return `the conditions hold, and the rule serves ${variant}`;
  const bucketBy = codeSpan(rule.bucketBy);
  return `the conditions hold, and ${bucketBy} draws ${split.draw} of the split, which is ${variant}`;
};

/** Explains the first condition that does not hold. */
const explainFailure = ({ conditions }: CompiledRule, scope: TraceScope): string => {
  const index = conditions.findIndex(({ holds }) => !holds(scope.context, scope.evaluationId));
  const failing = conditions[index];
  const why = failing === undefined ? '' : explainCondition(failing, scope);
  return `condition ${index + 1} of ${conditions.length} does not hold: ${why}`;
};

const identify = ({ id }: CompiledRule, index: number) => ({
  rule: index,
  ...(id === undefined ? {} : { ruleId: id }),
});

const notReached = (rule: CompiledRule, index: number): RuleTrace => ({
  ...identify(rule, index),
  outcome: 'notReached',
  why: 'the evaluation ended before this rule',
  conditions: [],
});

type TracedRule = { readonly trace: RuleTrace; readonly result: Evaluation | undefined };

const traceRule = (rule: CompiledRule, index: number, scope: TraceScope): TracedRule => {
  const identity = identify(rule, index);
  const conditions = traceConditions(rule.conditions, scope);
  if (!rule.holds(scope.context, scope.evaluationId)) {
    const failure = explainFailure(rule, scope);
    const trace = { ...identity, outcome: 'conditionsFailed', why: failure, conditions } as const;
    return { trace, result: undefined };
  }
  const result = rule.resultFor(scope.context);
  const draws = traceDraws(rule, scope.context);
  const why = explainOutcome(rule, result, draws);
  const trace = { ...identity, outcome: outcomeOf(result), why, conditions, ...draws };
  return { trace, result };
};

/** Explains the whole evaluation in one sentence. `servedBy` is the index of the rule that has the result. */
const explainResult = (
  result: Evaluation,
  ruleCount: number,
  servedBy: number | undefined,
): string => {
  if ('errorMessage' in result) return result.errorMessage;
  if (result.reason === 'DISABLED')
    return "the flag is disabled, so the caller's own default applies";
  const variant = 'variant' in result ? quote(result.variant) : undefined;
  if (servedBy !== undefined) return `rule ${servedBy + 1} serves ${variant}`;
  const cause = ruleCount === 0 ? 'the flag has no rules' : 'no rule serves';
  return variant === undefined
    ? `${cause}, and there is no default variant, so the caller's own default applies`
    : `${cause}, so the default variant ${variant} applies`;
};

const explanationOf = (
  result: Evaluation,
  rules: readonly RuleTrace[],
  leftOut: number,
  servedBy?: number,
): Explanation => {
  const shown = rules.slice(0, MAX_RULES);
  const hidden = leftOut + rules.length - shown.length;
  const why = explainResult(result, rules.length, servedBy);
  return { ...result, trace: { why, rules: shown, ...(hidden > 0 && { leftOut: hidden }) } };
};

const explainFlag = (flag: CompiledFlag, scope: TraceScope): Explanation => {
  const rules: RuleTrace[] = [];
  let result: Evaluation | undefined = flag.fixedResult;
  let servedBy: number | undefined;
  for (const [index, rule] of flag.rules.entries()) {
    if (result !== undefined) {
      rules.push(notReached(rule, index));
      continue;
    }
    const traced = traceRule(rule, index, scope);
    rules.push(traced.trace);
    result = traced.result;
    if (result !== undefined) servedBy = index;
  }
  return explanationOf(result ?? flag.defaultResult, rules, scope.leftOut, servedBy);
};

/** A trace evaluates conditions again, so it may take too much work although the evaluation does not. */
const withoutRules = (result: Evaluation, leftOut: number): Explanation => {
  const why =
    'errorMessage' in result ? result.errorMessage : 'the evaluation context is too large to trace';
  return { ...result, trace: { why, rules: [], leftOut } };
};

/**
 * Returns the result of `evaluate`, and for each rule and condition whether it held and why.
 * A trace is JSON of limited size: long texts are truncated, and what is left out is counted.
 */
export const explain = (
  compiled: CompiledFlagSet,
  flagKey: string,
  context: unknown,
): Explanation => {
  const lazyFlag = compiled.lazyFlags.get(flagKey);
  const flag = lazyFlag && compiled.compiledFlag(lazyFlag);
  if (flag === undefined) return explanationOf(notFound(flagKey), [], 0);
  begin();
  const result = evaluate(compiled, flagKey, context);
  // The trace continues to count, so that both take no more work than one evaluation may.
  try {
    return explainFlag(flag, {
      context: attributesOf(context),
      evaluationId: newEvaluationId(),
      conditionsLeft: MAX_CONDITIONS,
      leftOut: 0,
    });
  } catch (error) {
    if (error !== WORK_EXCEEDED) throw error;
    return withoutRules(result, flag.rules.length);
  }
};
