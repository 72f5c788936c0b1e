import { t } from '../i18n/i18n.ts';
import { isSame, type FlagDocument, type Rule } from './document.ts';
import { describeRule } from './sentence.ts';

/** Fields of a flag that can be edited. The server writes the others. */
export const FIELDS = [
  'enabled',
  'rules',
  'variants',
  'defaultVariant',
  'seed',
  'clientVisible',
  'metadata',
  'name',
  'description',
  'tags',
  'owner',
  'codeDefault',
  'numberType',
] as const satisfies readonly (keyof FlagDocument)[];
export type Field = (typeof FIELDS)[number];

/** One difference between two states of a flag, in words. */
export type Change = {
  readonly title: string;
  readonly before?: string | undefined;
  readonly after?: string | undefined;
};

export const changedFields = (before: FlagDocument, after: FlagDocument): readonly Field[] =>
  FIELDS.filter(field => !isSame(before[field] ?? null, after[field] ?? null));

/** Returns what is different, in words. */
export const describeChanges = (before: FlagDocument, after: FlagDocument): readonly Change[] =>
  changedFields(before, after).flatMap(field => describeField(field, before, after));

const describeField = (
  field: Field,
  before: FlagDocument,
  after: FlagDocument,
): readonly Change[] => {
  if (field === 'enabled')
    return [{ title: t(after.enabled ? 'change.enabled' : 'change.disabled') }];
  if (field === 'rules') return ruleChanges(before.rules, after.rules);
  if (field === 'variants') return variantChanges(before.variants, after.variants);
  return [
    {
      title: t(`field.${field}`),
      before: fieldText(field, before),
      after: fieldText(field, after),
    },
  ];
};

/** Returns the value of a field, or undefined if the flag does not have one. */
const fieldText = (field: Field, document: FlagDocument): string | undefined => {
  const value = document[field];
  if (value != null) return textOf(value);
  return field === 'defaultVariant' ? t('rule.codeDefault') : undefined;
};

const textOf = (value: unknown): string =>
  typeof value === 'string' ? value : JSON.stringify(value ?? null);

const ruleChanges = (before: readonly Rule[], after: readonly Rule[]): readonly Change[] => {
  const ids = (rules: readonly Rule[]) => rules.map(({ id }) => id);
  const commonIds = (rules: readonly Rule[], others: readonly Rule[]) =>
    ids(rules).filter(id => ids(others).includes(id));
  const removed = before.flatMap((rule, index) =>
    ids(after).includes(rule.id)
      ? []
      : [{ title: t('change.ruleRemoved', { number: index + 1 }), before: describeRule(rule) }],
  );
  const others = after.flatMap((rule, index) => {
    const previous = before.find(({ id }) => id === rule.id);
    const number = index + 1;
    if (previous === undefined)
      return [{ title: t('change.ruleAdded', { number }), after: describeRule(rule) }];
    if (isSame(previous, rule)) return [];
    return [
      {
        title: t('change.ruleChanged', { number }),
        before: describeWhole(previous, rule),
        after: describeWhole(rule, previous),
      },
    ];
  });
  const isMoved = !isSame(commonIds(before, after), commonIds(after, before));
  return [...removed, ...others, ...(isMoved ? [{ title: t('change.rulesMoved') }] : [])];
};

/** A sentence leaves out seeds and long lists, so a rule with the same sentence is shown as JSON. */
const describeWhole = (rule: Rule, other: Rule): string =>
  describeRule(rule) === describeRule(other) ? JSON.stringify(rule) : describeRule(rule);

const variantChanges = (
  before: FlagDocument['variants'],
  after: FlagDocument['variants'],
): readonly Change[] =>
  [...new Set([...Object.keys(before), ...Object.keys(after)])]
    .filter(name => !isSame(before[name], after[name]))
    .map(name => ({
      title: t('change.variant', { name }),
      before: Object.hasOwn(before, name) ? textOf(before[name]) : undefined,
      after: Object.hasOwn(after, name) ? textOf(after[name]) : undefined,
    }));
