import type { Problem } from '@pennon/engine';
import { compile } from '@pennon/engine';
import type { ErrorDetail, Flag, FlagSet, Segment } from '@pennon/schema';

import { dependents, referencesOf } from '../flag-set/dependents.ts';
import type { FlagSetView } from '../flag-set/live-flag-set.ts';
import { invalid } from '../errors.ts';

/** The flag set that a write is judged against. */
export type Base = Pick<FlagSetView, 'flagSet' | 'compiled'>;

/**
 * Refuses a write after which a flag would not compile: the written one, or one that depends on it.
 * The engine is the judge, so that what is stored is what every engine can decide.
 */
export const validateFlag = (base: Base, flag: Flag): void => {
  const after = baseWith(base, { flags: { [flag.key]: flag }, segments: {} });
  const problems = after.compiled.problemsOf(flag.key);
  const details = [...unknownReferences(after.flagSet, flag), ...problems.map(detail)];
  if (details.length > 0) throw invalid(details.slice(0, MOST_DETAILS), `flag "${flag.key}"`);
  requireOthersSound(base, after, new Set([flag.key]), new Set());
};

/** The same for a segment: it must be sound itself, and so must every flag that uses it. */
export const validateSegment = (base: Base, segment: Segment): void => {
  const after = baseWith(base, { flags: {}, segments: { [segment.key]: segment } });
  const details = after.compiled.problemsOfSegment(segment.key).map(detail);
  if (details.length > 0) throw invalid(details.slice(0, MOST_DETAILS), `segment "${segment.key}"`);
  requireOthersSound(base, after, new Set(), new Set([segment.key]));
};

const baseWith = (
  { flagSet, compiled }: Base,
  written: Pick<FlagSet, 'flags' | 'segments'>,
): Base => {
  const after = {
    ...flagSet,
    flags: { ...flagSet.flags, ...written.flags },
    segments: { ...flagSet.segments, ...written.segments },
  };
  return { flagSet: after, compiled: compile(after, compiled) };
};

const detail = ({ path, message }: Pick<Problem, 'path' | 'message'>): ErrorDetail => ({
  path,
  message,
});

const MOST_DETAILS = 20;

const unknownReferences = (flagSet: FlagSet, flag: Flag): ErrorDetail[] => {
  const named = referencesOf(flag);
  const unknown = (kind: 'flag' | 'segment', keys: readonly string[], known: object) =>
    keys
      .filter(key => !Object.hasOwn(known, key))
      .map(key => ({
        path: 'rules',
        message: `${kind} "${key}" does not exist in this environment`,
      }));
  return [
    ...unknown('flag', named.flags, flagSet.flags),
    ...unknown('segment', named.segments, flagSet.segments),
  ];
};

const requireOthersSound = (
  before: Base,
  after: Base,
  flags: ReadonlySet<string>,
  segments: ReadonlySet<string>,
): void => {
  for (const key of dependents(after.flagSet, flags, segments)) {
    if (flags.has(key) || before.compiled.problemsOf(key).length > 0) continue;
    const [problem] = after.compiled.problemsOf(key);
    if (problem === undefined) continue;
    throw invalid([
      {
        path: '',
        message: `flag "${key}", which depends on it, would not work: ${problem.message}`,
      },
    ]);
  }
};
