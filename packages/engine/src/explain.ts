import type { Evaluation } from '@pennon/schema';

import { notFound } from './results.ts';
import { attributesOf, unitOf, type Attributes } from './attributes.ts';
import { newEvaluationId, serve } from './evaluate.ts';
import { traceConditions, whyOf, type Walk } from './explain-conditions.ts';
import { draw, DRAWS } from './hash.ts';
import type { CompiledFlag, CompiledFlagSet, CompiledRule } from './model.ts';
import type { AdmissionTrace, Explanation, RuleOutcome, RuleTrace, SplitTrace } from './trace.ts';
import { codeSpan, truncate, quote } from './format.ts';

const MAX_RULES = 500;
const MAX_CONDITIONS = 1_000;

const traceAdmission = ({ admission, bucketBy }: CompiledRule, unit: string): AdmissionTrace => {
  const { threshold, inner } = admission;
  const drawn = draw(unit, inner);
  return {
    percentage: threshold / 1000,
    bucketBy: truncate(bucketBy),
    unit: truncate(unit),
    draw: drawn,
    threshold,
    admitted: drawn < threshold,
  };
};

const traceSplit = (
  { serve: served, bucketBy }: CompiledRule,
  unit: string,
): SplitTrace | undefined => {
  if (served.kind !== 'split') return undefined;
  const bands = served.bands.map(({ variant, weight, until }, at) => {
    const from = served.bands[at - 1]?.until ?? 0;
    return { variant: truncate(variant), weight, from, until };
  });
  return {
    bucketBy: truncate(bucketBy),
    unit: truncate(unit),
    draw: draw(unit, served.inner),
    bands,
  };
};

type Draws = { readonly admission?: AdmissionTrace; readonly split?: SplitTrace };

/** The draws that were made: none where nobody or everybody is admitted and nothing is split. */
const drawsOf = (rule: CompiledRule, context: Attributes): Draws => {
  const { threshold } = rule.admission;
  const unit = threshold === 0 ? undefined : unitOf(rule.readUnit(context));
  if (unit === undefined) return {};
  const admission = threshold === DRAWS ? undefined : traceAdmission(rule, unit);
  const split = admission?.admitted === false ? undefined : traceSplit(rule, unit);
  return { ...(admission && { admission }), ...(split && { split }) };
};

const outcomeOf = (answer: Evaluation | undefined): RuleOutcome => {
  if (answer === undefined) return 'notAdmitted';
  return answer.reason === 'ERROR' ? 'unitMissing' : 'served';
};

const notAdmittedWords = (
  { admission, bucketBy }: CompiledRule,
  drawn: AdmissionTrace | undefined,
) =>
  drawn === undefined
    ? 'the conditions hold, but a percentage of 0 admits nobody'
    : `the conditions hold, but ${codeSpan(bucketBy)} draws ${drawn.draw}, ` +
      `and ${drawn.percentage} % admits draws below ${admission.threshold}`;

/** What became of a rule whose conditions hold. */
const outcomeWords = (
  rule: CompiledRule,
  answer: Evaluation | undefined,
  { admission, split }: Draws,
) => {
  if (answer === undefined) return notAdmittedWords(rule, admission);
  if ('errorMessage' in answer) return `the conditions hold, but ${answer.errorMessage}`;
  const variant = 'variant' in answer ? quote(answer.variant) : 'no variant';
  return split === undefined
    ? `the conditions hold, and the rule serves ${variant}`
    : `the conditions hold, and ${codeSpan(rule.bucketBy)} draws ${split.draw} of the split, which is ${variant}`;
};

/** A rule without conditions has none that could fail. */
const failureWords = ({ conditions }: CompiledRule, walk: Walk): string => {
  const at = conditions.findIndex(({ holds }) => !holds(walk.context, walk.evaluationId));
  const failing = conditions[at];
  const why = failing === undefined ? '' : whyOf(failing, walk);
  return `condition ${at + 1} of ${conditions.length} does not hold: ${why}`;
};

const heading = ({ id }: CompiledRule, rule: number) => ({
  rule,
  ...(id === undefined ? {} : { ruleId: id }),
});

const notReached = (rule: CompiledRule, at: number): RuleTrace => ({
  ...heading(rule, at),
  outcome: 'notReached',
  why: 'the evaluation ended before this rule',
  conditions: [],
});

type Step = { readonly trace: RuleTrace; readonly answer: Evaluation | undefined };

const walkRule = (rule: CompiledRule, at: number, walk: Walk): Step => {
  const head = heading(rule, at);
  const conditions = traceConditions(rule.conditions, walk);
  if (!rule.holds(walk.context, walk.evaluationId)) {
    const why = failureWords(rule, walk);
    return { trace: { ...head, outcome: 'conditionsFailed', why, conditions }, answer: undefined };
  }
  const answer = serve(rule, walk.context);
  const draws = drawsOf(rule, walk.context);
  const why = outcomeWords(rule, answer, draws);
  return { trace: { ...head, outcome: outcomeOf(answer), why, conditions, ...draws }, answer };
};

const endWords = (answer: Evaluation, rules: number, ruleAt: number | undefined): string => {
  if ('errorMessage' in answer) return answer.errorMessage;
  if (answer.reason === 'DISABLED')
    return "the flag is disabled, so that the caller's own default applies";
  const variant = 'variant' in answer ? quote(answer.variant) : undefined;
  if (ruleAt !== undefined) return `rule ${ruleAt + 1} serves ${variant}`;
  const because = rules === 0 ? 'the flag has no rules' : 'no rule serves';
  return variant === undefined
    ? `${because}, and without a default variant the caller's own default applies`
    : `${because}, so that the default variant ${variant} applies`;
};

const explained = (
  answer: Evaluation,
  rules: readonly RuleTrace[],
  leftOut: number,
  ruleAt?: number,
): Explanation => {
  const shown = rules.slice(0, MAX_RULES);
  const hidden = leftOut + rules.length - shown.length;
  const why = endWords(answer, rules.length, ruleAt);
  return { ...answer, trace: { why, rules: shown, ...(hidden > 0 && { leftOut: hidden }) } };
};

const walkFlag = (flag: CompiledFlag, walk: Walk): Explanation => {
  const rules: RuleTrace[] = [];
  let served: Evaluation | undefined = flag.fixedResult;
  let ruleAt: number | undefined;
  flag.rules.forEach((rule, at) => {
    if (served !== undefined) {
      rules.push(notReached(rule, at));
      return;
    }
    const { trace, answer } = walkRule(rule, at, walk);
    rules.push(trace);
    served = answer;
    ruleAt = at;
  });
  return explained(served ?? flag.defaultResult, rules, walk.leftOut, served && ruleAt);
};

/**
 * Walks the same decision as `evaluate`, and says of each rule and condition whether it held and why.
 * A trace is JSON, and bounded: long texts are cut, and what is left out is counted.
 */
export const explain = (
  compiled: CompiledFlagSet,
  flagKey: string,
  context: unknown,
): Explanation => {
  const slot = compiled.slots.get(flagKey);
  const flag = slot && compiled.ready(slot);
  if (flag === undefined) return explained(notFound(flagKey), [], 0);
  const evaluationId = newEvaluationId();
  return walkFlag(flag, {
    context: attributesOf(context),
    evaluationId,
    conditionsLeft: MAX_CONDITIONS,
    leftOut: 0,
  });
};
