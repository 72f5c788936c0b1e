import type { Evaluation } from '@pennon/schema';

import { notFound } from './results.ts';
import { attributesOf, unitOf, type Attributes } from './attributes.ts';
import { DRAWS, position } from './hash.ts';
import type { Band, CompiledFlag, CompiledFlagSet, CompiledRule, Slot } from './model.ts';

/** The band in which a position lies; the last one ends where all positions do. */
const bandOf = (bands: readonly Band[], at: number): Band | undefined => {
  for (const band of bands) if (at < band.bound) return band;
  return undefined;
};

/** What a rule whose conditions hold serves; undefined where its percentage passes the subject over. */
export const serve = (rule: CompiledRule, context: Attributes): Evaluation | undefined => {
  const { threshold, bound, inner } = rule.admission;
  if (threshold === 0) return undefined;
  if (threshold === DRAWS && rule.serve.kind === 'variant') return rule.serve.answer;
  const unit = unitOf(rule.readUnit(context));
  if (unit === undefined) return rule.unitMissing;
  if (threshold < DRAWS && position(unit, inner) >= bound) return undefined;
  if (rule.serve.kind === 'variant') return rule.serve.answer;
  return bandOf(rule.serve.bands, position(unit, rule.serve.inner))?.answer;
};

/** The decision. A malformed flag is an error before anything else, and a disabled one asks nobody. */
const decide = (flag: CompiledFlag, context: Attributes, evaluationId: number): Evaluation => {
  if (flag.fixedResult !== undefined) return flag.fixedResult;
  for (const rule of flag.rules) {
    if (!rule.holds(context, evaluationId)) continue;
    const answer = serve(rule, context);
    if (answer !== undefined) return answer;
  }
  return flag.defaultResult;
};

let questions = 0;

/** A number for an evaluation, and with it for every answer of another flag that it remembers. */
export const newEvaluationId = (): number => (questions += 1);

/** A flag's answer, decided at most once within one evaluation. Its slot must be ready. */
export const evaluateMemoized = (
  slot: Slot,
  context: Attributes,
  evaluationId: number,
): Evaluation | undefined => {
  if (slot.evaluationId !== evaluationId && slot.flag !== undefined) {
    slot.answer = decide(slot.flag, context, evaluationId);
    slot.evaluationId = evaluationId;
  }
  return slot.answer;
};

/** Decides one flag. Never throws, and answers the same question the same way for ever. */
export const evaluate = (
  compiled: CompiledFlagSet,
  flagKey: string,
  context: unknown,
): Evaluation => {
  const slot = compiled.slots.get(flagKey);
  const flag = slot && (slot.flag ?? compiled.ready(slot));
  if (flag === undefined) return notFound(flagKey);
  return decide(flag, attributesOf(context), flag.dependsOnFlags ? newEvaluationId() : 0);
};

export type Evaluations = { readonly [flagKey: string]: Evaluation };

/** Decides many flags, all of them unless named, each at most once. The object inherits nothing. */
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
    if (slot !== undefined && slot.flag === undefined) compiled.ready(slot);
    const answer = slot && evaluateMemoized(slot, attributes, evaluationId);
    evaluations[flagKey] = answer ?? notFound(flagKey);
  }
  return evaluations;
};
