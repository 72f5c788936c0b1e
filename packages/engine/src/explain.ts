import type { Evaluation } from '@pennon/schema';

import { attributesOf, toBucketingValue, type Attributes } from './attributes.ts';
import { newEvaluationId, serve } from './evaluate.ts';
import { explainCondition, traceConditions, type TraceScope } from './explain-conditions.ts';
import { codeSpan, quote, truncate } from './format.ts';
import { draw, DRAWS } from './hash.ts';
import type { CompiledFlag, CompiledFlagSet, CompiledRule } from './model.ts';
import { notFound } from './results.ts';
import type { AdmissionTrace, Explanation, RuleOutcome, RuleTrace, SplitTrace } from './trace.ts';

const MAX_RULES = 500;
const MAX_CONDITIONS = 1_000;

const traceAdmission = ({ admission, bucketBy }: CompiledRule, value: string): AdmissionTrace => {
  const { threshold, hashSeed } = admission;
  const drawn = draw(value, hashSeed);
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
  const bands = served.bands.map(({ variant, weight, until }, at) => {
    const from = served.bands[at - 1]?.until ?? 0;
    return { variant: truncate(variant), weight, from, until };
  });
  return {
    bucketBy: truncate(bucketBy),
    unit: truncate(value),
    draw: draw(value, served.hashSeed),
    bands,
  };
};

type DrawTraces = { readonly admission?: AdmissionTrace; readonly split?: SplitTrace };

/** Repeats the draws of the decision. At 0 %, and at 100 % without a split, there are none. */
const traceDraws = (rule: CompiledRule, context: Attributes): DrawTraces => {
  const { threshold } = rule.admission;
  const value = threshold === 0 ? undefined : toBucketingValue(rule.readBucketBy(context));
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
  const at = conditions.findIndex(({ holds }) => !holds(scope.context, scope.evaluationId));
  const failing = conditions[at];
  const why = failing === undefined ? '' : explainCondition(failing, scope);
  return `condition ${at + 1} of ${conditions.length} does not hold: ${why}`;
};

const identify = ({ id }: CompiledRule, rule: number) => ({
  rule,
  ...(id === undefined ? {} : { ruleId: id }),
});

const notReached = (rule: CompiledRule, at: number): RuleTrace => ({
  ...identify(rule, at),
  outcome: 'notReached',
  why: 'the evaluation ended before this rule',
  conditions: [],
});

type TracedRule = { readonly trace: RuleTrace; readonly result: Evaluation | undefined };

const traceRule = (rule: CompiledRule, at: number, scope: TraceScope): TracedRule => {
  const identity = identify(rule, at);
  const conditions = traceConditions(rule.conditions, scope);
  if (!rule.holds(scope.context, scope.evaluationId)) {
    const failure = explainFailure(rule, scope);
    const trace = { ...identity, outcome: 'conditionsFailed', why: failure, conditions } as const;
    return { trace, result: undefined };
  }
  const result = serve(rule, scope.context);
  const draws = traceDraws(rule, scope.context);
  const why = explainOutcome(rule, result, draws);
  const trace = { ...identity, outcome: outcomeOf(result), why, conditions, ...draws };
  return { trace, result };
};

/** Explains the whole decision in one sentence. `rules` is their number, `ruleAt` the one that decided. */
const explainDecision = (result: Evaluation, rules: number, ruleAt: number | undefined): string => {
  if ('errorMessage' in result) return result.errorMessage;
  if (result.reason === 'DISABLED')
    return "the flag is disabled, so the caller's own default applies";
  const variant = 'variant' in result ? quote(result.variant) : undefined;
  if (ruleAt !== undefined) return `rule ${ruleAt + 1} serves ${variant}`;
  const because = rules === 0 ? 'the flag has no rules' : 'no rule serves';
  return variant === undefined
    ? `${because}, and there is no default variant, so the caller's own default applies`
    : `${because}, so the default variant ${variant} applies`;
};

const explanationOf = (
  result: Evaluation,
  rules: readonly RuleTrace[],
  leftOut: number,
  ruleAt?: number,
): Explanation => {
  const shown = rules.slice(0, MAX_RULES);
  const hidden = leftOut + rules.length - shown.length;
  const why = explainDecision(result, rules.length, ruleAt);
  return { ...result, trace: { why, rules: shown, ...(hidden > 0 && { leftOut: hidden }) } };
};

const explainFlag = (flag: CompiledFlag, scope: TraceScope): Explanation => {
  const rules: RuleTrace[] = [];
  let decided: Evaluation | undefined = flag.fixedResult;
  let ruleAt: number | undefined;
  flag.rules.forEach((rule, at) => {
    if (decided !== undefined) {
      rules.push(notReached(rule, at));
      return;
    }
    const { trace, result } = traceRule(rule, at, scope);
    rules.push(trace);
    decided = result;
    ruleAt = at;
  });
  return explanationOf(decided ?? flag.defaultResult, rules, scope.leftOut, decided && ruleAt);
};

/**
 * Follows the same decision as `evaluate`, and states for each rule and condition whether it held and why.
 * A trace is JSON of limited size: long texts are truncated, and what is left out is counted.
 */
export const explain = (
  compiled: CompiledFlagSet,
  flagKey: string,
  context: unknown,
): Explanation => {
  const slot = compiled.slots.get(flagKey);
  const flag = slot && compiled.compiledFlag(slot);
  if (flag === undefined) return explanationOf(notFound(flagKey), [], 0);
  return explainFlag(flag, {
    context: attributesOf(context),
    evaluationId: newEvaluationId(),
    conditionsLeft: MAX_CONDITIONS,
    leftOut: 0,
  });
};
