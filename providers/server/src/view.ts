import { compileWith, evaluate, evaluateAll } from '@pennon/engine/core';
import type { CompiledFlagSet, Evaluations, Patterns } from '@pennon/engine/core';
import { changedNames } from '@pennon/sync';
import type { Evaluation } from '@pennon/schema';

import { recordOf } from './flag-file.ts';
import type { Taken } from './take-over.ts';

/** Telemetry knows a flag's version and its set by these names. */
export type FlagFacts = { readonly version?: number; readonly flagSetId?: string };

/** One flag set, ready to be asked. It never changes; the next one is another view. */
export type View = {
  readonly taken: Taken;
  readonly compiled: CompiledFlagSet;
  readonly revision: number | undefined;
  evaluate(flagKey: string, context: unknown): Evaluation;
  evaluateAll(context: unknown): Evaluations;
  factsOf(flagKey: string): FlagFacts;
};

/** Compiles a flag set. One of a format that this engine cannot read is `refused`. */
export const createView = (
  taken: Taken,
  before: View | undefined,
  patterns: Patterns | undefined,
): View => {
  const compiled = compileWith(patterns)(taken.content, before?.compiled);
  const { flags, environment, revision } = taken.content;
  const flagSetId = typeof environment === 'string' ? { flagSetId: environment } : {};
  return {
    taken,
    compiled,
    revision: typeof revision === 'number' ? revision : undefined,
    evaluate: (flagKey, context) => evaluate(compiled, flagKey, context),
    evaluateAll: context => evaluateAll(compiled, context),
    factsOf(flagKey) {
      const flag = Object.hasOwn(flags, flagKey) ? flags[flagKey] : undefined;
      const { version } = recordOf(flag);
      return typeof version === 'number' ? { version, ...flagSetId } : flagSetId;
    },
  };
};

const namesAny = (names: readonly string[], wanted: ReadonlySet<string>): boolean =>
  names.some(name => wanted.has(name));

/** Adds the flags that are led there by what they name, however far. */
const addLed = (
  changed: Set<string>,
  changedSegments: ReadonlySet<string>,
  { flags }: Taken,
): void => {
  const asking: (readonly [string, readonly string[]])[] = [];
  for (const [key, { names }] of flags) {
    if (namesAny(names.segments, changedSegments)) changed.add(key);
    if (names.flags.length > 0) asking.push([key, names.flags]);
  }
  for (let size = -1; size !== changed.size;) {
    size = changed.size;
    for (const [key, names] of asking) if (namesAny(names, changed)) changed.add(key);
  }
};

/** The flags whose answers may differ between two views: written, removed, or led there by what they name. */
export const changedFlags = (before: View | undefined, { taken }: View): string[] => {
  const { flags, segments } = taken.content;
  if (before === undefined) return Object.keys(flags);
  const old = before.taken.content;
  const changed = new Set(changedNames(old.flags, flags));
  const changedSegments = new Set(changedNames(recordOf(old.segments), recordOf(segments)));
  if (changed.size > 0 || changedSegments.size > 0) addLed(changed, changedSegments, taken);
  return [...changed];
};
