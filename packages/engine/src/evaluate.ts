import type { Evaluation } from '@pennon/schema';

import {
  asItIs,
  attributesOf,
  convertAttributes,
  type Attributes,
  type ToPlainValue,
} from './attributes.ts';
import type { CompiledFlagSet, LazyFlag } from './model.ts';
import { notFound, tooMuchWork } from './results.ts';
import { addWork, resetWork, WORK_EXCEEDED, workDone } from './work.ts';

let lastEvaluationId = 0;

/** Identifies one evaluation, within which each flag is evaluated at most once. */
export const newEvaluationId = (): number => (lastEvaluationId += 1);

/**
 * Evaluates a flag at most once within one evaluation. The flag must be compiled. Counts its work each time, so
 * whether a flag takes too much does not depend on which flags were evaluated before it.
 */
export const evaluateMemoized = (
  lazyFlag: LazyFlag,
  context: Attributes,
  evaluationId: number,
): Evaluation | undefined => {
  const { compiled } = lazyFlag;
  if (lazyFlag.evaluationId === evaluationId) addWork(lazyFlag.work);
  else if (compiled !== undefined) {
    const before = workDone();
    lazyFlag.result = compiled.fixedResult ?? compiled.resultFor(context, evaluationId);
    lazyFlag.work = workDone() - before;
    lazyFlag.evaluationId = evaluationId;
  }
  return lazyFlag.result;
};

/** Returns the result if an evaluation was stopped by its limit. Throws anything else. */
const resultOfError = (error: unknown, flagKey: string): Evaluation => {
  if (error !== WORK_EXCEEDED) throw error;
  return tooMuchWork(flagKey);
};

/** Begins an evaluation. */
export const begin = (toPlainValue: ToPlainValue = asItIs): void => {
  resetWork();
  convertAttributes(toPlainValue);
};

/**
 * Evaluates one flag. Never throws, and always returns the same result for the same arguments. Values of the context
 * that JSON does not have, such as dates, are missing unless `toPlainValue` converts them. It is called for those
 * that the flag reads only.
 */
export const evaluate = (
  compiled: CompiledFlagSet,
  flagKey: string,
  context: unknown,
  toPlainValue?: ToPlainValue,
): Evaluation => {
  const lazyFlag = compiled.lazyFlags.get(flagKey);
  return lazyFlag === undefined
    ? notFound(flagKey)
    : evaluateFound(compiled, lazyFlag, context, toPlainValue);
};

/** Evaluates a flag of a set like `evaluate`, but without looking for it. `lazyFlag` must be of this set. */
export const evaluateFound = (
  compiled: CompiledFlagSet,
  lazyFlag: LazyFlag,
  context: unknown,
  toPlainValue?: ToPlainValue,
): Evaluation => {
  const { key: flagKey } = lazyFlag;
  const flag = lazyFlag.compiled ?? compiled.compiledFlag(lazyFlag);
  if (flag === undefined) return notFound(flagKey);
  if (flag.fixedResult !== undefined) return flag.fixedResult;
  begin(toPlainValue);
  try {
    return flag.resultFor(attributesOf(context), flag.dependsOnFlags ? newEvaluationId() : 0);
  } catch (error) {
    return resultOfError(error, flagKey);
  }
};

/** Evaluates one of several flags, within a limit of its own. */
const evaluateOneOf = (
  lazyFlag: LazyFlag,
  context: Attributes,
  evaluationId: number,
): Evaluation | undefined => {
  begin();
  try {
    return evaluateMemoized(lazyFlag, context, evaluationId);
  } catch (error) {
    return resultOfError(error, lazyFlag.key);
  }
};

export type Evaluations = { readonly [flagKey: string]: Evaluation };

/** Evaluates many flags, by default all of them, each at most once. The returned object has no prototype. */
export const evaluateAll = (
  compiled: CompiledFlagSet,
  context: unknown,
  flagKeys: readonly string[] = compiled.flagKeys,
): Evaluations => {
  const attributes = attributesOf(context);
  const evaluationId = newEvaluationId();
  const evaluations: { [flagKey: string]: Evaluation } = {};
  Object.setPrototypeOf(evaluations, null);
  for (const flagKey of flagKeys) {
    const lazyFlag = compiled.lazyFlags.get(flagKey);
    if (lazyFlag !== undefined && lazyFlag.compiled === undefined) compiled.compiledFlag(lazyFlag);
    const result = lazyFlag && evaluateOneOf(lazyFlag, attributes, evaluationId);
    evaluations[flagKey] = result ?? notFound(flagKey);
  }
  return evaluations;
};
