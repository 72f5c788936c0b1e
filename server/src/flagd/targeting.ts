import type { EvaluationFlag, Rule } from '@pennon/schema';

import { requireSameAttribute } from './attribute-names.ts';
import { conditionsLogic, type References } from './conditions.ts';
import {
  allOf,
  isOneOf,
  itemsOf,
  not,
  same,
  someItem,
  variable,
  type Logic,
  type RenderType,
} from './logic.ts';
import { Unsupported } from './unsupported.ts';

/** As a variant that no flag has it makes flagd report an error, which is what Pennon does. */
export const NO_BUCKETING_VALUE = 'error: the bucketing value is missing';

/** The results that a draw can have: percentages have three decimals. */
export const DRAWS = 100_000;

const thresholdOf = ({ percentage }: Rule): number => Math.floor((percentage ?? 100) * 1000 + 0.5);

/** Whether a hash decides the result of a rule, or the bucketing value is required as if it did. */
const isHashed = (rule: Rule): boolean =>
  thresholdOf(rule) > 0 && (thresholdOf(rule) < DRAWS || rule.split != null);

export const hasHashedRules = ({ rules }: EvaluationFlag): boolean => rules.some(isHashed);

/** The prefixes of the two hashed texts, which make the two draws independent of each other. */
const [VARIANT_DRAW, ADMISSION_DRAW] = ['0', '1'];

export type Draw = { readonly seed: string };

const hashedText = (seed: string, draw: string): string => `${seed}/${draw}/`;

/** Reads a hashed text; one that is not from an export is the seed itself. */
export const drawOf = (text: string): Draw => ({
  seed: /^(.+)\/[01]\/$/s.exec(text)?.[1] ?? text,
});

/** The result of the draw that decides whether a rule admits a subject. */
export const ADMITTED = 'in';

type Bucketing = { readonly seed: string; readonly unit: Logic };

const bucketingOf = (rule: Rule, flag: EvaluationFlag): Bucketing => {
  const attribute = rule.bucketBy ?? 'targetingKey';
  requireSameAttribute(attribute);
  return { seed: rule.seed ?? flag.seed, unit: variable(attribute) };
};

const fractional = (
  { seed, unit }: Bucketing,
  draw: string,
  shares: readonly (readonly [name: string, weight: number])[],
): Logic => ({ fractional: [{ cat: [hashedText(seed, draw), unit] }, ...shares] });

/** A list is not hashed, even if its only item could be. */
const canBeHashed = ({ unit }: Bucketing, type: RenderType): Logic =>
  allOf([someItem(unit, type('isBucketingValue')), isOneOf(unit, itemsOf(unit))]);

const admission = (bucketing: Bucketing, threshold: number): readonly Logic[] =>
  threshold === DRAWS
    ? []
    : [
        same(
          fractional(bucketing, ADMISSION_DRAW, [
            [ADMITTED, threshold],
            ['out', DRAWS - threshold],
          ]),
          ADMITTED,
        ),
      ];

/** The engine in Go compares the names of variants with the JSON of a result. */
const requirePlainNames = (names: readonly string[]): void => {
  const name = names.find(each => /["\\<>&\u2028\u2029\p{Cc}]/u.test(each));
  if (name !== undefined)
    throw new Unsupported(
      `a rule serves ${JSON.stringify(name)}, but flagd serves no variant with one of "\\<>& in its name`,
    );
};

const outcomeOf = ({ variant, split }: Rule, bucketing: Bucketing): Logic =>
  split == null
    ? (variant ?? null)
    : fractional(
        bucketing,
        VARIANT_DRAW,
        split.map(entry => [entry.variant, entry.weight] as const),
      );

/** Returns conditions and outcomes in turn, as `if` has them. */
const ruleLogic = (rule: Rule, flag: EvaluationFlag, references: References): readonly Logic[] => {
  const threshold = thresholdOf(rule);
  if (threshold === 0) return [];
  const holds = conditionsLogic(rule.conditions, references);
  if (!isHashed(rule)) return [holds, rule.variant ?? null];
  const bucketing = bucketingOf(rule, flag);
  return [
    joined(holds, not(canBeHashed(bucketing, references.type))),
    NO_BUCKETING_VALUE,
    joined(holds, ...admission(bucketing, threshold)),
    outcomeOf(rule, bucketing),
  ];
};

/** Joins conditions, without those that always hold. */
const joined = (...logics: readonly Logic[]): Logic => allOf(logics.filter(each => each !== true));

const chain = (
  flag: EvaluationFlag,
  references: References,
  fallback: string | null,
): Logic | undefined => {
  if (Object.hasOwn(flag.variants, NO_BUCKETING_VALUE))
    throw new Unsupported(`its variant "${NO_BUCKETING_VALUE}" has a special meaning here`);
  const steps = flag.rules.flatMap(rule => ruleLogic(rule, flag, references));
  return steps.length === 0 ? undefined : { if: [...steps, fallback] };
};

/** Returns the names of the variants that the rules of a flag serve. */
const servedBy = ({ rules }: EvaluationFlag): readonly string[] =>
  rules.flatMap(({ variant, split }) => split?.map(entry => entry.variant) ?? variant ?? []);

/** Returns the rules of a flag as flagd's targeting; undefined if it has none. */
export const targetingLogic = (flag: EvaluationFlag, references: References): Logic | undefined => {
  requirePlainNames(servedBy(flag));
  // With null, flagd serves the default variant with the reason DEFAULT.
  return chain(flag, references, null);
};

/** Returns the logic that results in the variant of a flag, or in a text that is not a variant. */
export const variantLogic = (flag: EvaluationFlag, references: References): Logic =>
  flag.enabled ? (chain(flag, references, flag.defaultVariant) ?? flag.defaultVariant) : null;
