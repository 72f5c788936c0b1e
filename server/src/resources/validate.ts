import type { Problem } from '@pennon/engine';
import { compile, diffFlagSets, references } from '@pennon/engine';
import { toEvaluationFlag } from '@pennon/schema';
import type { ErrorDetail, Flag, FlagSet, Segment } from '@pennon/schema';

import type { FlagSetView } from '../flag-set/live-flag-set.ts';
import { invalid } from '../errors.ts';

/** The flag set that a write is validated against. */
export type ValidationBase = Pick<FlagSetView, 'flagSet' | 'compiled'>;

/**
 * Throws BAD_REQUEST if the flag, or one that depends on it, would not compile. The engine decides, so
 * every stored flag is one that every engine can evaluate.
 */
export const validateFlag = (base: ValidationBase, flag: Flag): void => {
  const next = withWritten(base, { flags: { [flag.key]: toEvaluationFlag(flag) }, segments: {} });
  const details = [
    ...missingReferences(next.flagSet, flag).map(message => ({ path: 'rules', message })),
    ...next.compiled.problemsOf(flag.key).map(detailOf),
  ];
  if (details.length > 0) throw invalid(details.slice(0, MAX_DETAILS), `flag "${flag.key}"`);
  validateDependents(base, next, { flags: new Set([flag.key]), segments: new Set() });
};

/** Throws BAD_REQUEST if the segment, or a flag that uses it, would not compile. */
export const validateSegment = (base: ValidationBase, segment: Segment): void => {
  const next = withWritten(base, { flags: {}, segments: { [segment.key]: segment } });
  const details = next.compiled.problemsOfSegment(segment.key).map(detailOf);
  if (details.length > 0) throw invalid(details.slice(0, MAX_DETAILS), `segment "${segment.key}"`);
  validateDependents(base, next, { flags: new Set(), segments: new Set([segment.key]) });
};

const MAX_DETAILS = 20;

const withWritten = (
  { flagSet, compiled }: ValidationBase,
  written: Pick<FlagSet, 'flags' | 'segments'>,
): ValidationBase => {
  const next = {
    ...flagSet,
    flags: { ...flagSet.flags, ...written.flags },
    segments: { ...flagSet.segments, ...written.segments },
  };
  return { flagSet: next, compiled: compile(next, compiled) };
};

const detailOf = ({ path, message }: Pick<Problem, 'path' | 'message'>): ErrorDetail => ({
  path,
  message,
});

/** One message for each flag and segment that `flag` refers to and the flag set does not have. */
export const missingReferences = ({ flags, segments }: FlagSet, flag: Flag): string[] => {
  const referred = references(flag);
  return [
    ...referred.flags.filter(key => !Object.hasOwn(flags, key)).map(key => `flag "${key}"`),
    ...referred.segments
      .filter(key => !Object.hasOwn(segments, key))
      .map(key => `segment "${key}"`),
  ].map(missing => `${missing} does not exist in this environment`);
};

/** Flags that were invalid before the write do not block it. */
const validateDependents = (
  base: ValidationBase,
  next: ValidationBase,
  written: { readonly flags: ReadonlySet<string>; readonly segments: ReadonlySet<string> },
): void => {
  for (const key of diffFlagSets(base.flagSet, next.flagSet, written).affected) {
    if (written.flags.has(key) || base.compiled.problemsOf(key).length > 0) continue;
    const [problem] = next.compiled.problemsOf(key);
    if (problem === undefined) continue;
    throw invalid([
      {
        path: '',
        message: `flag "${key}", which depends on it, would become invalid: ${problem.message}`,
      },
    ]);
  }
};
