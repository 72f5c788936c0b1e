import type { Evaluation, EvaluationFlag, FlagType, Value } from '@pennon/schema';

import type { CompileDeps, FlagSetLookup } from './conditions.ts';
import { describe, joinQuoted, quote } from './format.ts';
import {
  fieldNames,
  hasLength,
  isObject,
  optional,
  ownValue,
  sortedNames,
  type RawObject,
} from './json.ts';
import type { CompiledFlag, CompiledRule } from './model.ts';
import { below, type Problem, type Report } from './problems.ts';
import { withSizeLimit } from './re2-subset.ts';
import { patternSizeOf } from './references.ts';
import { checkRequires } from './requires.ts';
import { malformed, notServed, served, type FlagInfo, type Metadata } from './results.ts';
import { compileRules, firstResult, readSeed, readVariant } from './rules.ts';
import { TYPES } from './values.ts';

const MAX_NAME_LENGTH = 100;

/**
 * The fields that results depend on: all that are read below. Others are ignored, such as a description in
 * an offline file, or the version, which the server increases with every edit.
 */
export const FLAG_FIELDS = fieldNames<Omit<EvaluationFlag, 'version'>>({
  key: true,
  type: true,
  enabled: true,
  variants: true,
  defaultVariant: true,
  rules: true,
  seed: true,
  clientVisible: true,
  metadata: true,
  requires: true,
});

const isType = (value: unknown): value is FlagType =>
  typeof value === 'string' && Object.hasOwn(TYPES, value);

const readType = (raw: RawObject, report: Report): FlagType | undefined => {
  const type = ownValue(raw, 'type');
  if (isType(type)) return type;
  report('type', `must be one of ${joinQuoted(Object.keys(TYPES))}, but is ${describe(type)}`);
  return undefined;
};

const readEnabled = (raw: RawObject, report: Report): boolean => {
  const enabled = ownValue(raw, 'enabled');
  if (typeof enabled !== 'boolean')
    report('enabled', `must be true or false, but is ${describe(enabled)}`);
  return enabled === true;
};

const checkKey = (raw: RawObject, key: string, report: Report): void => {
  const own = optional(raw, 'key');
  if (own !== undefined && own !== key)
    report('key', `must be ${quote(key)} as in the flag set, but is ${describe(own)}`);
};

const checkClientVisible = (raw: RawObject, report: Report): void => {
  const visible = optional(raw, 'clientVisible');
  if (visible !== undefined && typeof visible !== 'boolean')
    report('clientVisible', `must be true or false, but is ${describe(visible)}`);
};

const readVariants = (raw: RawObject, report: Report): RawObject | undefined => {
  const variants = ownValue(raw, 'variants');
  if (isObject(variants) && Object.keys(variants).length > 0) return variants;
  const found = isObject(variants) ? 'has none' : `is ${describe(variants)}`;
  report('variants', `must be an object with at least one variant, but ${found}`);
  return undefined;
};

const readValue = (
  raw: unknown,
  type: FlagType,
  path: string,
  report: Report,
): Value | undefined => {
  const value = TYPES[type].copy(raw);
  if (value === undefined) report(path, wrongType(raw, type));
  return value;
};

const wrongType = (raw: unknown, type: FlagType): string =>
  `must be ${TYPES[type].expects}, because the flag's type is "${type}", but is ${describe(raw)}`;

/** Returns why a flag of this type cannot have the value, or undefined. */
export const valueProblem = (raw: unknown, type: FlagType): string | undefined =>
  TYPES[type].copy(raw) === undefined ? wrongType(raw, type) : undefined;

/** Returns the values by variant name. Values of another type are reported and left out. */
const readValues = (
  variants: RawObject,
  type: FlagType | undefined,
  report: Report,
): ReadonlyMap<string, Value> => {
  const values = new Map<string, Value>();
  for (const variant of sortedNames(variants)) {
    const path = below('variants', variant);
    if (!hasLength(variant, 1, MAX_NAME_LENGTH))
      report(path, `the name of a variant must have 1 to ${MAX_NAME_LENGTH} characters`);
    if (type === undefined) continue;
    const value = readValue(ownValue(variants, variant), type, path, report);
    if (value !== undefined) values.set(variant, value);
  }
  return values;
};

const isMetadataValue = (value: unknown): value is Metadata[string] =>
  typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value);

const readMetadata = (raw: RawObject, report: Report): FlagInfo['metadata'] => {
  const metadata = optional(raw, 'metadata') ?? {};
  if (!isObject(metadata)) {
    report('metadata', `must be an object, but is ${describe(metadata)}`);
    return {};
  }
  const entries: [string, Metadata[string]][] = [];
  for (const name of sortedNames(metadata)) {
    const value = ownValue(metadata, name);
    if (isMetadataValue(value)) entries.push([name, value]);
    else {
      const expected = 'must be a string, a finite number or a boolean';
      report(below('metadata', name), `${expected}, but is ${describe(value)}`);
    }
  }
  return entries.length === 0 ? {} : { metadata: Object.freeze(Object.fromEntries(entries)) };
};

/** The fields of a flag after they were checked, with defaults in place of malformed ones. */
type ParsedFlag = {
  readonly flagInfo: FlagInfo;
  readonly enabled: boolean;
  readonly defaultVariant: string | undefined;
  readonly rules: readonly CompiledRule[];
};

/** Ignores unknown fields: if a newer field changes results, `requires` names it. */
const parseFlag = (raw: RawObject, key: string, deps: CompileDeps, report: Report): ParsedFlag => {
  checkRequires(raw, report);
  checkKey(raw, key, report);
  const type = readType(raw, report);
  const enabled = readEnabled(raw, report);
  const rawVariants = readVariants(raw, report);
  const variants = rawVariants && new Set(sortedNames(rawVariants));
  const values = readValues(rawVariants ?? {}, type, report);
  const chosen = optional(raw, 'defaultVariant');
  const defaultVariant =
    chosen === undefined ? undefined : readVariant(chosen, 'defaultVariant', { variants, report });
  const seed = readSeed(raw, '', key, report);
  checkClientVisible(raw, report);
  const metadata = readMetadata(raw, report);
  const flagInfo: FlagInfo = { key, type: type ?? 'object', values, seed, metadata };
  const rules = compileRules(optional(raw, 'rules'), { ...deps, flagInfo, variants, report });
  return { flagInfo, enabled, defaultVariant, rules };
};

/** Without a default variant the caller's own default applies, so the reason is never STATIC. */
const defaultResultOf = ({ flagInfo, defaultVariant, rules }: ParsedFlag): Evaluation => {
  const reason = rules.length === 0 ? 'STATIC' : 'DEFAULT';
  const result =
    defaultVariant === undefined ? undefined : served(flagInfo, reason, defaultVariant);
  return result ?? notServed(flagInfo, 'DEFAULT');
};

/** Records the key of every flag that is looked up. */
const recordReferences = (lookup: FlagSetLookup, flags: Set<string>): FlagSetLookup => ({
  ...lookup,
  flag: key => {
    flags.add(key);
    return lookup.flag(key);
  },
});

/** What a compiled flag has whether it is malformed or not. */
type CompiledFlagBase = Pick<CompiledFlag, 'key' | 'referencedFlags' | 'depth'>;

/** Returns the same flag as PARSE_ERROR. */
export const asMalformed = (
  base: CompiledFlagBase,
  first: Problem,
  ...others: readonly Problem[]
): CompiledFlag => {
  const result = malformed(first);
  return {
    key: base.key,
    fixedResult: result,
    rules: [],
    resultFor: () => result,
    defaultResult: result,
    dependsOnFlags: false,
    problems: [first, ...others],
    referencedFlags: base.referencedFlags,
    depth: base.depth,
  };
};

const fixedResultOf = ({ enabled, flagInfo, rules }: ParsedFlag, defaultResult: Evaluation) => {
  if (!enabled) return notServed(flagInfo, 'DISABLED');
  return rules.length === 0 ? defaultResult : undefined;
};

/** Names every field instead of spreading `base`: V8 then keeps all of them in the object itself. */
const asCompiled = (base: CompiledFlagBase, parsed: ParsedFlag): CompiledFlag => {
  const defaultResult = defaultResultOf(parsed);
  return {
    key: base.key,
    fixedResult: fixedResultOf(parsed, defaultResult),
    rules: parsed.rules,
    resultFor: firstResult(parsed.rules, defaultResult),
    defaultResult,
    dependsOnFlags: base.referencedFlags.size > 0,
    problems: [],
    referencedFlags: base.referencedFlags,
    depth: base.depth,
  };
};

/** Compiles one flag. Its flag set, which knows the other flags, checks cycles and depth. */
export const compileFlag = (key: string, raw: unknown, deps: CompileDeps): CompiledFlag => {
  const referencedFlags = new Set<string>();
  const base: CompiledFlagBase = { key, referencedFlags, depth: 0 };
  if (!isObject(raw)) {
    const message = `must be a flag, but is ${describe(raw)}`;
    return asMalformed(base, { flagKey: key, path: '', message });
  }
  const problems: Problem[] = [];
  const report: Report = (path, message) => problems.push({ flagKey: key, path, message });
  const lookup = recordReferences(deps.lookup, referencedFlags);
  const regexEngine = withSizeLimit(deps.regexEngine, patternSizeOf(raw));
  const parsed = parseFlag(raw, key, { lookup, regexEngine }, report);
  const [first, ...others] = problems;
  return first === undefined ? asCompiled(base, parsed) : asMalformed(base, first, ...others);
};
