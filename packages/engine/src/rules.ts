import type { Rule, SplitEntry } from '@pennon/schema';

import { served, unitMissing, type FlagInfo } from './results.ts';
import { reader } from './attributes.ts';
import { compileConditions, holdsAll, type CompileDeps } from './conditions.ts';
import {
  fieldNames,
  optional,
  hasLength,
  isList,
  isObject,
  ownValue,
  unknownNames,
  type Fields,
} from './fields.ts';
import { ADMISSION_DRAW, bound, DRAWS, drawSeed, VARIANT_DRAW } from './hash.ts';
import type { Admission, Band, CompiledCondition, CompiledRule, Serve } from './model.ts';
import { below, type Report } from './problems.ts';
import { joinQuoted, describe, quote } from './format.ts';

const RULE_FIELDS = fieldNames<Rule>({
  id: true,
  conditions: true,
  variant: true,
  split: true,
  percentage: true,
  bucketBy: true,
  seed: true,
});
const SPLIT_ENTRY_FIELDS = fieldNames<SplitEntry>({ variant: true, weight: true });
const ID_LENGTH = 100;
const SEED_LENGTH = 256;
const MAX_TOTAL_WEIGHT = 100_000;

/** The flag around a rule, as far as a rule must know it. */
export type RuleScope = CompileDeps & {
  readonly facts: FlagInfo;
  /** Undefined where the flag's variants cannot be read, so that no rule is blamed for it. */
  readonly variants: ReadonlySet<string> | undefined;
  readonly report: Report;
};

/** A rule that cannot be compiled has been reported, so its flag is malformed. */
type Compiled<Part> = Part | undefined;

const readId = (fields: Fields, path: string, report: Report): string | undefined => {
  const id = optional(fields, 'id');
  if (id === undefined) return undefined;
  if (typeof id === 'string' && hasLength(id, 1, ID_LENGTH)) return id;
  report(
    below(path, 'id'),
    `must be a text of 1 to ${ID_LENGTH} characters, and is ${describe(id)}`,
  );
  return undefined;
};

/** A seed of a rule or a flag. */
export const readSeed = (
  fields: Fields,
  path: string,
  defaultResult: string,
  report: Report,
): string => {
  const seed = optional(fields, 'seed');
  if (seed === undefined) return defaultResult;
  if (typeof seed === 'string' && hasLength(seed, 1, SEED_LENGTH)) return seed;
  report(
    below(path, 'seed'),
    `must be a text of 1 to ${SEED_LENGTH} characters, and is ${describe(seed)}`,
  );
  return defaultResult;
};

const readBucketBy = (fields: Fields, path: string, report: Report): string => {
  const bucketBy = optional(fields, 'bucketBy') ?? 'targetingKey';
  if (typeof bucketBy === 'string' && bucketBy !== '') return bucketBy;
  report(below(path, 'bucketBy'), `must be the name of an attribute, and is ${describe(bucketBy)}`);
  return 'targetingKey';
};

/** How many of the 100,000 draws are admitted. */
const readThreshold = (fields: Fields, path: string, report: Report): number => {
  const percentage = optional(fields, 'percentage') ?? 100;
  if (typeof percentage === 'number' && percentage >= 0 && percentage <= 100) {
    const threshold = Math.floor(percentage * 1000 + 0.5);
    if (threshold / 1000 === percentage) return threshold;
  }
  const wanted = 'must be a number from 0 to 100 with at most three decimals';
  report(below(path, 'percentage'), `${wanted}, and is ${describe(percentage)}`);
  return 0;
};

/** A variant that the flag has, by name. */
export const readVariant = (
  variant: unknown,
  path: string,
  { variants, report }: Pick<RuleScope, 'variants' | 'report'>,
): string | undefined => {
  if (typeof variant !== 'string') {
    report(path, `must be the name of a variant, and is ${describe(variant)}`);
    return undefined;
  }
  if (variants?.has(variant) ?? true) return variant;
  const known = joinQuoted([...(variants ?? [])]);
  report(path, `the flag has no variant ${quote(variant)}; its variants are ${known}`);
  return undefined;
};

const compileConditionsOf = (
  fields: Fields,
  path: string,
  around: RuleScope,
): CompiledCondition[] => {
  const conditions = optional(fields, 'conditions') ?? [];
  const at = below(path, 'conditions');
  if (isList(conditions)) return compileConditions(conditions, { ...around, path: at, depth: 0 });
  around.report(at, `must be a list of conditions, and is ${describe(conditions)}`);
  return [];
};

const isWeight = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0;

type Share = { readonly variant: string; readonly weight: number };

const readShare = (raw: unknown, path: string, around: RuleScope): Compiled<Share> => {
  const { report } = around;
  if (!isObject(raw)) {
    report(path, `must be {"variant": …, "weight": …}, and is ${describe(raw)}`);
    return undefined;
  }
  for (const unknown of unknownNames(raw, SPLIT_ENTRY_FIELDS)) {
    report(
      below(path, unknown),
      'there is no such field; a part of a split has "variant" and "weight"',
    );
  }
  const variant = readVariant(ownValue(raw, 'variant'), below(path, 'variant'), around);
  const weight = ownValue(raw, 'weight');
  if (!isWeight(weight)) {
    report(
      below(path, 'weight'),
      `must be a whole number that is not negative, and is ${describe(weight)}`,
    );
    return undefined;
  }
  return variant === undefined ? undefined : { variant, weight };
};

const reportRepeated = (shares: readonly Compiled<Share>[], path: string, report: Report) => {
  const seen = new Set<string>();
  shares.forEach((share, at) => {
    if (share === undefined) return;
    if (seen.has(share.variant)) {
      report(
        below(below(path, at), 'variant'),
        `the variant ${quote(share.variant)} is in this split already`,
      );
    }
    seen.add(share.variant);
  });
};

/** Bands in the order of the split: each ends where the draws of the next one begin. */
const bandsOf = (
  shares: readonly Share[],
  total: number,
  ruleId: string | undefined,
  facts: FlagInfo,
) => {
  const bands: Band[] = [];
  let before = 0;
  for (const { variant, weight } of shares) {
    before += weight;
    const answer = served(facts, 'SPLIT', variant, ruleId);
    if (answer === undefined) return undefined;
    const until = Math.ceil((before * DRAWS) / total);
    bands.push({ variant, weight, until, bound: bound(until), answer });
  }
  return bands;
};

const compileSplit = (
  raw: unknown,
  path: string,
  { id, seed }: { readonly id: string | undefined; readonly seed: string },
  around: RuleScope,
) => {
  if (!isList(raw) || raw.length === 0) {
    around.report(
      path,
      `must be a list of one or more {"variant": …, "weight": …}, and is ${describe(raw)}`,
    );
    return undefined;
  }
  const read = raw.map((share, at) => readShare(share, below(path, at), around));
  reportRepeated(read, path, around.report);
  const shares = read.filter(share => share !== undefined);
  if (shares.length < read.length) return undefined;
  const total = shares.reduce((sum, { weight }) => sum + weight, 0);
  if (total < 1 || total > MAX_TOTAL_WEIGHT) {
    around.report(
      path,
      `the weights must add up to 1 to ${MAX_TOTAL_WEIGHT}, and add up to ${total}`,
    );
    return undefined;
  }
  const bands = bandsOf(shares, total, id, around.facts);
  return bands && ({ kind: 'split', inner: drawSeed(seed, VARIANT_DRAW), bands } satisfies Serve);
};

const compileServe = (
  fields: Fields,
  path: string,
  rule: { readonly id: string | undefined; readonly seed: string; readonly threshold: number },
  around: RuleScope,
): Compiled<Serve> => {
  const variant = optional(fields, 'variant');
  const split = optional(fields, 'split');
  if ((variant === undefined) === (split === undefined)) {
    around.report(path, 'must have either a "variant" or a "split"');
    return undefined;
  }
  if (split !== undefined) return compileSplit(split, below(path, 'split'), rule, around);
  const known = readVariant(variant, below(path, 'variant'), around);
  if (known === undefined) return undefined;
  const reason = rule.threshold < DRAWS ? 'SPLIT' : 'TARGETING_MATCH';
  const answer = served(around.facts, reason, known, rule.id);
  return answer && { kind: 'variant', answer };
};

const admissionAt = (threshold: number, seed: string): Admission => ({
  inner: drawSeed(seed, ADMISSION_DRAW),
  threshold,
  bound: bound(threshold),
});

const compileRule = (raw: unknown, path: string, around: RuleScope): Compiled<CompiledRule> => {
  const { facts, report } = around;
  if (!isObject(raw)) {
    report(path, `must be a rule, and is ${describe(raw)}`);
    return undefined;
  }
  for (const unknown of unknownNames(raw, RULE_FIELDS)) {
    report(
      below(path, unknown),
      `there is no such field; a rule has ${joinQuoted([...RULE_FIELDS])}`,
    );
  }
  const id = readId(raw, path, report);
  const conditions = compileConditionsOf(raw, path, around);
  const threshold = readThreshold(raw, path, report);
  const bucketBy = readBucketBy(raw, path, report);
  const seed = readSeed(raw, path, facts.seed, report);
  const serve = compileServe(raw, path, { id, seed, threshold }, around);
  return (
    serve && {
      id,
      conditions,
      holds: holdsAll(conditions),
      admission: admissionAt(threshold, seed),
      serve,
      bucketBy,
      readUnit: reader(bucketBy),
      unitMissing: unitMissing(facts.key, bucketBy),
    }
  );
};

const reportRepeatedIds = (rules: readonly unknown[], report: Report) => {
  const seen = new Set<unknown>();
  rules.forEach((rule, at) => {
    const id = isObject(rule) ? optional(rule, 'id') : undefined;
    if (typeof id !== 'string') return;
    if (seen.has(id))
      report(`rules.${at}.id`, `another rule of this flag has the id ${quote(id)} already`);
    seen.add(id);
  });
};

/** Compiles a flag's rules in their order; what is malformed is reported and left out. */
export const compileRules = (raw: unknown, around: RuleScope): CompiledRule[] => {
  if (raw === undefined) return [];
  if (!isList(raw)) {
    around.report('rules', `must be a list of rules, and is ${describe(raw)}`);
    return [];
  }
  reportRepeatedIds(raw, around.report);
  return raw
    .map((rule, at) => compileRule(rule, `rules.${at}`, around))
    .filter(rule => rule !== undefined);
};
