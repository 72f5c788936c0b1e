import {
  compileWith,
  dependentsOf,
  evaluate,
  evaluateAll,
  needsPatterns,
  references,
} from '@pennon/engine/core';
import type { CompiledFlagSet, Evaluations, Patterns } from '@pennon/engine/core';
import type { Evaluation, EvaluationFlag, EvaluationSegment } from '@pennon/schema';
import { isJsonObject, sameJson } from '@pennon/sync';
import type { FlagSetChanges, JsonObject } from '@pennon/sync';

import type { RawFlagSet } from './flag-file.ts';
import type { FlagSetUpdate } from './sources.ts';

/** Resolves in the next turn of the event loop, after everything that is already due. */
export const yieldToEventLoop = (): Promise<void> =>
  new Promise(resolve => void setImmediate(resolve));

/** Visits so few items in one turn of the event loop that the application never waits for long. */
export const forEachChunked = async <Item>(
  items: readonly Item[],
  chunkSize: number,
  visit: (item: Item) => void,
): Promise<void> => {
  for (const [index, item] of items.entries()) {
    if (index % chunkSize === chunkSize - 1) await yieldToEventLoop();
    visit(item);
  }
};

/** What OpenFeature's telemetry expects in the metadata of a flag. */
export type FlagTelemetry = { readonly version?: number; readonly flagSetId?: string };

/** An immutable flag set that is ready to be evaluated. Every change makes a new snapshot. */
export type FlagSnapshot = {
  readonly flagSet: RawFlagSet;
  readonly compiled: CompiledFlagSet;
  readonly revision: number | undefined;
  evaluate(flagKey: string, context: unknown): Evaluation;
  evaluateAll(context: unknown): Evaluations;
  telemetryOf(flagKey: string): FlagTelemetry;
};

/**
 * Compiles a flag set, reusing unchanged flags of `previous`. Flags that need regular expressions evaluate to
 * PARSE_ERROR if there are no `patterns`.
 */
export const createFlagSnapshot = (
  flagSet: RawFlagSet,
  previous: FlagSnapshot | undefined,
  patterns: Patterns | undefined,
): FlagSnapshot => {
  const compiled = compileWith(patterns)(flagSet, previous?.compiled);
  const { flags, environment, revision } = flagSet;
  const flagSetId = typeof environment === 'string' ? { flagSetId: environment } : {};
  return {
    flagSet,
    compiled,
    revision: typeof revision === 'number' ? revision : undefined,
    evaluate: (flagKey, context) => evaluate(compiled, flagKey, context),
    evaluateAll: context => evaluateAll(compiled, context),
    telemetryOf(flagKey) {
      const flag = Object.hasOwn(flags, flagKey) ? flags[flagKey] : undefined;
      const version = isJsonObject(flag) ? flag['version'] : undefined;
      return typeof version === 'number' ? { version, ...flagSetId } : flagSetId;
    },
  };
};

/** Comparing 100 flags takes a millisecond or two, even in code that has not been optimized yet. */
const COMPARED_PER_TURN = 100;

type Effect = 'result' | 'telemetry' | 'none';

/**
 * What depends on each field of a flag. All other fields are descriptions, or were added by a newer server,
 * and nothing depends on them. Metadata counts, because malformed metadata makes the flag malformed.
 */
const FLAG_FIELDS = {
  key: 'result',
  type: 'result',
  enabled: 'result',
  variants: 'result',
  defaultVariant: 'result',
  rules: 'result',
  seed: 'result',
  clientVisible: 'result',
  metadata: 'result',
  requires: 'result',
  version: 'telemetry',
} satisfies Record<keyof EvaluationFlag, Effect>;

const SEGMENT_FIELDS = {
  key: 'result',
  conditions: 'result',
  requires: 'result',
  version: 'none',
} satisfies Record<keyof EvaluationSegment, Effect>;

const fieldsWith = (fields: Readonly<Record<string, Effect>>, ...effects: Effect[]): string[] =>
  Object.keys(fields).filter(field => effects.includes(fields[field] ?? 'none'));

const RESULT_FIELDS = fieldsWith(FLAG_FIELDS, 'result');
const VISIBLE_FIELDS = fieldsWith(FLAG_FIELDS, 'result', 'telemetry');
const VISIBLE_SEGMENT_FIELDS = fieldsWith(SEGMENT_FIELDS, 'result');

const isSame = (previous: unknown, next: unknown, fields: readonly string[]): boolean =>
  previous === next ||
  (isJsonObject(previous) && isJsonObject(next)
    ? fields.every(field => sameJson(previous[field], next[field]))
    : sameJson(previous, next));

const asObject = (value: unknown): JsonObject => (isJsonObject(value) ? value : {});

/** Has no prototype, so `__proto__` is a key like any other. Much faster than a spread of many keys. */
const copyOf = (record: JsonObject): Record<string, unknown> => {
  const copy: Record<string, unknown> = {};
  Object.setPrototypeOf(copy, null);
  return Object.assign(copy, record);
};

type RecordUpdate = {
  readonly previous: JsonObject;
  readonly next: JsonObject;
  /** The only keys that may have changed; undefined to compare all. */
  readonly keys: readonly string[] | undefined;
  /** The fields to compare. */
  readonly fields: readonly string[];
};

const allKeys = (previous: JsonObject, next: JsonObject): string[] => [
  ...Object.keys(next),
  ...Object.keys(previous).filter(key => !Object.hasOwn(next, key)),
];

/** Returns `next` with the values of `previous` for all that is unchanged, and the keys of the others. */
const mergeRecords = async ({ previous, next, keys, fields }: RecordUpdate) => {
  const record = copyOf(previous);
  const changed: string[] = [];
  let usesPatterns = false;
  const merge = (key: string) => {
    const isKnown = Object.hasOwn(previous, key);
    if (!Object.hasOwn(next, key)) {
      if (isKnown) changed.push(key);
      delete record[key];
    } else if (!isKnown || !isSame(previous[key], next[key], fields)) {
      changed.push(key);
      record[key] = next[key];
      usesPatterns ||= needsPatterns(next[key]);
      // The engine caches the references of each flag. Found in short turns here, they cost no long turn later.
      references(next[key]);
    }
  };
  await forEachChunked(keys ?? allKeys(previous, next), COMPARED_PER_TURN, merge);
  return { record, changed, usesPatterns };
};

export type MergedFlagSet = {
  readonly flagSet: RawFlagSet;
  readonly changed: FlagSetChanges;
  /** Whether a flag or segment that changed has a condition with a regular expression. */
  readonly usesPatterns: boolean;
};

/**
 * Returns the flag set of an update with the objects of the previous one for all that is unchanged, so only
 * what changed is compiled. Compares all flags only if the update does not name those that changed.
 */
export const reuseUnchanged = async (
  previous: RawFlagSet | undefined,
  { flagSet, changed }: FlagSetUpdate,
): Promise<MergedFlagSet> => {
  const flags = await mergeRecords({
    previous: previous?.flags ?? {},
    next: flagSet.flags,
    keys: changed?.flags,
    fields: VISIBLE_FIELDS,
  });
  const segments = await mergeRecords({
    previous: asObject(previous?.segments),
    next: asObject(flagSet.segments),
    keys: changed?.segments,
    fields: VISIBLE_SEGMENT_FIELDS,
  });
  return {
    flagSet: {
      ...flagSet,
      flags: flags.record,
      // Segments that are not an object are reported by the engine.
      segments: isJsonObject(flagSet.segments) ? segments.record : flagSet.segments,
    },
    changed: { flags: flags.changed, segments: segments.changed },
    usesPatterns: flags.usesPatterns || segments.usesPatterns,
  };
};

/**
 * Returns the changed flags, and all flags that depend on a changed result or segment. The server increases
 * the version of a flag with every edit; a new version alone does not affect other flags.
 */
export const affectedFlags = (
  previous: RawFlagSet | undefined,
  { flagSet, changed }: MergedFlagSet,
): string[] => {
  if (previous === undefined) return [...changed.flags];
  const flags = changed.flags.filter(
    key => !isSame(previous.flags[key], flagSet.flags[key], RESULT_FIELDS),
  );
  return [...new Set([...changed.flags, ...dependentsOf(flagSet, { ...changed, flags })])];
};
