import { compileWith, evaluate, evaluateAll, references } from '@pennon/engine/core';
import type { CompiledFlagSet, Evaluations, Patterns } from '@pennon/engine/core';
import type { Evaluation } from '@pennon/schema';
import { isJsonObject, sameJson } from '@pennon/sync';
import type { FlagSetChanges, JsonObject } from '@pennon/sync';

import type { RawFlagSet } from './flag-file.ts';
import type { FlagSetUpdate } from './sources.ts';

/** Resolves in the next turn of the event loop, after everything that is already due. */
export const yieldToEventLoop = (): Promise<void> =>
  new Promise(resolve => void setImmediate(resolve));

/** Processes so few items in one turn of the event loop that the application never waits for long. */
export const forEachChunked = async <Item>(
  items: readonly Item[],
  chunkSize: number,
  process: (item: Item) => void,
): Promise<void> => {
  for (const [index, item] of items.entries()) {
    if (index % chunkSize === chunkSize - 1) await yieldToEventLoop();
    process(item);
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

const asObject = (value: unknown): JsonObject => (isJsonObject(value) ? value : {});

/** Has no prototype, so `__proto__` is a key like any other. Much faster than a spread of many keys. */
const copyOf = (record: JsonObject): Record<string, unknown> => {
  const copy: Record<string, unknown> = {};
  Object.setPrototypeOf(copy, null);
  return Object.assign(copy, record);
};

type Merged = { readonly record: JsonObject; readonly changed: string[] };

/** Returns `next`, with the objects of `previous` for all values that are the same, and the keys of the others. */
const mergeRecords = async (
  previous: JsonObject,
  next: JsonObject,
  keys: readonly string[] | undefined,
): Promise<Merged> => {
  const record = copyOf(previous);
  const changed: string[] = [];
  const merge = (key: string) => {
    const isNew = !Object.hasOwn(previous, key);
    if (Object.hasOwn(next, key)) {
      if (!isNew && sameJson(previous[key], next[key])) return;
      record[key] = next[key];
      changed.push(key);
    } else if (!isNew) {
      delete record[key];
      changed.push(key);
    }
  };
  await forEachChunked(keys ?? Object.keys({ ...previous, ...next }), COMPARED_PER_TURN, merge);
  return { record, changed };
};

export type MergedFlagSet = { readonly flagSet: RawFlagSet; readonly changed: FlagSetChanges };

/**
 * Returns the flag set of an update with the objects of the previous one wherever nothing changed, so only
 * what changed is compiled. Compares all flags only if the update does not name those that changed.
 */
export const reuseUnchanged = async (
  previous: RawFlagSet | undefined,
  { flagSet, changed }: FlagSetUpdate,
): Promise<MergedFlagSet> => {
  const flags = await mergeRecords(previous?.flags ?? {}, flagSet.flags, changed?.flags);
  const segments = await mergeRecords(
    asObject(previous?.segments),
    asObject(flagSet.segments),
    changed?.segments,
  );
  return {
    flagSet: {
      ...flagSet,
      flags: flags.record,
      // Segments that are not an object are reported by the engine.
      segments: isJsonObject(flagSet.segments) ? segments.record : flagSet.segments,
    },
    changed: { flags: flags.changed, segments: segments.changed },
  };
};

const includesAny = (names: readonly string[], wanted: ReadonlySet<string>): boolean =>
  names.some(name => wanted.has(name));

/** Returns the keys of the changed flags, and of all flags that depend on them or on a changed segment. */
export const affectedFlags = (
  previous: FlagSnapshot | undefined,
  { flagSet: { flags } }: FlagSnapshot,
  changed: FlagSetChanges,
): string[] => {
  const affected = new Set(changed.flags);
  const segments = new Set(changed.segments);
  if (previous === undefined || affected.size + segments.size === 0) return changed.flags;
  const found = Object.keys(flags).map(key => ({ key, names: references(flags[key]) }));
  for (const { key, names } of found) if (includesAny(names.segments, segments)) affected.add(key);
  for (let size = -1; size !== affected.size;) {
    size = affected.size;
    for (const { key, names } of found) if (includesAny(names.flags, affected)) affected.add(key);
  }
  return [...affected];
};
