import type { Rule, SplitEntry, Value } from '@pennon/schema';

import { readConditions, type ConditionDraft } from './import-conditions.ts';
import type { Logic } from './logic.ts';
import { isList, operandsOf, operationOf, readAttribute, readName, refuse } from './read-logic.ts';
import { ADMITTED, drawOf, DRAWS, NO_BUCKETING_VALUE, type Draw } from './targeting.ts';
import { Unsupported } from './unsupported.ts';

/** What rules may serve. */
export type Served = {
  readonly key: string;
  readonly variants: Readonly<Record<string, Value>>;
  readonly defaultVariant: string | null;
};

/** A rule that no schema has checked yet. */
export type RuleDraft = Omit<Rule, 'conditions'> & {
  readonly conditions: readonly ConditionDraft[];
};
type RuleFields = Omit<RuleDraft, 'id'>;

/** Rules of one flag are tried in order, so what is read later need not exclude what is read before. */
type Scope = {
  readonly flag: Served;
  readonly conditions: readonly ConditionDraft[];
  /** The part of the subjects to which the outcome is limited. */
  readonly admission: Pick<RuleFields, 'percentage' | 'bucketBy' | 'seed'>;
  /** Whether nothing follows, so that the default variant needs no rule. */
  readonly isLast: boolean;
};

const ruleOf = ({ conditions, admission }: Scope, fields: Partial<RuleFields>): RuleFields => ({
  conditions,
  ...admission,
  ...fields,
});

const defaultRules = (scope: Scope): RuleFields[] => {
  if (scope.isLast) return [];
  const { defaultVariant } = scope.flag;
  if (defaultVariant === null)
    throw new Unsupported('serves null before other outcomes, which needs a "defaultVariant"');
  return [ruleOf(scope, { variant: defaultVariant })];
};

const variantRules = (name: string, scope: Scope): RuleFields[] => {
  // Pennon reports this error by itself.
  if (name === NO_BUCKETING_VALUE) return [];
  if (!Object.hasOwn(scope.flag.variants, name))
    throw new Unsupported(`serves "${name}", which is not a variant of the flag`);
  return [ruleOf(scope, { variant: name })];
};

/** Returns the attribute and the seed of a bucketing expression. */
const bucketingOf = (logic: Logic): { bucketBy: string; draw?: Draw } => {
  const attribute = readAttribute(logic);
  if (attribute !== undefined) return { bucketBy: attribute };
  const [prefix, read, ...others] = operandsOf(logic, 'cat') ?? [];
  const bucketBy = readAttribute(read);
  if (bucketBy === undefined || others.length > 0)
    return refuse(logic, 'must bucket by one attribute, after a text or the key');
  if (readName(prefix) === '$flagd.flagKey') return { bucketBy };
  return typeof prefix === 'string'
    ? { bucketBy, draw: drawOf(prefix) }
    : refuse(logic, 'must bucket by one attribute, after a text or the key');
};

type Fractional = {
  readonly bucketing: { readonly bucketBy: string; readonly draw?: Draw };
  readonly shares: readonly (readonly Logic[])[];
};

const fractionalOf = (operands: readonly Logic[]): Fractional => {
  const [first, ...others] = operands;
  const isShort = first === undefined || isList(first);
  const shares = (isShort ? operands : others).map(share =>
    isList(share) && share.length >= 1 && share.length <= 2
      ? share
      : refuse(share, 'must have a variant and a weight in each share'),
  );
  return { bucketing: isShort ? { bucketBy: 'targetingKey' } : bucketingOf(first), shares };
};

/** The most that the weights of a `fractional` may have in total. flagd serves the default variant above it. */
const MAX_TOTAL_WEIGHT = 2 ** 31 - 1;

const weightOf = ([, weight = 1]: readonly Logic[]): number =>
  typeof weight === 'number' && Number.isInteger(weight) && weight >= 0
    ? weight
    : refuse(weight, 'must have a whole number from 0 as weight');

const weightsOf = (shares: Fractional['shares']): readonly number[] => {
  const weights = shares.map(weightOf);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return total > 0 && total <= MAX_TOTAL_WEIGHT
    ? weights
    : refuse(total, `must have weights from 1 to ${MAX_TOTAL_WEIGHT} in total`);
};

const splitOf = (shares: Fractional['shares'], { flag }: Scope): SplitEntry[] => {
  const weights = new Map<string, number>();
  for (const [at, weight] of weightsOf(shares).entries()) {
    const name = shares[at]?.[0] ?? null;
    if (typeof name === 'object' && name !== null) return refuse(name);
    const variant = name === null ? flag.defaultVariant : String(name);
    if (variant === null || !Object.hasOwn(flag.variants, variant))
      throw new Unsupported(`serves "${variant}", which is not a variant of the flag`);
    weights.set(variant, (weights.get(variant) ?? 0) + weight);
  }
  return reduced(Array.from(weights, ([variant, weight]) => ({ variant, weight })));
};

const divisorOf = (left: number, right: number): number =>
  right === 0 ? left : divisorOf(right, left % right);

/** Large weights are divided by what they have in common. */
const reduced = (split: SplitEntry[]): SplitEntry[] => {
  const divisor = split.reduce((common, { weight }) => divisorOf(common, weight), 0) || 1;
  return split.map(({ variant, weight }) => ({ variant, weight: weight / divisor }));
};

/** Fields that have their default value are left out. */
const bucketingFields = (
  { bucketBy, draw }: Fractional['bucketing'],
  { key }: Served,
): Pick<RuleFields, 'bucketBy' | 'seed'> => ({
  ...(bucketBy === 'targetingKey' ? {} : { bucketBy }),
  ...(draw === undefined || draw.seed === key ? {} : { seed: draw.seed }),
});

const fractionalRules = (operands: readonly Logic[], scope: Scope): RuleFields[] => {
  const { bucketing, shares } = fractionalOf(operands);
  const split = splitOf(shares, scope);
  return [ruleOf(scope, { ...bucketingFields(bucketing, scope.flag), split })];
};

/** Reads the admission of a percentage, which is how the export writes one. */
const admissionOf = (logic: Logic, flag: Served): Scope['admission'] | undefined => {
  const [left, name] = operandsOf(logic, '===') ?? [];
  const operands = operandsOf(left, 'fractional');
  if (operands === undefined || name !== ADMITTED) return undefined;
  const { bucketing, shares } = fractionalOf(operands);
  const [admitted = 0, others = 0] = weightsOf(shares);
  const draws = (admitted * DRAWS) / (admitted + others);
  const names = shares.map(([share]) => share);
  if (names.length !== 2 || names.indexOf(ADMITTED) !== 0 || names.lastIndexOf(ADMITTED) !== 0)
    return refuse(logic);
  if (!Number.isInteger(draws)) return refuse(logic, 'must admit a multiple of 0.001 %');
  return { percentage: draws / 1000, ...bucketingFields(bucketing, flag) };
};

/** Adds the condition of an outcome; undefined if it never holds. */
const withCondition = (logic: Logic, scope: Scope): Scope | undefined => {
  const parts = operandsOf(logic, 'and') ?? [logic];
  const admissions = parts.map(part => admissionOf(part, scope.flag));
  const [admission, ...others] = admissions.filter(each => each !== undefined);
  if (admission === undefined) return addConditions(logic, scope);
  if (others.length > 0) return refuse(logic, 'must have only one percentage in a rule');
  const remaining = parts.filter((_, at) => admissions[at] === undefined);
  return addConditions(remaining.length === 0 ? true : { and: remaining }, { ...scope, admission });
};

const addConditions = (logic: Logic, scope: Scope): Scope | undefined => {
  const added = readConditions(logic);
  return added && { ...scope, conditions: [...scope.conditions, ...added] };
};

/** Reads conditions and outcomes in turn. */
const ifRules = (operands: readonly Logic[], scope: Scope): RuleFields[] => {
  const [condition = null, outcome, ...others] = operands;
  if (outcome === undefined) return readRules(condition, scope);
  const rest = others.length === 0 ? [null] : others;
  const isLast = scope.isLast && others.every(each => each === null);
  // The error that the export writes needs no condition here.
  const within =
    outcome === NO_BUCKETING_VALUE ? undefined : withCondition(condition, { ...scope, isLast });
  // An outcome that is never served is read as well, because flagd refuses the whole rule if it is invalid.
  const rules = readRules(outcome, within ?? scope);
  return [...(within ? rules : []), ...ifRules(rest, scope)];
};

/** Whether a condition is null for values that its operator does not compare, so flagd serves the default variant. */
const canBeNull = (logic: Logic | undefined): boolean => {
  const { operator = '', operands = [] } = operationOf(logic ?? null) ?? {};
  if (operator === 'and') return operands.some(canBeNull);
  if (operator === 'or') return canBeNull(operands.at(-1));
  return ['starts_with', 'ends_with', 'sem_ver'].includes(operator);
};

/** The result of a condition is the variant "true" or "false". */
const booleanRules = (logic: Logic, scope: Scope): RuleFields[] =>
  canBeNull(logic) && scope.flag.defaultVariant !== 'false'
    ? refuse(logic, 'must be in an "if", because it is neither true nor false for some values')
    : ifRules([logic, 'true', 'false'], scope);

const readRules = (logic: Logic, scope: Scope): RuleFields[] => {
  if (logic === null) return defaultRules(scope);
  if (typeof logic !== 'object') return variantRules(String(logic), scope);
  const { operator, operands } = operationOf(logic) ?? refuse(logic, 'is not a rule');
  if (operator === 'if') return ifRules(operands, scope);
  if (operator === 'fractional') return fractionalRules(operands, scope);
  return booleanRules(logic, scope);
};

/** Reads the targeting of a flag, in which all evaluators but segments are inserted. */
export const rulesOf = (targeting: Logic, flag: Served): RuleDraft[] =>
  readRules(targeting, { flag, conditions: [], admission: {}, isLast: true }).map((rule, at) => ({
    id: `rule-${at + 1}`,
    ...rule,
  }));
