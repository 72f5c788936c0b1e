import type { FlagType, Value } from '@pennon/schema';

import { malformed, notServed, served, type FlagInfo, type Metadata } from './results.ts';
import type { CompileDeps, Named } from './conditions.ts';
import { optional, hasLength, isObject, ownValue, sortedNames, type Fields } from './fields.ts';
import type { CompiledFlag, CompiledRule } from './model.ts';
import { below, type Problem, type Report } from './problems.ts';
import { checkRequires } from './requires.ts';
import { compileRules, readSeed, readVariant } from './rules.ts';
import { TYPES } from './values.ts';
import { joinQuoted, describe, quote } from './format.ts';

const NAME_LENGTH = 100;

const isType = (value: unknown): value is FlagType =>
  typeof value === 'string' && Object.hasOwn(TYPES, value);

const readType = (fields: Fields, report: Report): FlagType | undefined => {
  const type = ownValue(fields, 'type');
  if (isType(type)) return type;
  report('type', `must be one of ${joinQuoted(Object.keys(TYPES))}, and is ${describe(type)}`);
  return undefined;
};

const readEnabled = (fields: Fields, report: Report): boolean => {
  const enabled = ownValue(fields, 'enabled');
  if (typeof enabled !== 'boolean')
    report('enabled', `must be true or false, and is ${describe(enabled)}`);
  return enabled === true;
};

const reportKey = (fields: Fields, key: string, report: Report) => {
  const own = optional(fields, 'key');
  if (own !== undefined && own !== key) {
    report('key', `must be ${quote(key)}, under which it is stored, and is ${describe(own)}`);
  }
};

const reportClientVisible = (fields: Fields, report: Report) => {
  const visible = optional(fields, 'clientVisible');
  if (visible !== undefined && typeof visible !== 'boolean') {
    report('clientVisible', `must be true or false, and is ${describe(visible)}`);
  }
};

const readVariants = (fields: Fields, report: Report): Fields | undefined => {
  const variants = ownValue(fields, 'variants');
  if (isObject(variants) && Object.keys(variants).length > 0) return variants;
  report('variants', `must be an object of one or more variants, and is ${describe(variants)}`);
  return undefined;
};

/** The values by their names; a value that is not of the flag's type is reported and left out. */
const readValues = (variants: Fields, type: FlagType | undefined, report: Report) => {
  const values = new Map<string, Value>();
  for (const variant of sortedNames(variants)) {
    const path = below('variants', variant);
    if (!hasLength(variant, 1, NAME_LENGTH)) {
      report(path, `the name of a variant must have 1 to ${NAME_LENGTH} characters`);
    }
    if (type === undefined) continue;
    const raw = ownValue(variants, variant);
    const value = TYPES[type].copy(raw);
    if (value !== undefined) values.set(variant, value);
    else
      report(
        path,
        `must be ${TYPES[type].wanted}, as the flag's type is "${type}", and is ${describe(raw)}`,
      );
  }
  return values;
};

const isMetadataValue = (value: unknown): value is Metadata[string] =>
  typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value);

const readMetadata = (fields: Fields, report: Report): FlagInfo['metadata'] => {
  const metadata = optional(fields, 'metadata') ?? {};
  if (!isObject(metadata)) {
    report('metadata', `must be an object, and is ${describe(metadata)}`);
    return {};
  }
  const entries: [string, Metadata[string]][] = [];
  for (const entry of sortedNames(metadata)) {
    const value = ownValue(metadata, entry);
    if (isMetadataValue(value)) entries.push([entry, value]);
    else
      report(
        below('metadata', entry),
        `must be a string, a finite number or a boolean, and is ${describe(value)}`,
      );
  }
  return entries.length === 0 ? {} : { metadata: Object.freeze(Object.fromEntries(entries)) };
};

/** What compiling one flag has found so far. */
type Read = {
  readonly facts: FlagInfo;
  readonly enabled: boolean;
  readonly defaultVariant: string | undefined;
  readonly rules: readonly CompiledRule[];
};

const readFlag = (fields: Fields, key: string, means: CompileDeps, report: Report): Read => {
  checkRequires(fields, report);
  reportKey(fields, key, report);
  const type = readType(fields, report);
  const enabled = readEnabled(fields, report);
  const written = readVariants(fields, report);
  const variants = written && new Set(sortedNames(written));
  const values = readValues(written ?? {}, type, report);
  const chosen = optional(fields, 'defaultVariant');
  const defaultVariant =
    chosen === undefined ? undefined : readVariant(chosen, 'defaultVariant', { variants, report });
  const seed = readSeed(fields, '', key, report);
  reportClientVisible(fields, report);
  const metadata = readMetadata(fields, report);
  const facts: FlagInfo = { key, type: type ?? 'object', values, seed, metadata };
  const rules = compileRules(optional(fields, 'rules'), { ...means, facts, variants, report });
  return { facts, enabled, defaultVariant, rules };
};

/** Without a default variant the caller's own default applies, so the result is never STATIC. */
const defaultResultOf = ({ facts, defaultVariant, rules }: Read) => {
  const reason = rules.length === 0 ? 'STATIC' : 'DEFAULT';
  const answer = defaultVariant === undefined ? undefined : served(facts, reason, defaultVariant);
  return answer ?? notServed(facts, 'DEFAULT');
};

/** Notes every name that a flag's conditions look up, so that it is known whose change concerns it. */
const recordReferences = (named: Named, flags: Set<string>, segments: Set<string>): Named => ({
  slot: key => {
    flags.add(key);
    return named.slot(key);
  },
  segment: key => {
    segments.add(key);
    return named.segment(key);
  },
});

/** The same flag, answering PARSE_ERROR. It still knows whom it names: their change may heal it. */
export const asMalformed = (
  flag: Pick<CompiledFlag, 'key' | 'flags' | 'segments' | 'depth'>,
  first: Problem,
  ...others: readonly Problem[]
): CompiledFlag => {
  const failure = malformed(first);
  return {
    key: flag.key,
    fixedResult: failure,
    rules: [],
    defaultResult: failure,
    dependsOnFlags: false,
    problems: [first, ...others],
    flags: flag.flags,
    segments: flag.segments,
    depth: flag.depth,
  };
};

type Names = Pick<CompiledFlag, 'key' | 'flags' | 'segments'>;

const decidable = (names: Names, read: Read): CompiledFlag => ({
  key: names.key,
  fixedResult: read.enabled ? undefined : notServed(read.facts, 'DISABLED'),
  rules: read.rules,
  defaultResult: defaultResultOf(read),
  dependsOnFlags: names.flags.size > 0,
  problems: [],
  flags: names.flags,
  segments: names.segments,
  depth: 0,
});

/** Compiles one flag by itself: that it stands in a cycle, or too deep, only its set can tell. */
export const compileFlag = (key: string, raw: unknown, means: CompileDeps): CompiledFlag => {
  const flags = new Set<string>();
  const segments = new Set<string>();
  const names = { key, flags, segments, depth: 0 };
  if (!isObject(raw)) {
    return asMalformed(names, {
      flagKey: key,
      path: '',
      message: `must be a flag, and is ${describe(raw)}`,
    });
  }
  const problems: Problem[] = [];
  const report: Report = (path, message) => problems.push({ flagKey: key, path, message });
  const named = recordReferences(means.named, flags, segments);
  const read = readFlag(raw, key, { ...means, named }, report);
  const [first, ...others] = problems;
  return first === undefined ? decidable(names, read) : asMalformed(names, first, ...others);
};
