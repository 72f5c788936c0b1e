import type { ApiOutputs } from '@pennon/client';

import { t } from '../i18n/i18n.ts';
import type { Rule } from './document.ts';
import { OPERATORS } from './operators.ts';
import { describeRule, describeValue } from './sentence.ts';

/** The result of an evaluation, and how it came about; null if the environment does not have the flag. */
export type Explanation = ApiOutputs['evaluation']['compare']['evaluations'][string];

/** Returns what an application gets, in a word. */
export const describeResult = (explanation: Explanation): string => {
  if (explanation === null) return '–';
  if ('variant' in explanation && explanation.variant !== undefined) return explanation.variant;
  return explanation.reason === 'ERROR' && 'errorCode' in explanation
    ? describeValue(explanation.errorCode)
    : explanation.reason;
};

/** A rule or a condition in an evaluation, and those inside it. */
export type Step = {
  readonly title: string;
  /** The sentence of the engine, which is English. */
  readonly why: string;
  readonly outcome: 'held' | 'failed' | 'skipped';
  readonly steps: readonly Step[];
};

/** How a result came about. */
export type Trace = {
  readonly why: string;
  readonly steps: readonly Step[];
  /** The number of rules and conditions that the server left out. */
  readonly leftOut: number;
};

type JsonObject = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const objectsOf = (value: unknown): readonly JsonObject[] =>
  Array.isArray(value) ? value.filter(isObject) : [];

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

const numberOf = (value: unknown): number => (typeof value === 'number' ? value : 0);

/** Returns a trace with the sentences of the rules that it is about. A newer server may have added to it. */
export const readTrace = (trace: unknown, rules: readonly Rule[] = []): Trace => {
  const { why, rules: traced, leftOut } = isObject(trace) ? trace : {};
  return {
    why: textOf(why),
    steps: objectsOf(traced).map(rule => ruleStep(rule, rules)),
    leftOut: numberOf(leftOut),
  };
};

const ruleStep = (traced: JsonObject, rules: readonly Rule[]): Step => {
  const { rule: index, ruleId, outcome, why, conditions } = traced;
  const number = numberOf(index) + 1;
  const rule = rules.find(({ id }) => id === ruleId);
  return {
    title: rule
      ? t('trace.rule', { number, rule: describeRule(rule) })
      : t('rule.number', { number }),
    why: textOf(why),
    outcome: outcomeOf(outcome),
    steps: objectsOf(conditions).map(conditionStep),
  };
};

const outcomeOf = (outcome: unknown): Step['outcome'] => {
  if (outcome === 'served') return 'held';
  return outcome === 'notReached' ? 'skipped' : 'failed';
};

const conditionStep = (traced: JsonObject): Step => {
  const { not, holds, why, conditions } = traced;
  const condition = titleOf(traced);
  return {
    title: not === true ? t('sentence.not', { condition }) : condition,
    why: textOf(why),
    outcome: holds === true ? 'held' : 'failed',
    steps: objectsOf(conditions).map(conditionStep),
  };
};

const titleOf = ({ kind, attribute, operator, segment, flag, variants }: JsonObject): string => {
  if (kind === 'segment') return t('sentence.segment', { segment });
  if (kind === 'any') return t('condition.any');
  if (kind === 'all') return t('condition.all');
  if (kind === 'flag') {
    const names = Array.isArray(variants) ? variants.map(String).join(', ') : '';
    return t('sentence.flag', { flag, variants: names });
  }
  const known = OPERATORS.find(name => name === operator);
  const words = known === undefined ? textOf(operator) : t(`operator.${known}`);
  return `${textOf(attribute)} ${words}`;
};
