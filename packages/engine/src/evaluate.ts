import type { Evaluation } from '@pennon/schema';

import { attributesOf, toBucketingValue, type Attributes } from './attributes.ts';
import { DRAWS, signedHash } from './hash.ts';
import type { Band, CompiledFlag, CompiledFlagSet, CompiledRule, Slot } from './model.ts';
import { notFound } from './results.ts';

/** Finds the band that contains a hash. The last band ends at the highest hash. */
const bandAt = (bands: readonly Band[], hash: number): Band | undefined => {
  for (const band of bands) if (hash < band.upperBound) return band;
  return undefined;
};

/** Returns the result of a rule after its conditions held; undefined if it does not admit the subject. */
export const serve = (rule: CompiledRule, context: Attributes): Evaluation | undefined => {
  const { threshold, upperBound, hashSeed } = rule.admission;
  if (threshold === 0) return undefined;
  if (threshold === DRAWS && rule.serve.kind === 'variant') return rule.serve.result;
  const value = toBucketingValue(rule.readBucketBy(context));
  if (value === undefined) return rule.targetingKeyMissing;
  if (threshold < DRAWS && signedHash(value, hashSeed) >= upperBound) return undefined;
  if (rule.serve.kind === 'variant') return rule.serve.result;
  return bandAt(rule.serve.bands, signedHash(value, rule.serve.hashSeed))?.result;
};

/** The decision: malformed or disabled, then the first rule that serves, then the default variant. */
const decide = (flag: CompiledFlag, context: Attributes, evaluationId: number): Evaluation => {
  if (flag.fixedResult !== undefined) return flag.fixedResult;
  for (const rule of flag.rules) {
    if (!rule.holds(context, evaluationId)) continue;
    const result = serve(rule, context);
    if (result !== undefined) return result;
  }
  return flag.defaultResult;
};

let lastEvaluationId = 0;

/** The results of other flags are memoized by this id. */
export const newEvaluationId = (): number => (lastEvaluationId += 1);

/** Evaluates a flag at most once within one evaluation. Its slot must be compiled. */
export const evaluateMemoized = (
  slot: Slot,
  context: Attributes,
  evaluationId: number,
): Evaluation | undefined => {
  if (slot.evaluationId !== evaluationId && slot.flag !== undefined) {
    slot.result = decide(slot.flag, context, evaluationId);
    slot.evaluationId = evaluationId;
  }
  return slot.result;
};

/** Evaluates one flag. Never throws, and always returns the same result for the same arguments. */
export const evaluate = (
  compiled: CompiledFlagSet,
  flagKey: string,
  context: unknown,
): Evaluation => {
  const slot = compiled.slots.get(flagKey);
  const flag = slot && (slot.flag ?? compiled.compiledFlag(slot));
  if (flag === undefined) return notFound(flagKey);
  return decide(flag, attributesOf(context), flag.dependsOnFlags ? newEvaluationId() : 0);
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
    const slot = compiled.slots.get(flagKey);
    if (slot !== undefined && slot.flag === undefined) compiled.compiledFlag(slot);
    const result = slot && evaluateMemoized(slot, attributes, evaluationId);
    evaluations[flagKey] = result ?? notFound(flagKey);
  }
  return evaluations;
};
