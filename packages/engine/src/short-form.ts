import type { EvaluationFlag, RuleInput } from '@pennon/schema';

import { MAX_GROUP_DEPTH } from './conditions.ts';
import { FLAG_FIELDS } from './flags.ts';
import { isList, isObject, optional, ownValue, type RawObject } from './json.ts';
import { operatorOf } from './operators.ts';

const SHORT_CONDITION: ReadonlySet<string> = new Set(['attribute', 'operator', 'value']);

/** Returns the fields in which null means absent. TypeScript rejects a table that lacks a field. */
const nullableNames = <Name extends string>(table: Record<Name, boolean>): ReadonlySet<string> =>
  new Set(Object.entries(table).flatMap(([name, isNullable]) => (isNullable ? [name] : [])));

/** A default variant of null means the caller's own default. The others cannot be null in a request. */
const NOT_NULLABLE_IN_FLAG: readonly string[] = [
  'enabled',
  'defaultVariant',
  'requires',
] satisfies (keyof EvaluationFlag)[];

/** Descriptive fields are not among these, because they stay null. */
const NULLABLE_IN_FLAG: ReadonlySet<string> = new Set(
  [...FLAG_FIELDS, 'version', 'createdAt', 'updatedAt'].filter(
    name => !NOT_NULLABLE_IN_FLAG.includes(name),
  ),
);
const NULLABLE_IN_RULE = nullableNames<keyof RuleInput>({
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
const NULLABLE_IF_OPERAND_IS_OPTIONAL: ReadonlySet<string> = new Set(['not', 'value']);

const filterFields = (
  object: RawObject,
  keep: (name: string, value: unknown) => boolean,
): RawObject =>
  Object.fromEntries(Object.entries(object).filter(([name, value]) => keep(name, value)));

/** Removes null from optional fields. Null in other fields stays, so that validation rejects it. */
const withoutNulls = (object: RawObject, nullable: ReadonlySet<string>): RawObject =>
  filterFields(object, (name, value) => (value ?? undefined) !== undefined || !nullable.has(name));

const isShort = (name: string): boolean => SHORT_CONDITION.has(name);

const expandCondition = (raw: unknown, depth: number): unknown => {
  if (!isObject(raw)) return raw;
  const isOperandOptional = operatorOf(ownValue(raw, 'operator'))?.isOperandOptional;
  const nullable = isOperandOptional ? NULLABLE_IF_OPERAND_IS_OPTIONAL : NULLABLE_IN_CONDITION;
  const condition = withoutNulls(raw, nullable);
  const groups = ['any', 'all'].filter(group => isList(ownValue(condition, group)));
  const expanded = groups.map(
    group => [group, expandConditions(condition[group], depth + 1)] as const,
  );
  return { ...condition, ...Object.fromEntries(expanded) };
};

/** Leaves groups that nest too deep unchanged, so that validation rejects them. */
const expandConditions = (conditions: unknown, depth: number): unknown =>
  isList(conditions) && depth <= MAX_GROUP_DEPTH
    ? conditions.map(condition => expandCondition(condition, depth))
    : conditions;

/** Moves a condition in the rule itself into `conditions`. Validation rejects a rule that has both. */
const withConditions = (rule: RawObject): RawObject => {
  const conditions = ownValue(rule, 'conditions');
  if (conditions !== undefined) return { ...rule, conditions: expandConditions(conditions, 0) };
  if (!Object.hasOwn(rule, 'attribute')) return { ...rule, conditions: [] };
  const condition = filterFields(rule, isShort);
  return { ...filterFields(rule, name => !isShort(name)), conditions: [condition] };
};

const defaultServe = (rule: RawObject): RawObject =>
  Object.hasOwn(rule, 'variant') || Object.hasOwn(rule, 'split') ? {} : { variant: 'on' };

const expandRule = (raw: unknown, nextId: () => string): unknown => {
  if (!isObject(raw)) return raw;
  const rule = withConditions(withoutNulls(raw, NULLABLE_IN_RULE));
  const { id, conditions, ...others } = rule;
  return {
    id: id ?? nextId(),
    conditions,
    percentage: 100,
    bucketBy: 'targetingKey',
    ...defaultServe(others),
    ...others,
  };
};

/** Generates `rule-1`, `rule-2` and so on, skipping ids that are taken. The same rules get the same ids. */
const idGenerator = (rules: readonly unknown[]): (() => string) => {
  const taken = new Set(rules.map(rule => (isObject(rule) ? ownValue(rule, 'id') : undefined)));
  let last = 0;
  return () => {
    do last += 1;
    while (taken.has(`rule-${last}`));
    return `rule-${last}`;
  };
};

/** Returns the full form of the rules of a flag: each gets an id, conditions, a percentage and a variant. */
export const expandRules = (rules: unknown): unknown => {
  if (!isList(rules)) return rules ?? [];
  const nextId = idGenerator(rules);
  return rules.map(rule => expandRule(rule, nextId));
};

/** A flag without rules is on for every subject; with rules it is off unless one serves. */
const booleanDefault = (flag: RawObject): string => {
  const rules = optional(flag, 'rules');
  return isList(rules) && rules.length > 0 ? 'off' : 'on';
};

/** A flag without variants and without another type is boolean. Other types must state their variants. */
const booleanFields = (flag: RawObject): RawObject => {
  const type = optional(flag, 'type') ?? 'boolean';
  if (type !== 'boolean' || optional(flag, 'variants') !== undefined) return {};
  const defaultVariant = ownValue(flag, 'defaultVariant');
  return {
    type,
    variants: { on: true, off: false },
    defaultVariant: defaultVariant === undefined ? booleanDefault(flag) : defaultVariant,
  };
};

const expandFlag = (flag: RawObject, flagKey: string | undefined): RawObject => {
  const key = optional(flag, 'key') ?? flagKey;
  return {
    ...(key !== undefined && { key, seed: key }),
    clientVisible: false,
    metadata: {},
    ...withoutNulls(flag, NULLABLE_IN_FLAG),
    ...booleanFields(flag),
    rules: expandRules(optional(flag, 'rules')),
  };
};

/**
 * Returns the full form of a flag in short form. Leaves what it does not recognize unchanged, so that
 * validation rejects it. Never throws, and changes nothing in place.
 *
 * @example
 * expandShortForm({ enabled: true, rules: [{ percentage: 20 }] }, 'new-checkout');
 * // { key: 'new-checkout', type: 'boolean', variants: { on: true, off: false }, defaultVariant: 'off', … }
 */
export const expandShortForm = (flag: unknown, flagKey?: string): unknown =>
  isObject(flag) ? expandFlag(flag, flagKey) : flag;
