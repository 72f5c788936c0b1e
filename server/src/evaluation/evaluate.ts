import type { Explanation } from '@pennon/engine';
import { evaluate, evaluateAll, explain } from '@pennon/engine';
import type { Evaluation, EvaluationContext, Failed } from '@pennon/schema';
import { LIMITS } from '@pennon/schema';

import type { FlagSetView, LiveFlagSet } from '../flag-set/live-flag-set.ts';
import type { Registry } from '../flag-set/registry.ts';
import { invalid, PennonError } from '../errors.ts';
import type { Caller } from '../auth/caller.ts';
import { environmentOf, requirePermission, seesOnlyVisible } from '../auth/caller.ts';
import type { AnswerCache } from './answer-cache.ts';
import type { BulkAnswer } from './bulk-answer.ts';
import { makeBulkAnswer } from './bulk-answer.ts';
import type { CounterOf } from './count.ts';
import { isUnknown } from './count.ts';

export type EvaluationParts = {
  readonly registry: Registry;
  readonly cache: AnswerCache;
  readonly counterOf: CounterOf;
};

export type EvaluateInput = {
  readonly environment?: string | undefined;
  readonly flagKey: string;
  readonly context: EvaluationContext;
  readonly explain?: boolean | undefined;
};

/** A decision; an evaluation that failed is thrown as an error of its code instead. */
export type Decided = Exclude<Evaluation, Failed> & Partial<Pick<Explanation, 'trace'>>;

export const evaluateFlag = (
  { registry, counterOf }: EvaluationParts,
  caller: Caller,
  { environment: asked, flagKey, context, explain: traced }: EvaluateInput,
): Decided => {
  if (traced === true) requirePermission(caller, 'explain');
  requireContext(context);
  const environment = environmentOf(caller, asked);
  const view = registry.find(environment).view();
  const answer = decide(view, caller, flagKey, context, traced === true);
  counterOf(environment, flagKey, answer.reason, !isUnknown(answer)).count += 1;
  if (answer.reason === 'ERROR') throw new PennonError(answer.errorCode, answer.errorMessage);
  return answer;
};

const decide = (
  { compiled, flagSet }: FlagSetView,
  caller: Caller,
  flagKey: string,
  context: EvaluationContext,
  traced: boolean,
): Evaluation & Partial<Pick<Explanation, 'trace'>> => {
  if (hides(flagSet, caller, flagKey)) return unknownFlag(flagKey);
  return traced ? explain(compiled, flagKey, context) : evaluate(compiled, flagKey, context);
};

/** To a client key a flag that is not `clientVisible` is as unknown as one that does not exist. */
const hides = (flagSet: FlagSetView['flagSet'], caller: Caller, flagKey: string): boolean =>
  seesOnlyVisible(caller) && !isVisible(flagSet, flagKey);

const isVisible = (flagSet: FlagSetView['flagSet'], flagKey: string): boolean =>
  Object.hasOwn(flagSet.flags, flagKey) && flagSet.flags[flagKey]?.clientVisible === true;

/** One place makes this answer for the unknown and the invisible, so that they cannot be told apart. */
const unknownFlag = (flagKey: string): Failed => ({
  flagKey,
  enabled: false,
  reason: 'ERROR',
  errorCode: 'FLAG_NOT_FOUND',
  errorMessage: `there is no flag "${flagKey}"`,
});

export type EvaluateAllInput = {
  readonly environment?: string | undefined;
  readonly context: EvaluationContext;
  readonly flagKeys?: readonly string[] | undefined;
};

/** All flags, or those asked for, for one context: of one revision, with a strong entity tag. */
export const evaluateFlags = (
  { registry, cache, counterOf }: EvaluationParts,
  caller: Caller,
  { environment: asked, context, flagKeys }: EvaluateAllInput,
): BulkAnswer => {
  requireContext(context);
  const environment = environmentOf(caller, asked);
  const live = registry.find(environment);
  const visibleOnly = seesOnlyVisible(caller);
  const answer = cache.answer(
    [live.view().flagSet.id, visibleOnly, flagKeys ?? null, context],
    () => makeBulkAnswer(environment, bulk(live, visibleOnly, context, flagKeys), counterOf),
  );
  for (const counter of answer.counters) counter.count += 1;
  return answer;
};

const bulk = (
  live: LiveFlagSet,
  visibleOnly: boolean,
  context: EvaluationContext,
  flagKeys: readonly string[] | undefined,
) => {
  const view = live.view();
  return {
    revision: view.flagSet.revision,
    evaluations: evaluateVisible(view, visibleOnly, context, flagKeys),
  };
};

/** Evaluations by flag key, in the order of keys. What was asked for and is unknown is an entry too. */
const evaluateVisible = (
  view: FlagSetView,
  visibleOnly: boolean,
  context: EvaluationContext,
  asked: readonly string[] | undefined,
): Record<string, Evaluation> => {
  if (asked === undefined)
    return evaluateAll(view.compiled, context, visibleKeys(view, visibleOnly));
  const visible = new Set(visibleKeys(view, visibleOnly));
  const keys = [...new Set(asked)].toSorted();
  const found = evaluateAll(
    view.compiled,
    context,
    keys.filter(key => visible.has(key)),
  );
  return Object.fromEntries(
    keys.map(key => [key, (visible.has(key) ? found[key] : undefined) ?? unknownFlag(key)]),
  );
};

/** The keys that a caller may know of, in order. */
const visibleKeys = ({ flagSet }: FlagSetView, visibleOnly: boolean): string[] => {
  const keys = Object.keys(flagSet.flags);
  return visibleOnly ? keys.filter(key => isVisible(flagSet, key)) : keys;
};

/** Whether there is such a flag, as far as a caller may know. */
export const mayKnow = ({ flagSet }: FlagSetView, visibleOnly: boolean, key: string): boolean =>
  visibleOnly ? isVisible(flagSet, key) : Object.hasOwn(flagSet.flags, key);

/** A context is a JSON object of bounded depth, and of bounded size: anybody's page may send one. */
export const requireContext = (context: EvaluationContext): void => {
  const values = countWithin(context, LIMITS.contextDepth, LIMITS.contextValues);
  if (values === TOO_DEEP)
    throw refusedContext(`must nest at most ${LIMITS.contextDepth} levels deep`);
  if (values > LIMITS.contextValues)
    throw refusedContext(
      `must hold at most ${LIMITS.contextValues} values, at all depths together`,
    );
};

const refusedContext = (message: string): PennonError => invalid([{ path: 'context', message }]);

const TOO_DEEP = Infinity;

/** How many values a JSON value holds, `TOO_DEEP` or more than `most`: gives up as soon as that is so. */
const countWithin = (value: unknown, levels: number, most: number): number => {
  if (typeof value !== 'object' || value === null) return 0;
  if (levels === 0) return TOO_DEEP;
  const members: readonly unknown[] = Array.isArray(value) ? value : Object.values(value);
  let count = members.length;
  for (const member of members) {
    if (count > most) break;
    count += countWithin(member, levels - 1, most - count);
  }
  return count;
};
