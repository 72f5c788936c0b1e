import { formatPercent } from '../i18n/format.ts';
import { t } from '../i18n/i18n.ts';
import type { Condition, Json, Rule, SplitEntry } from './document.ts';
import { valuesOf } from './operators.ts';

/** Values that a sentence shows before it counts the others. */
const MAX_VALUES = 3;
const PERCENT = 100;
/** Percentages have steps of 0.001. */
const PRECISION = 1_000;

export const describeValue = (value: Json | undefined): string =>
  typeof value === 'string' ? value : JSON.stringify(value ?? null);

const describeValues = (value: Json | undefined): string => {
  const values = valuesOf(value);
  const shown = values.slice(0, MAX_VALUES).map(describeValue).join(', ');
  const more = values.length - MAX_VALUES;
  return more > 0 ? t('sentence.more', { shown, more }) : shown;
};

/** Returns a condition in words. */
export const describeCondition = (condition: Condition): string => {
  const words = describePositive(condition);
  return condition.not === true ? t('sentence.not', { condition: words }) : words;
};

const describePositive = (condition: Condition): string => {
  if ('segment' in condition) return t('sentence.segment', { segment: condition.segment });
  if ('flag' in condition)
    return t('sentence.flag', { flag: condition.flag, variants: condition.variants.join(', ') });
  if ('any' in condition) return `(${condition.any.map(describeCondition).join(t('sentence.or'))})`;
  if ('all' in condition)
    return `(${condition.all.map(describeCondition).join(t('sentence.and'))})`;
  const { attribute, operator, value } = condition;
  return `${attribute} ${t(`operator.${operator}`)} ${describeValues(value)}`.trim();
};

/** Returns the share of an entry in percent, as precise as a percentage can be. */
export const shareOf = ({ weight }: SplitEntry, split: readonly SplitEntry[]): number => {
  const sum = split.reduce((all, entry) => all + entry.weight, 0);
  return sum === 0 ? 0 : Math.round((weight / sum) * PERCENT * PRECISION) / PRECISION;
};

const describeServed = ({ variant, split }: Rule): string =>
  variant ??
  (split ?? [])
    .map(entry => `${entry.variant} ${formatPercent(shareOf(entry, split ?? []))}`)
    .join(' / ');

/** Returns the conditions of a rule in words. */
export const describeConditions = ({ conditions }: Rule): string =>
  conditions.length === 0
    ? t('sentence.everyone')
    : conditions.map(describeCondition).join(t('sentence.and'));

/** Returns what a rule serves, and to how many. */
export const describeOutcome = (rule: Rule): string => {
  const { percentage, bucketBy } = rule;
  const served = describeServed(rule);
  if (percentage == null || percentage === PERCENT) return served;
  const by = bucketBy ?? 'targetingKey';
  // Text that is not a number is not one from 0 on either.
  const share = percentage < 0 ? '?' : formatPercent(percentage);
  return t('sentence.percentage', { share, by, served });
};

/** Returns a rule as a sentence. */
export const describeRule = (rule: Rule): string =>
  `${describeConditions(rule)} → ${describeOutcome(rule)}`;
