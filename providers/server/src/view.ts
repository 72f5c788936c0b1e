import { compileWith, evaluate, evaluateAll, needsPatterns, references } from '@pennon/engine/core';
import type { CompiledFlagSet, Evaluations, Patterns, References } from '@pennon/engine/core';
import { changedNames, sameJson } from '@pennon/follow';
import type { Evaluation } from '@pennon/schema';

import type { Content } from './flag-file.ts';

type Fields = { readonly [name: string]: unknown };

/** Telemetry knows a flag's version and its set by these names. */
export type FlagFacts = { readonly version?: number; readonly flagSetId?: string };

/** One flag set, ready to be asked. It never changes; the next one is another view. */
export type View = {
  readonly content: Content;
  readonly compiled: CompiledFlagSet;
  readonly revision: number | undefined;
  evaluate(flagKey: string, context: unknown): Evaluation;
  evaluateAll(context: unknown): Evaluations;
  factsOf(flagKey: string): FlagFacts;
};

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const recordOf = (value: unknown): Fields => (isFields(value) ? value : {});

/** The new record with the old objects wherever they say the same: the engine compiles only what is new. */
const keepSame = (before: Fields, after: Fields): Fields => {
  const kept: Record<string, unknown> = {};
  // Inherits nothing, so that `__proto__` is a name like any other.
  Object.setPrototypeOf(kept, null);
  for (const name of Object.keys(after)) {
    const old = Object.hasOwn(before, name) ? before[name] : undefined;
    kept[name] = old !== undefined && sameJson(old, after[name]) ? old : after[name];
  }
  return kept;
};

/** The content with the objects of the view before wherever they say the same. */
export const keepSameContent = (before: View | undefined, after: Content): Content => {
  if (before === undefined) return after;
  const { flags, segments } = before.content;
  return {
    ...after,
    flags: keepSame(flags, after.flags),
    segments: isFields(after.segments)
      ? keepSame(recordOf(segments), after.segments)
      : after.segments,
  };
};

const newOnesNeedPatterns = (before: Fields, after: Fields): boolean =>
  Object.keys(after).some(name => after[name] !== before[name] && needsPatterns(after[name]));

/** Whether there is something new in the content that only regular expressions can decide. */
export const needsPatternsNow = (before: View | undefined, after: Content): boolean => {
  const { flags = {}, segments } = before?.content ?? {};
  return (
    newOnesNeedPatterns(flags, after.flags) ||
    newOnesNeedPatterns(recordOf(segments), recordOf(after.segments))
  );
};

/** Compiles a flag set. One of a format that this engine cannot read is `refused`. */
export const createView = (
  content: Content,
  before: View | undefined,
  patterns: Patterns | undefined,
): View => {
  const compiled = compileWith(patterns)(content, before?.compiled);
  const { flags, environment, revision } = content;
  const flagSetId = typeof environment === 'string' ? { flagSetId: environment } : {};
  return {
    content,
    compiled,
    revision: typeof revision === 'number' ? revision : undefined,
    evaluate: (flagKey, context) => evaluate(compiled, flagKey, context),
    evaluateAll: context => evaluateAll(compiled, context),
    factsOf(flagKey) {
      const flag = Object.hasOwn(flags, flagKey) ? flags[flagKey] : undefined;
      const version = isFields(flag) ? flag['version'] : undefined;
      return typeof version === 'number' ? { version, ...flagSetId } : flagSetId;
    },
  };
};

const known = new WeakMap<object, References>();

/** A flag's objects live from view to view, and so does what is known of them. */
const referencesOf = (flag: unknown): References => {
  if (typeof flag !== 'object' || flag === null) return references(flag);
  const found = known.get(flag) ?? references(flag);
  known.set(flag, found);
  return found;
};

type Named = { readonly key: string; readonly names: References };

/** The flags that name others, or segments: most do not. */
const naming = (flags: Fields): Named[] => {
  const found: Named[] = [];
  for (const key of Object.keys(flags)) {
    const names = referencesOf(flags[key]);
    if (names.flags.length > 0 || names.segments.length > 0) found.push({ key, names });
  }
  return found;
};

/** Adds the flags that are led there by what they name, however far. */
const addLed = (changed: Set<string>, changedSegments: ReadonlySet<string>, flags: Fields) => {
  const named = naming(flags);
  for (const { key, names } of named) {
    if (names.segments.some(segment => changedSegments.has(segment))) changed.add(key);
  }
  for (let size = -1; size !== changed.size;) {
    size = changed.size;
    for (const { key, names } of named) {
      if (names.flags.some(flag => changed.has(flag))) changed.add(key);
    }
  }
};

/** The flags whose answers may differ between two views: written, removed, or led there by what they name. */
export const changedFlags = (before: View | undefined, after: View): string[] => {
  const { flags, segments } = after.content;
  if (before === undefined) return Object.keys(flags);
  const changed = new Set(changedNames(before.content.flags, flags));
  const changedSegments = new Set(
    changedNames(recordOf(before.content.segments), recordOf(segments)),
  );
  if (changed.size > 0 || changedSegments.size > 0) addLed(changed, changedSegments, flags);
  return [...changed];
};
