import type { DescriptiveField, FlagCreate, RuleInput } from '@pennon/schema';

import { optional, isList, isObject, ownValue, type Fields } from './fields.ts';
import { operatorOf } from './operators.ts';

const MAX_GROUP_DEPTH = 5;

const SHORT_CONDITION: ReadonlySet<string> = new Set(['attribute', 'operator', 'value']);

/** `true` for the fields whose null means absent. The compiler refuses a table that lacks a field. */
const nullable = <Name extends string>(table: Record<Name, boolean>): ReadonlySet<string> =>
  new Set(Object.entries(table).flatMap(([name, isNullable]) => (isNullable ? [name] : [])));

/** A default variant of null means the caller's own default, and descriptive fields keep null. */
const NULLABLE_IN_FLAG = nullable<Exclude<keyof FlagCreate, DescriptiveField>>({
  key: true,
  type: true,
  enabled: false,
  variants: true,
  defaultVariant: false,
  rules: true,
  seed: true,
  clientVisible: true,
  metadata: true,
  version: true,
  createdAt: true,
  updatedAt: true,
});
const NULLABLE_IN_RULE = nullable<keyof RuleInput>({
  id: true,
  conditions: true,
  variant: true,
  split: true,
  percentage: true,
  bucketBy: true,
  seed: true,
  attribute: true,
  operator: true,
  value: true,
});
const NULLABLE_IN_CONDITION: ReadonlySet<string> = new Set(['not']);
const NULLABLE_WITH_OPERAND: ReadonlySet<string> = new Set(['not', 'value']);

const fieldsWhere = (fields: Fields, keep: (name: string, value: unknown) => boolean): Fields =>
  Object.fromEntries(Object.entries(fields).filter(([name, value]) => keep(name, value)));

/** Other fields of null stay, for validation to refuse them. */
const withoutNulls = (fields: Fields, names: ReadonlySet<string>): Fields =>
  fieldsWhere(fields, (name, value) => (value ?? undefined) !== undefined || !names.has(name));

const isShort = (name: string): boolean => SHORT_CONDITION.has(name);

const fillInCondition = (condition: unknown, depth: number): unknown => {
  if (!isObject(condition)) return condition;
  const isOperandOptional = operatorOf(ownValue(condition, 'operator'))?.isOperandOptional;
  const names = isOperandOptional ? NULLABLE_WITH_OPERAND : NULLABLE_IN_CONDITION;
  const kept = withoutNulls(condition, names);
  const groups = ['any', 'all'].filter(group => isList(ownValue(kept, group)));
  const filled = groups.map(group => [group, fillInConditions(kept[group], depth + 1)] as const);
  return { ...kept, ...Object.fromEntries(filled) };
};

/** Only what may be null is left out; deeper groups than a flag may have are left as they are. */
const fillInConditions = (conditions: unknown, depth: number): unknown =>
  isList(conditions) && depth <= MAX_GROUP_DEPTH
    ? conditions.map(condition => fillInCondition(condition, depth))
    : conditions;

/** One condition written into the rule itself. Beside `conditions` it is none, and is refused later. */
const withConditions = (rule: Fields): Fields => {
  const conditions = ownValue(rule, 'conditions');
  if (conditions !== undefined) return { ...rule, conditions: fillInConditions(conditions, 0) };
  if (!Object.hasOwn(rule, 'attribute')) return { ...rule, conditions: [] };
  const condition = fieldsWhere(rule, isShort);
  return { ...fieldsWhere(rule, name => !isShort(name)), conditions: [condition] };
};

const serveOf = (rule: Fields): Fields =>
  Object.hasOwn(rule, 'variant') || Object.hasOwn(rule, 'split') ? {} : { variant: 'on' };

const fillInRule = (raw: unknown, freeId: () => string): unknown => {
  if (!isObject(raw)) return raw;
  const rule = withConditions(withoutNulls(raw, NULLABLE_IN_RULE));
  const { id, conditions, ...others } = rule;
  const rest = { ...serveOf(others), ...others };
  return { id: id ?? freeId(), conditions, percentage: 100, bucketBy: 'targetingKey', ...rest };
};

/** `rule-1`, `rule-2`, …: the same ids for the same rules, and never one that is taken. */
const freeIds = (rules: readonly unknown[]): (() => string) => {
  const taken = new Set(rules.map(rule => (isObject(rule) ? ownValue(rule, 'id') : undefined)));
  let last = 0;
  return () => {
    do last += 1;
    while (taken.has(`rule-${last}`));
    return `rule-${last}`;
  };
};

const fillInRules = (rules: unknown): unknown => {
  if (!isList(rules)) return rules ?? [];
  const freeId = freeIds(rules);
  return rules.map(rule => fillInRule(rule, freeId));
};

/** On where nobody is singled out, off where rules say who gets it. */
const booleanDefault = (flag: Fields): string => {
  const rules = optional(flag, 'rules');
  return isList(rules) && rules.length > 0 ? 'off' : 'on';
};

/** A flag that says neither its variants nor another type is boolean; others must say all themselves. */
const valuesOf = (flag: Fields): Fields => {
  const type = optional(flag, 'type') ?? 'boolean';
  if (type !== 'boolean' || optional(flag, 'variants') !== undefined) return {};
  const defaultVariant = ownValue(flag, 'defaultVariant');
  return {
    type,
    variants: { on: true, off: false },
    defaultVariant: defaultVariant === undefined ? booleanDefault(flag) : defaultVariant,
  };
};

const fillInFlag = (flag: Fields, flagKey: string | undefined): Fields => {
  const kept = withoutNulls(flag, NULLABLE_IN_FLAG);
  const key = optional(flag, 'key') ?? flagKey;
  return {
    ...(key !== undefined && { key, seed: key }),
    clientVisible: false,
    metadata: {},
    ...kept,
    ...valuesOf(flag),
    rules: fillInRules(optional(flag, 'rules')),
  };
};

/**
 * Fills a flag that was written in the short form in to the full form. What it does not understand it
 * leaves as it is, for validation to refuse. Never throws and changes nothing in place.
 *
 * @example
 * expandShortForm({ enabled: true, rules: [{ percentage: 20 }] }, 'new-checkout');
 * // { key: 'new-checkout', type: 'boolean', variants: { on: true, off: false }, defaultVariant: 'off', … }
 */
export const expandShortForm = (flag: unknown, flagKey?: string): unknown =>
  isObject(flag) ? fillInFlag(flag, flagKey) : flag;
