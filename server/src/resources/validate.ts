import { setImmediate } from 'node:timers/promises';

import type { Problem } from '@pennon/engine';
import { compile, diffSteps, patternProblem } from '@pennon/engine';
import { didYouMean, toEvaluationSegment } from '@pennon/schema';
import type { Condition, ErrorDetail, Flag, Segment } from '@pennon/schema';

import {
  contentsAfter,
  evaluationWriteSteps,
  toReadFlag,
  type Contents,
  type EvaluationWrites,
} from '../flag-set/documents.ts';
import type { FlagSetView } from '../flag-set/live-flag-set.ts';
import { invalid } from '../errors.ts';
import { mapInSlices, runInSlices } from '../slices.ts';
import type { Writes } from '../store/store.ts';
import { codeFieldProblems } from './code-fields.ts';

/** The flag set that a write is validated against. */
export type ValidationBase = Pick<FlagSetView, 'flagSet' | 'compiled'>;

/**
 * Throws BAD_REQUEST if the flag, or one that depends on it, would not compile. The engine decides, so
 * every stored flag is one that every engine can evaluate.
 */
export const validateFlag = (base: ValidationBase, flag: Flag): Promise<void> =>
  validateFlags(base, [flag]);

/** Validates flags that are written together, and may depend on each other. */
export const validateFlags = (base: ValidationBase, flags: readonly Flag[]): Promise<void> =>
  validateTogether(base, { flags, segments: [] });

/** Throws BAD_REQUEST if a flag or segment, or a flag that depends on one of them, would not compile. */
export const validateTogether = async (
  base: ValidationBase,
  { flags, segments }: { readonly flags: readonly Flag[]; readonly segments: readonly Segment[] },
): Promise<void> => {
  const written = {
    flags: new Map(await mapInSlices(flags, flag => [flag.key, toReadFlag(flag)] as const)),
    segments: new Map(segments.map(segment => [segment.key, toEvaluationSegment(segment)])),
  };
  const next = await withWritten(base, written);
  await mapInSlices(segments, segment => requireValidSegment(next, segment));
  await mapInSlices(flags, flag => requireValid(next, flag));
  await validateDependents(base, next, {
    flags: new Set(written.flags.keys()),
    segments: new Set(written.segments.keys()),
  });
};

const requireValid = (next: ValidationBase, flag: Flag): void => {
  const details = problemsOfFlag(next, flag);
  if (details.length > 0) throw invalid(details.slice(0, MAX_DETAILS), `flag "${flag.key}"`);
};

/** Throws BAD_REQUEST if the segment, or a flag that uses it, would not compile. */
export const validateSegment = (base: ValidationBase, segment: Segment): Promise<void> =>
  validateTogether(base, { flags: [], segments: [segment] });

const requireValidSegment = (next: ValidationBase, { key }: Segment): void => {
  const details = next.compiled.problemsOfSegment(key).map(detailOf);
  if (details.length > 0) throw invalid(details.slice(0, MAX_DETAILS), `segment "${key}"`);
};

const MAX_DETAILS = 20;

const withWritten = async (
  { flagSet, compiled }: ValidationBase,
  written: EvaluationWrites,
): Promise<ValidationBase> => {
  const next = { ...flagSet, ...contentsAfter(flagSet, written) };
  const hint = { flags: [...written.flags.keys()], segments: [...written.segments.keys()] };
  const problem = patternProblem(next, flagSet, hint);
  if (problem !== undefined) throw invalid([{ path: '', message: problem }], 'flag set');
  // What is compared here is not compared again at once when the set is compiled.
  await runInSlices(diffSteps(flagSet, next, hint));
  return { flagSet: next, compiled: compile(next, compiled, hint) };
};

/** Returns the flag set as it would be after a write. */
export const afterWrites = async (
  base: ValidationBase,
  writes: Writes<'flagSet'>,
): Promise<ValidationBase> => withWritten(base, await runInSlices(evaluationWriteSteps(writes)));

const detailOf = ({ path, message }: Pick<Problem, 'path' | 'message'>): ErrorDetail => ({
  path,
  message,
});

/** The problems of a flag within its set. A missing segment, which the engine reports too, is listed once. */
export const problemsOfFlag = (
  { flagSet, compiled }: ValidationBase,
  flag: Flag,
): readonly ErrorDetail[] => {
  const missing = missingReferences(flagSet, flag);
  const paths = new Set(missing.map(({ path }) => path));
  const others = compiled.problemsOf(flag.key).filter(({ path }) => !paths.has(path));
  return [...missing, ...others.map(detailOf), ...codeFieldProblems(flag)];
};

/** One problem for each condition with a flag or segment that the flag set does not have. */
const missingReferences = ({ flags, segments }: Contents, flag: Flag): ErrorDetail[] =>
  flag.rules
    .flatMap(({ conditions }, at) => referencesIn(conditions, `rules.${at}.conditions`))
    .flatMap(({ kind, key, path }) => {
      const known = kind === 'flag' ? flags : segments;
      if (known.has(key)) return [];
      const suggestion = didYouMean(key, known.keyList());
      const message = `refers to ${kind} "${key}", which does not exist in this environment: create it first, or use another one${suggestion}`;
      return [{ path, message }];
    });

type Reference = {
  readonly kind: 'flag' | 'segment';
  readonly key: string;
  readonly path: string;
};

const referencesIn = (conditions: readonly Condition[], path: string): Reference[] =>
  conditions.flatMap((condition, at): Reference[] => {
    const own = `${path}.${at}`;
    if ('any' in condition) return referencesIn(condition.any, `${own}.any`);
    if ('all' in condition) return referencesIn(condition.all, `${own}.all`);
    if ('flag' in condition) return [{ kind: 'flag', key: condition.flag, path: `${own}.flag` }];
    if ('segment' in condition)
      return [{ kind: 'segment', key: condition.segment, path: `${own}.segment` }];
    return [];
  });

/** Dependents that are compiled before other work gets a turn: a few milliseconds. */
const DEPENDENTS_PER_TURN = 20;

/**
 * Flags that were invalid before the write do not block it. Other work continues in between, because all flags
 * of the set may depend on one segment.
 */
const validateDependents = async (
  base: ValidationBase,
  next: ValidationBase,
  written: { readonly flags: ReadonlySet<string>; readonly segments: ReadonlySet<string> },
): Promise<void> => {
  const { affected } = await runInSlices(diffSteps(base.flagSet, next.flagSet, written));
  for (const [index, key] of affected.entries()) {
    if (index % DEPENDENTS_PER_TURN === DEPENDENTS_PER_TURN - 1) await setImmediate();
    if (written.flags.has(key)) continue;
    const [problem] = next.compiled.problemsOf(key);
    if (problem === undefined || base.compiled.problemsOf(key).length > 0) continue;
    throw invalid([
      {
        path: '',
        message: `flag "${key}", which depends on it, would become invalid: ${problem.message}`,
      },
    ]);
  }
};
