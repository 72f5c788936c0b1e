import type { CompiledFlagSet } from '@pennon/engine';
import { compile, references } from '@pennon/engine';
import type { ErrorDetail, Flag, Segment } from '@pennon/schema';

import { dependents } from '../environments/live-flag-set.ts';
import { invalid } from '../errors.ts';
import type { Snapshot } from '../store/store.ts';

/** Flags and segments by key, as the engine reads them. */
export type Definitions = {
  readonly flags: Readonly<Record<string, Flag>>;
  readonly segments: Readonly<Record<string, Segment>>;
};

export const definitionsOf = ({ records }: Snapshot<'flagSet'>): Definitions => ({
  flags: Object.fromEntries([...records.flags].map(([key, { document }]) => [key, document])),
  segments: Object.fromEntries([...records.segments].map(([key, { document }]) => [key, document])),
});

/**
 * Refuses a write after which a flag would not compile: the written one, or one that depends on it.
 * The engine is the judge, so that what is stored is what every engine can decide.
 */
export const requireSoundFlag = (before: Definitions, flag: Flag): void => {
  const after = { ...before, flags: { ...before.flags, [flag.key]: flag } };
  const details = [...unknownReferences(after, flag), ...problemsIn(compile(after), flag.key)];
  if (details.length > 0) throw invalid(details, `flag "${flag.key}"`);
  requireOthersSound(before, after, new Set([flag.key]), new Set());
};

/** The same for a segment: it must be sound itself, and so must every flag that uses it. */
export const requireSoundSegment = (before: Definitions, segment: Segment): void => {
  const after = { ...before, segments: { ...before.segments, [segment.key]: segment } };
  const details = problemsOfSegment(segment);
  if (details.length > 0) throw invalid(details, `segment "${segment.key}"`);
  requireOthersSound(before, after, new Set(), new Set([segment.key]));
};

const MOST_DETAILS = 20;

const problemsIn = (compiled: CompiledFlagSet, flagKey: string): ErrorDetail[] =>
  compiled
    .problemsOf(flagKey)
    .slice(0, MOST_DETAILS)
    .map(({ path, message }) => ({ path, message }));

const unknownReferences = (definitions: Definitions, flag: Flag): ErrorDetail[] => {
  const named = references(flag);
  const unknown = (kind: 'flag' | 'segment', keys: readonly string[], known: object) =>
    keys
      .filter(key => !Object.hasOwn(known, key))
      .map(key => ({
        path: 'rules',
        message: `${kind} "${key}" does not exist in this environment`,
      }));
  return [
    ...unknown('flag', named.flags, definitions.flags),
    ...unknown('segment', named.segments, definitions.segments),
  ];
};

const requireOthersSound = (
  before: Definitions,
  after: Definitions,
  flags: ReadonlySet<string>,
  segments: ReadonlySet<string>,
): void => {
  const compiledBefore = compile(before);
  const compiledAfter = compile(after, compiledBefore);
  for (const key of dependents(after, flags, segments)) {
    if (flags.has(key) || compiledBefore.problemsOf(key).length > 0) continue;
    const [problem] = compiledAfter.problemsOf(key);
    if (problem === undefined) continue;
    throw invalid([
      {
        path: '',
        message: `flag "${key}", which depends on it, would not work: ${problem.message}`,
      },
    ]);
  }
};

/** A segment is judged by the engine as the only condition of a flag. */
const problemsOfSegment = (segment: Segment): ErrorDetail[] => {
  const probe = {
    key: 'probe',
    type: 'boolean',
    enabled: true,
    variants: { on: true },
    defaultVariant: 'on',
    rules: [{ id: 'probe', conditions: [{ segment: segment.key }], variant: 'on' }],
  };
  const compiled = compile({ flags: { probe }, segments: { [segment.key]: segment } });
  return problemsIn(compiled, 'probe');
};
