import { compile, evaluate, evaluateAll, references } from '@pennon/engine';
import type { CompiledFlagSet, Evaluations, References } from '@pennon/engine';
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
  const known = new Map(Object.entries(before));
  const entries = Object.entries(after);
  const kept = entries.map(([name, value]): [string, unknown] => {
    const old = known.get(name);
    return [name, old !== undefined && sameJson(old, value) ? old : value];
  });
  const isAllNew = kept.every(([, value], at) => value === entries[at]?.[1]);
  return isAllNew ? after : Object.fromEntries(kept);
};

const keepSameContent = (before: Content, after: Content): Content => ({
  ...after,
  flags: keepSame(before.flags, after.flags),
  segments: isFields(after.segments)
    ? keepSame(recordOf(before.segments), after.segments)
    : after.segments,
});

/** Compiles a flag set. One of a format that this engine cannot read is `refused`. */
export const createView = (given: Content, before: View | undefined): View => {
  const content = before === undefined ? given : keepSameContent(before.content, given);
  const compiled = compile(content, before?.compiled);
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

/** The flags whose answers may differ between two views: written, removed, or led there by what they name. */
export const changedFlags = (before: View | undefined, after: View): string[] => {
  const { flags, segments } = after.content;
  if (before === undefined) return Object.keys(flags);
  const changed = new Set(changedNames(before.content.flags, flags));
  const changedSegments = new Set(
    changedNames(recordOf(before.content.segments), recordOf(segments)),
  );
  if (changed.size === 0 && changedSegments.size === 0) return [];
  const named = Object.keys(flags).map(key => [key, referencesOf(flags[key])] as const);
  for (const [key, found] of named) {
    if (found.segments.some(segment => changedSegments.has(segment))) changed.add(key);
  }
  for (let size = -1; size !== changed.size;) {
    size = changed.size;
    for (const [key, found] of named)
      if (found.flags.some(flag => changed.has(flag))) changed.add(key);
  }
  return [...changed];
};
