import { isDeepStrictEqual } from 'node:util';

import type { AttributeCondition, ErrorDetail, Flag, Rule } from '@pennon/schema';

import {
  attributeConditionsIn,
  comparedType,
  usageAsOtherType,
  type ComparedType,
  type Usage,
} from '../flag-set/attribute-types.ts';
import {
  bucketByWarnings,
  conditionWarningSteps,
  emptyListWarnings,
  neverHolds,
  unknownVariantWarnings,
} from '../resources/condition-warnings.ts';
import type { IndexedFlagSet } from '../flag-set/documents.ts';
import type { Steps } from '../slices.ts';
import { variantsOf } from './effect.ts';

const MAX_WARNINGS = 50;

/**
 * Returns what is accepted, but probably unintended. `elsewhere`: the same key in other environments;
 * `flagSet`: the environment of the flag, undefined when it is being deleted.
 */
export function* flagWarningSteps(
  flag: Flag,
  elsewhere: ReadonlyMap<string, Flag>,
  flagSet: IndexedFlagSet | undefined,
): Steps<readonly ErrorDetail[]> {
  const rules = yield* analyzeRules(flag);
  const warnings = [
    ...singleOutcome(flag, rules),
    ...unreachableRules(rules),
    ...differentTypes(flag, elsewhere),
    ...differentCodeDefaults(flag, elsewhere),
  ];
  const findOtherUsage = otherUsages(flag, flagSet);
  for (const [index, rule] of flag.rules.entries()) {
    if (warnings.length >= MAX_WARNINGS) break;
    const path = `rules.${index}`;
    warnings.push(
      ...ruleWarnings(rule, path, flagSet),
      ...(yield* conditionWarningSteps(
        rule.conditions,
        `${path}.conditions`,
        ({ condition }, type) => findOtherUsage(`${path}.`, condition, type),
      )),
    );
  }
  return warnings.slice(0, MAX_WARNINGS);
}

const ruleWarnings = (
  { conditions, percentage, bucketBy }: Rule,
  path: string,
  flagSet: IndexedFlagSet | undefined,
): ErrorDetail[] => {
  const base = `${path}.conditions`;
  return [
    ...tinyPercentage(percentage, `${path}.percentage`),
    ...bucketByWarnings(bucketBy, `${path}.bucketBy`),
    ...(flagSet === undefined ? [] : unknownVariantWarnings(conditions, base, flagSet)),
    ...emptyListWarnings(conditions, base).filter(
      // Such a rule never serves anyone, and has a warning already.
      warning => !conditions.some((each, at) => neverHolds(each) && isIn(warning, base, at)),
    ),
  ];
};

/** Returns a function that finds a comparison of an attribute as another type, in another rule or document. */
const otherUsages = (flag: Flag, flagSet: IndexedFlagSet | undefined) => {
  const owner = `flag "${flag.key}"`;
  const usages = usagesByRule(flag, owner);
  const inFlagSet = new Map<string, Usage | undefined>();
  return (
    rulePath: string,
    condition: AttributeCondition,
    type: ComparedType,
  ): Usage | undefined => {
    const { attribute } = condition;
    const isElsewhere = ({ path, type: other }: Usage) =>
      other !== type && !path.startsWith(rulePath);
    const inFlag = usages.get(attribute)?.find(isElsewhere);
    if (inFlag !== undefined || flagSet === undefined) return inFlag;
    const term = `${type} ${attribute}`;
    if (!inFlagSet.has(term))
      inFlagSet.set(term, usageAsOtherType(flagSet, owner, condition, type));
    return inFlagSet.get(term);
  };
};

const isIn = ({ path }: ErrorDetail, base: string, index: number): boolean =>
  path === `${base}.${index}.value`;

/** The conditions of a flag by attribute, one of each rule and type. */
const usagesByRule = (flag: Flag, owner: string): ReadonlyMap<string, readonly Usage[]> => {
  const usages = flag.rules.flatMap(({ conditions }, index) => {
    const found = new Map<string, Usage>();
    for (const { path, condition } of attributeConditionsIn(
      conditions,
      `rules.${index}.conditions`,
    )) {
      const type = comparedType(condition);
      const { attribute } = condition;
      if (type !== undefined) found.set(`${type} ${attribute}`, { owner, path, attribute, type });
    }
    return [...found.values()];
  });
  return Map.groupBy(usages, ({ attribute }) => attribute);
};

/** 0.5 is accepted as half a percent. */
const tinyPercentage = (percentage: number | null | undefined, path: string): ErrorDetail[] => {
  if (percentage == null || percentage <= 0 || percentage >= 1) return [];
  const share = Number((percentage * 100).toPrecision(6));
  return [
    {
      path,
      message: `is less than one percent: if ${share} % of the subjects are meant, send ${share}`,
    },
  ];
};

type AnalyzedRule = {
  readonly rule: Rule;
  /** As JSON, so that they can be compared. */
  readonly conditions: ReadonlySet<string>;
  /** Why the rule never serves anyone; undefined when it may. */
  readonly unreachable: string | undefined;
};

function* analyzeRules(flag: Flag): Steps<readonly AnalyzedRule[]> {
  const analyzed: AnalyzedRule[] = [];
  for (const rule of flag.rules) {
    const conditions = new Set(rule.conditions.map(condition => JSON.stringify(condition)));
    const unreachable = unreachableReason(rule) ?? shadowedBy(flag, { rule, conditions }, analyzed);
    analyzed.push({ rule, conditions, unreachable });
    yield;
  }
  return analyzed;
}

const singleOutcome = (flag: Flag, rules: readonly AnalyzedRule[]): ErrorDetail[] => {
  if (rules.length === 0) return [];
  const reachable = rules.filter(({ unreachable }) => unreachable === undefined);
  const outcomes = new Set(reachable.flatMap(({ rule }) => variantsOf(rule)));
  if (!reachable.some(({ rule }) => servesEveryone(rule))) outcomes.add(flag.defaultVariant);
  if (outcomes.size !== 1) return [];
  const [only] = outcomes;
  const outcome = only === null ? 'the default value in code' : `the variant "${only}"`;
  return [
    { path: 'rules', message: `every outcome is ${outcome}, so the rules make no difference` },
  ];
};

const percentageOf = (rule: Rule): number => rule.percentage ?? 100;

const servesEveryone = (rule: Rule): boolean =>
  rule.conditions.length === 0 && percentageOf(rule) === 100;

const unreachableRules = (rules: readonly AnalyzedRule[]): ErrorDetail[] =>
  rules.flatMap(({ rule, unreachable }, index) =>
    unreachable === undefined
      ? []
      : [
          {
            path: `rules.${index}`,
            message: `rule "${rule.id}" never serves anyone: ${unreachable}`,
          },
        ],
  );

const unreachableReason = (rule: Rule): string | undefined => {
  if (percentageOf(rule) === 0) return 'its percentage is 0';
  return rule.conditions.some(neverHolds) ? 'one of its conditions has an empty list' : undefined;
};

/**
 * An earlier rule serves all subjects of a later one if it has no further conditions, since all conditions
 * of a rule must hold, and if its percentage admits them.
 */
const shadowedBy = (
  flag: Flag,
  { rule, conditions }: Pick<AnalyzedRule, 'rule' | 'conditions'>,
  earlierRules: readonly AnalyzedRule[],
): string | undefined => {
  const earlier = earlierRules.find(
    candidate =>
      admitsAll(flag, candidate.rule, rule) &&
      [...candidate.conditions].every(condition => conditions.has(condition)),
  );
  return earlier && `rule "${earlier.rule.id}" before it serves all of its subjects`;
};

/** Whether `earlier` admits every subject that `rule` admits. */
const admitsAll = (flag: Flag, earlier: Rule, rule: Rule): boolean =>
  percentageOf(earlier) === 100 ||
  (hasSameDraw(flag, earlier, rule) && percentageOf(earlier) >= percentageOf(rule));

const hasSameDraw = (flag: Flag, a: Rule, b: Rule): boolean =>
  (a.seed ?? flag.seed) === (b.seed ?? flag.seed) &&
  (a.bucketBy ?? 'targetingKey') === (b.bucketBy ?? 'targetingKey');

const differentTypes = ({ type }: Flag, elsewhere: ReadonlyMap<string, Flag>): ErrorDetail[] =>
  [...elsewhere]
    .filter(([, other]) => other.type !== type)
    .map(([environment, other]) => ({
      path: 'type',
      message: `is "${type}" here and "${other.type}" in environment "${environment}"`,
    }));

/** An application passes one default value in all environments. */
const differentCodeDefaults = (
  { codeDefault }: Flag,
  elsewhere: ReadonlyMap<string, Flag>,
): ErrorDetail[] =>
  [...elsewhere]
    .filter(([, other]) => codeDefault != null && other.codeDefault != null)
    .filter(([, other]) => !isDeepStrictEqual(other.codeDefault, codeDefault))
    .map(([environment]) => ({
      path: 'codeDefault',
      message: `differs from the code default in environment "${environment}", but code has only one default value`,
    }));
