import type { Evaluation, Rule, SplitEntry } from '@pennon/schema';

import { attributeReader, type AttributeReader, toBucketingValue } from './attributes.ts';
import { compileConditions, allOf, type CompileDeps } from './conditions.ts';
import { describe, joinQuoted, quote } from './format.ts';
import { ADMISSION_DRAW, DRAWS, drawSeed, highestHash, orderedHash, VARIANT_DRAW } from './hash.ts';
import {
  fieldNames,
  hasLength,
  isList,
  isObject,
  optional,
  ownValue,
  unknownNames,
  type RawObject,
} from './json.ts';
import type {
  Admission,
  Band,
  CompiledCondition,
  CompiledFlag,
  CompiledRule,
  Serve,
} from './model.ts';
import { below, type Report } from './problems.ts';
import { served, targetingKeyMissing, type FlagInfo } from './results.ts';

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
const MAX_ID_LENGTH = 100;
const MAX_SEED_LENGTH = 256;
const MAX_TOTAL_WEIGHT = 100_000;

/** What compiling a rule needs. Every function below that returns undefined has reported a problem. */
export type RuleScope = CompileDeps & {
  readonly flagInfo: FlagInfo;
  /** Undefined if they are malformed: then rules are not checked for the variants that they name. */
  readonly variants: ReadonlySet<string> | undefined;
  readonly report: Report;
};

const readId = (raw: RawObject, path: string, report: Report): string | undefined => {
  const id = optional(raw, 'id');
  if (id === undefined) return undefined;
  if (typeof id === 'string' && hasLength(id, 1, MAX_ID_LENGTH)) return id;
  const message = `must be a string of 1 to ${MAX_ID_LENGTH} characters, but is ${describe(id)}`;
  report(below(path, 'id'), message);
  return undefined;
};

/** Reads the seed of a rule or a flag. */
export const readSeed = (
  raw: RawObject,
  path: string,
  defaultSeed: string,
  report: Report,
): string => {
  const seed = optional(raw, 'seed');
  if (seed === undefined) return defaultSeed;
  if (typeof seed === 'string' && hasLength(seed, 1, MAX_SEED_LENGTH)) return seed;
  const message = `must be a string of 1 to ${MAX_SEED_LENGTH} characters, but is ${describe(seed)}`;
  report(below(path, 'seed'), message);
  return defaultSeed;
};

const readBucketBy = (raw: RawObject, path: string, report: Report): string => {
  const bucketBy = optional(raw, 'bucketBy') ?? 'targetingKey';
  if (typeof bucketBy === 'string' && bucketBy !== '') return bucketBy;
  const message = `must be the name of an attribute, but is ${describe(bucketBy)}`;
  report(below(path, 'bucketBy'), message);
  return 'targetingKey';
};

/** Reads the percentage as the number of draws that the rule admits. */
const readThreshold = (raw: RawObject, path: string, report: Report): number => {
  const percentage = optional(raw, 'percentage') ?? 100;
  if (typeof percentage === 'number' && percentage >= 0 && percentage <= 100) {
    const threshold = Math.floor(percentage * 1000 + 0.5);
    if (threshold / 1000 === percentage) return threshold;
  }
  const expected = 'must be a number from 0 to 100 with at most three decimals';
  report(below(path, 'percentage'), `${expected}, but is ${describe(percentage)}`);
  return 0;
};

/** Reads the name of a variant that the flag must have. */
export const readVariant = (
  variant: unknown,
  path: string,
  { variants, report }: Pick<RuleScope, 'variants' | 'report'>,
): string | undefined => {
  if (typeof variant !== 'string') {
    report(path, `must be the name of a variant, but is ${describe(variant)}`);
    return undefined;
  }
  if (variants?.has(variant) ?? true) return variant;
  const known = joinQuoted([...(variants ?? [])]);
  report(path, `the flag has no variant ${quote(variant)}; its variants are ${known}`);
  return undefined;
};

const compileRuleConditions = (
  raw: RawObject,
  path: string,
  { lookup, regexEngine, report }: RuleScope,
): CompiledCondition[] => {
  const conditions = optional(raw, 'conditions') ?? [];
  const conditionsPath = below(path, 'conditions');
  if (isList(conditions)) {
    const scope = { path: conditionsPath, depth: 0, lookup, regexEngine, report };
    return compileConditions(conditions, scope);
  }
  report(conditionsPath, `must be a list of conditions, but is ${describe(conditions)}`);
  return [];
};

const isWeight = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0;

const readSplitEntry = (raw: unknown, path: string, scope: RuleScope): SplitEntry | undefined => {
  const { report } = scope;
  if (!isObject(raw)) {
    report(path, `must be {"variant": …, "weight": …}, but is ${describe(raw)}`);
    return undefined;
  }
  for (const unknown of unknownNames(raw, SPLIT_ENTRY_FIELDS)) {
    const known = joinQuoted([...SPLIT_ENTRY_FIELDS]);
    report(below(path, unknown), `is an unknown field; an entry of a split has ${known}`);
  }
  const variant = readVariant(ownValue(raw, 'variant'), below(path, 'variant'), scope);
  const weight = ownValue(raw, 'weight');
  if (!isWeight(weight)) {
    const message = `must be a whole number of at least 0, but is ${describe(weight)}`;
    report(below(path, 'weight'), message);
    return undefined;
  }
  return variant === undefined ? undefined : { variant, weight };
};

const reportRepeatedVariants = (
  entries: readonly (SplitEntry | undefined)[],
  path: string,
  report: Report,
): void => {
  const seen = new Set<string>();
  entries.forEach((entry, index) => {
    if (entry === undefined) return;
    if (seen.has(entry.variant)) {
      const message = `the variant ${quote(entry.variant)} is already in this split`;
      report(below(below(path, index), 'variant'), message);
    }
    seen.add(entry.variant);
  });
};

/** The bands are in the order of the split. Each ends at the draw with which the next one begins. */
const bandsOf = (
  entries: readonly SplitEntry[],
  total: number,
  ruleId: string | undefined,
  flagInfo: FlagInfo,
): Band[] | undefined => {
  const bands: Band[] = [];
  let cumulative = 0;
  for (const { variant, weight } of entries) {
    cumulative += weight;
    const result = served(flagInfo, 'SPLIT', variant, ruleId);
    if (result === undefined) return undefined;
    const until = Math.ceil((cumulative * DRAWS) / total);
    bands.push({ variant, weight, until, lastHash: highestHash(until), result });
  }
  return bands;
};

/** The parts of a rule that are read before what it serves. */
type RuleHead = {
  readonly id: string | undefined;
  readonly seed: string;
  readonly threshold: number;
};

const compileSplit = (
  raw: unknown,
  path: string,
  { id, seed }: RuleHead,
  scope: RuleScope,
): Serve | undefined => {
  if (!isList(raw) || raw.length === 0) {
    const expected = 'must be a non-empty list of {"variant": …, "weight": …}';
    scope.report(path, `${expected}, but is ${describe(raw)}`);
    return undefined;
  }
  const read = raw.map((entry, index) => readSplitEntry(entry, below(path, index), scope));
  reportRepeatedVariants(read, path, scope.report);
  const entries = read.filter(entry => entry !== undefined);
  if (entries.length < read.length) return undefined;
  const total = entries.reduce((sum, { weight }) => sum + weight, 0);
  if (total < 1 || total > MAX_TOTAL_WEIGHT) {
    scope.report(path, `the total weight must be 1 to ${MAX_TOTAL_WEIGHT}, but is ${total}`);
    return undefined;
  }
  const bands = bandsOf(entries, total, id, scope.flagInfo);
  return bands && { kind: 'split', drawSeed: drawSeed(seed, VARIANT_DRAW), bands };
};

const compileServe = (
  raw: RawObject,
  path: string,
  head: RuleHead,
  scope: RuleScope,
): Serve | undefined => {
  const variant = optional(raw, 'variant');
  const split = optional(raw, 'split');
  if ((variant === undefined) === (split === undefined)) {
    scope.report(path, 'must have either a "variant" or a "split"');
    return undefined;
  }
  if (split !== undefined) return compileSplit(split, below(path, 'split'), head, scope);
  const known = readVariant(variant, below(path, 'variant'), scope);
  if (known === undefined) return undefined;
  const reason = head.threshold < DRAWS ? 'SPLIT' : 'TARGETING_MATCH';
  const result = served(scope.flagInfo, reason, known, head.id);
  return result && { kind: 'variant', result };
};

const admissionBelow = (threshold: number, seed: string): Admission => ({
  drawSeed: drawSeed(seed, ADMISSION_DRAW),
  threshold,
  lastHash: highestHash(Math.max(threshold, 1)),
});

/** Finds the band with this ordered hash. The bands of a split include every hash. */
const bandOf = (bands: readonly Band[], hash: number): Band | undefined => {
  for (const band of bands) if (hash <= band.lastHash) return band;
  return undefined;
};

const isAdmitted = ({ threshold, drawSeed: seed, lastHash }: Admission, value: string): boolean =>
  threshold === DRAWS || orderedHash(value, seed) <= lastHash;

/** Returns the function that finds the result of a rule that draws. */
const drawnResult =
  (
    admission: Admission,
    serve: Serve,
    readUnit: AttributeReader,
    withoutUnit: Evaluation,
  ): CompiledRule['resultFor'] =>
  context => {
    const value = toBucketingValue(readUnit(context));
    if (value === undefined) return withoutUnit;
    if (!isAdmitted(admission, value)) return undefined;
    if (serve.kind === 'variant') return serve.result;
    return bandOf(serve.bands, orderedHash(value, serve.drawSeed))?.result;
  };

/** What decides the result of a rule after its conditions. */
type RuleTail = Pick<CompiledRule, 'admission' | 'serve' | 'bucketBy' | 'readUnit'>;

const resultOf = (
  { admission, serve, bucketBy, readUnit }: RuleTail,
  flagKey: string,
): CompiledRule['resultFor'] => {
  const { threshold } = admission;
  if (threshold === 0) return () => undefined;
  if (threshold === DRAWS && serve.kind === 'variant') return () => serve.result;
  return drawnResult(admission, serve, readUnit, targetingKeyMissing(flagKey, bucketBy));
};

const resultOfOne =
  (
    holds: CompiledRule['holds'],
    resultFor: CompiledRule['resultFor'],
    defaultResult: Evaluation,
  ): CompiledFlag['resultFor'] =>
  (context, evaluationId) =>
    (holds(context, evaluationId) ? resultFor(context) : undefined) ?? defaultResult;

/** Returns the function that finds the result of the first rule that serves. One rule, which is common, needs no loop. */
export const firstResult = (
  rules: readonly CompiledRule[],
  defaultResult: Evaluation,
): CompiledFlag['resultFor'] => {
  const [first] = rules;
  if (first !== undefined && rules.length === 1) {
    return resultOfOne(first.holds, first.resultFor, defaultResult);
  }
  return (context, evaluationId) => {
    for (const rule of rules) {
      if (!rule.holds(context, evaluationId)) continue;
      const result = rule.resultFor(context);
      if (result !== undefined) return result;
    }
    return defaultResult;
  };
};

const compileRule = (raw: unknown, path: string, scope: RuleScope): CompiledRule | undefined => {
  const { flagInfo, report } = scope;
  if (!isObject(raw)) {
    report(path, `must be a rule, but is ${describe(raw)}`);
    return undefined;
  }
  for (const unknown of unknownNames(raw, RULE_FIELDS)) {
    const known = joinQuoted([...RULE_FIELDS]);
    report(below(path, unknown), `is an unknown field; a rule has ${known}`);
  }
  const id = readId(raw, path, report);
  const conditions = compileRuleConditions(raw, path, scope);
  const threshold = readThreshold(raw, path, report);
  const bucketBy = readBucketBy(raw, path, report);
  const seed = readSeed(raw, path, flagInfo.seed, report);
  const serve = compileServe(raw, path, { id, seed, threshold }, scope);
  if (serve === undefined) return undefined;
  const admission = admissionBelow(threshold, seed);
  const tail = { admission, serve, bucketBy, readUnit: attributeReader(bucketBy) };
  return {
    id,
    conditions,
    holds: allOf(conditions),
    resultFor: resultOf(tail, flagInfo.key),
    ...tail,
  };
};

const reportRepeatedIds = (rules: readonly unknown[], report: Report): void => {
  const seen = new Set<string>();
  rules.forEach((rule, index) => {
    const id = isObject(rule) ? optional(rule, 'id') : undefined;
    if (typeof id !== 'string') return;
    if (seen.has(id))
      report(`rules.${index}.id`, `another rule of this flag already has the id ${quote(id)}`);
    seen.add(id);
  });
};

/** Compiles a flag's rules in their order. Malformed ones are reported and left out. */
export const compileRules = (raw: unknown, scope: RuleScope): CompiledRule[] => {
  if (raw === undefined) return [];
  if (!isList(raw)) {
    scope.report('rules', `must be a list of rules, but is ${describe(raw)}`);
    return [];
  }
  reportRepeatedIds(raw, scope.report);
  return raw
    .map((rule, index) => compileRule(rule, `rules.${index}`, scope))
    .filter(rule => rule !== undefined);
};
