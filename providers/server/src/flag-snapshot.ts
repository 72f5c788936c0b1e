import {
  compileWith,
  diffFlagSets,
  evaluate,
  evaluateAll,
  needsPatterns,
  patternProblem,
  references,
} from '@pennon/engine/core';
import type { CompiledFlagSet, Evaluations, Patterns } from '@pennon/engine/core';
import type { Evaluation } from '@pennon/schema';
import { isJsonObject, sameJson } from '@pennon/sync';
import type { FlagSetChanges, JsonObject } from '@pennon/sync';

import type { RawFlagSet } from './flag-file.ts';
import { toPlainContext, toPlainValue } from './resolution.ts';
import type { FlagSetUpdate } from './sources.ts';

/** Resolves in the next turn of the event loop, after everything that is already due. */
const yieldToEventLoop = (): Promise<void> => new Promise(resolve => void setImmediate(resolve));

/** Calls `visit` for each item. Yields between chunks, so the application never waits for long. */
const forEachChunked = async <Item>(
  items: readonly Item[],
  chunkSize: number,
  visit: (item: Item) => void,
): Promise<void> => {
  for (const [index, item] of items.entries()) {
    if (index % chunkSize === chunkSize - 1) await yieldToEventLoop();
    visit(item);
  }
};

/** Comparing 100 flags takes a millisecond or two, even before the code has been optimized. */
const COMPARED_PER_TURN = 100;
/** Compiling a flag takes longer than comparing it. */
const COMPILED_PER_TURN = 25;

/** Returns the keys that were added, changed or removed. */
const differingKeys = async (previous: JsonObject, next: JsonObject): Promise<string[]> => {
  const differing: string[] = [];
  const keys = [...new Set([...Object.keys(next), ...Object.keys(previous)])];
  await forEachChunked(keys, COMPARED_PER_TURN, key => {
    const isInBoth = Object.hasOwn(previous, key) && Object.hasOwn(next, key);
    if (!isInBoth || !sameJson(previous[key], next[key])) differing.push(key);
  });
  return differing;
};

/**
 * Returns `previous` with the values that `next` has for the given keys. The copy has no prototype, so
 * `__proto__` is an ordinary key. Assigning to such an object is also much faster than spreading.
 */
const replaceValues = (
  previous: JsonObject,
  next: JsonObject,
  keys: readonly string[],
): JsonObject => {
  const record: Record<string, unknown> = {};
  Object.setPrototypeOf(record, null);
  Object.assign(record, previous);
  for (const key of keys) {
    if (Object.hasOwn(next, key)) record[key] = next[key];
    else delete record[key];
  }
  return record;
};

const objectOrEmpty = (value: unknown): JsonObject => (isJsonObject(value) ? value : {});

/** A flag set, and the keys that differ from the previous one. */
type ComparedFlagSet = { readonly flagSet: RawFlagSet; readonly changed: FlagSetChanges };

/**
 * Returns the flag set of an update with the objects of the previous one for everything that is unchanged:
 * the engine compiles only new objects again. If the source has named the changes, the flag set is used as it is,
 * because nothing else is compared then: a change must not cost as much as there are flags.
 */
const reuseUnchanged = async (
  previous: RawFlagSet,
  { flagSet, changed }: FlagSetUpdate,
): Promise<ComparedFlagSet> => {
  if (changed !== undefined) return { flagSet, changed };
  const previousSegments = objectOrEmpty(previous.segments);
  const nextSegments = objectOrEmpty(flagSet.segments);
  const flags = await differingKeys(previous.flags, flagSet.flags);
  const segments = await differingKeys(previousSegments, nextSegments);
  return {
    flagSet: {
      ...flagSet,
      flags: replaceValues(previous.flags, flagSet.flags, flags),
      // The engine reports segments that are not an object.
      segments: isJsonObject(flagSet.segments)
        ? replaceValues(previousSegments, nextSegments, segments)
        : flagSet.segments,
    },
    changed: { flags, segments },
  };
};

/**
 * Returns whether a changed flag or segment has a condition with a regular expression. Also finds the
 * references of each: the engine caches them, so it does not have to find those of all flags in one turn.
 */
const inspectChanges = async ({ flagSet, changed }: ComparedFlagSet): Promise<boolean> => {
  let usesPatterns = false;
  const inspect = (definition: unknown) => {
    usesPatterns ||= needsPatterns(definition);
    references(definition);
  };
  const segments = objectOrEmpty(flagSet.segments);
  const inspectIn = (definitions: JsonObject) => (key: string) => {
    if (Object.hasOwn(definitions, key)) inspect(definitions[key]);
  };
  await forEachChunked(changed.flags, COMPARED_PER_TURN, inspectIn(flagSet.flags));
  await forEachChunked(changed.segments, COMPARED_PER_TURN, inspectIn(segments));
  return usesPatterns;
};

/** The module is loaded when the first flag needs it. If that fails, the next snapshot tries again. */
const loadPatterns = (): Promise<Patterns | undefined> =>
  import('@pennon/engine/patterns').then(
    module => module.patterns,
    () => undefined,
  );

/** The metadata by which telemetry identifies a flag. */
export type FlagTelemetry = { readonly version?: number; readonly flagSetId?: string };

const telemetryIn = ({ flags, environment }: RawFlagSet, flagKey: string): FlagTelemetry => {
  const flag = Object.hasOwn(flags, flagKey) ? flags[flagKey] : undefined;
  const version = isJsonObject(flag) ? flag['version'] : undefined;
  return {
    ...(typeof version === 'number' ? { version } : {}),
    ...(typeof environment === 'string' ? { flagSetId: environment } : {}),
  };
};

/** An immutable flag set that is ready to be evaluated. Every change makes a new snapshot. */
export type FlagSnapshot = {
  readonly flagSet: RawFlagSet;
  readonly compiled: CompiledFlagSet;
  readonly revision: number | undefined;
  /** The keys of all flags with results that may differ from those of the previous snapshot. */
  readonly affected: string[];
  /** Whether a flag of this or of an earlier snapshot needs regular expressions. */
  readonly usesPatterns: boolean;
  evaluate(flagKey: string, context: unknown): Evaluation;
  evaluateAll(context: unknown): Evaluations;
  telemetryOf(flagKey: string): FlagTelemetry;
  /** Whether a browser may see the results of the flag. */
  isClientVisible(flagKey: string): boolean;
};

const NO_FLAGS: RawFlagSet = { flags: {} };

/**
 * Compiles the flag set of an update, reusing unchanged flags of `previous`. Rejects when the engine cannot
 * read the format of the flag set. Flags that need regular expressions evaluate to PARSE_ERROR if these could
 * not be loaded.
 */
export const createFlagSnapshot = async (
  update: FlagSetUpdate,
  previous: FlagSnapshot | undefined,
): Promise<FlagSnapshot> => {
  // Parsing the flag set took most of this turn of the event loop.
  await yieldToEventLoop();
  const previousSet = previous?.flagSet ?? NO_FLAGS;
  const compared = await reuseUnchanged(previousSet, update);
  const { flagSet, changed } = compared;
  const usesPatterns = (await inspectChanges(compared)) || (previous?.usesPatterns ?? false);
  const problem = usesPatterns ? patternProblem(flagSet, previousSet, changed) : undefined;
  if (problem !== undefined) throw new Error(problem);
  const patterns = usesPatterns ? await loadPatterns() : undefined;
  const compiled = compileWith(patterns)(flagSet, previous?.compiled, changed);
  if (compiled.refused) throw new Error(compiled.problems.map(({ message }) => message).join('; '));
  await yieldToEventLoop();
  return {
    flagSet,
    compiled,
    revision: typeof flagSet.revision === 'number' ? flagSet.revision : undefined,
    affected: diffFlagSets(previousSet, flagSet, changed).affected,
    usesPatterns,
    evaluate: (flagKey, context) => evaluate(compiled, flagKey, context, toPlainValue),
    // Each attribute is converted once, and not for each flag.
    evaluateAll: context => evaluateAll(compiled, toPlainContext(context)),
    telemetryOf: flagKey => telemetryIn(flagSet, flagKey),
    isClientVisible(flagKey) {
      const flag = Object.hasOwn(flagSet.flags, flagKey) ? flagSet.flags[flagKey] : undefined;
      return isJsonObject(flag) && flag['clientVisible'] === true;
    },
  };
};

/** Compiles all flags, and returns a description of each problem found. */
export const describeProblems = async ({ compiled }: FlagSnapshot): Promise<string[]> => {
  await forEachChunked(compiled.flagKeys, COMPILED_PER_TURN, compiled.problemsOf);
  return compiled.problems.map(describeProblem);
};

const describeProblem = ({ flagKey, path, message }: CompiledFlagSet['problems'][number]): string =>
  `${flagKey === '' ? '' : `flag "${flagKey}": `}${path === '' ? '' : `${path} `}${message}`;

/** Compiles the flags that differ from the previous snapshot, and returns a description of their problems. */
export const describeNewProblems = async ({
  compiled,
  affected,
}: FlagSnapshot): Promise<string[]> => {
  const keys = new Set(affected);
  const changed = compiled.flagKeys.filter(key => keys.has(key));
  await forEachChunked(changed, COMPILED_PER_TURN, compiled.problemsOf);
  return compiled.problems.filter(({ flagKey }) => keys.has(flagKey)).map(describeProblem);
};
