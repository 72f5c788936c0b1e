import type { Explanation } from '@pennon/engine';
import { evaluate, evaluateAll, explain } from '@pennon/engine';
import { didYouMean, type Evaluation, type EvaluationContext, type Failed } from '@pennon/schema';

import type { Caller } from '../auth/caller.ts';
import { environmentOf, requirePermission, seesOnlyVisible } from '../auth/caller.ts';
import { hasPermission } from '../auth/permissions.ts';
import { PennonError } from '../errors.ts';
import type { FlagSetView } from '../flag-set/live-flag-set.ts';
import type { Registry } from '../flag-set/registry.ts';
import type { BulkEvaluation } from './bulk-evaluation.ts';
import { createBulkEvaluation } from './bulk-evaluation.ts';
import { validateContext } from './context.ts';
import type { CounterOf } from './counter.ts';
import { isNotFound } from './counter.ts';
import type { BulkEvaluationCache } from './bulk-evaluation-cache.ts';

export type EvaluationServices = {
  readonly registry: Registry;
  readonly cache: BulkEvaluationCache;
  readonly counterOf: CounterOf;
};

export type EvaluateInput = {
  readonly environment?: string | undefined;
  readonly flagKey: string;
  readonly context: EvaluationContext;
  readonly explain?: boolean | undefined;
};

type Traced = Partial<Pick<Explanation, 'trace'>>;

/** The result of a single evaluation. A failed one is thrown as an error with its code instead. */
export type Decision = Exclude<Evaluation, Failed> & Traced & { readonly environment: string };

/** Evaluates one flag, with a trace if `explain` is set. */
export const evaluateFlag = (
  { registry, counterOf }: EvaluationServices,
  caller: Caller,
  { environment: requested, flagKey, context, explain: withTrace }: EvaluateInput,
): Decision => {
  if (withTrace === true) requirePermission(caller, 'explain');
  validateContext(context);
  const environment = environmentOf(caller, requested);
  const view = registry.find(environment).view();
  const evaluateOrExplain = withTrace === true ? explain : evaluate;
  const result: Evaluation & Traced =
    seesOnlyVisible(caller) && !isVisible(view, true, flagKey)
      ? flagNotFound(flagKey)
      : evaluateOrExplain(view.compiled, flagKey, context);
  counterOf(environment, flagKey, result.reason, !isNotFound(result)).count += 1;
  if (result.reason === 'ERROR') throw failure(result, caller, view);
  return { ...result, ...versionIn(view, flagKey), environment };
};

/** Adds the version of its flag to each result. Errors have none: a hidden flag must look like an unknown one. */
export const withVersions = (
  view: FlagSetView,
  evaluations: Readonly<Record<string, Evaluation>>,
): Record<string, Evaluation> =>
  Object.fromEntries(
    Object.entries(evaluations).map(([key, evaluation]) => [
      key,
      evaluation.reason === 'ERROR' ? evaluation : { ...evaluation, ...versionIn(view, key) },
    ]),
  );

const versionIn = (
  { flagSet: { flags } }: FlagSetView,
  key: string,
): { readonly version?: number } => {
  const version = Object.hasOwn(flags, key) ? flags[key]?.version : undefined;
  return version === undefined ? {} : { version };
};

/** Suggests a similar flag to callers that may list flags. Client keys must not find out about hidden ones. */
const failure = (
  { errorCode, errorMessage, flagKey }: Failed,
  { role }: Caller,
  { flagSet }: FlagSetView,
): PennonError => {
  const isSuggested = errorCode === 'FLAG_NOT_FOUND' && hasPermission(role, 'flags.read');
  const suggestion = isSuggested ? didYouMean(flagKey, Object.keys(flagSet.flags)) : '';
  return new PennonError(errorCode, errorMessage + suggestion);
};

/** The same error for unknown flags and for flags hidden from a client key, so it reveals nothing about them. */
const flagNotFound = (flagKey: string): Failed => ({
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

/** Evaluates all flags, or those of `flagKeys`, for one context and at one revision. */
export const evaluateFlags = (
  { registry, cache, counterOf }: EvaluationServices,
  caller: Caller,
  { environment: requested, context, flagKeys }: EvaluateAllInput,
): BulkEvaluation => {
  validateContext(context);
  const environment = environmentOf(caller, requested);
  const view = registry.find(environment).view();
  const visibleOnly = seesOnlyVisible(caller);
  const { id, revision } = view.flagSet;
  const bulk = cache.get([id, visibleOnly, flagKeys ?? null, context], () => {
    const evaluations =
      flagKeys === undefined
        ? evaluateAll(view.compiled, context, visibleKeys(view, visibleOnly))
        : evaluateRequested(view, visibleOnly, context, flagKeys);
    const data = { revision, environment, evaluations: withVersions(view, evaluations) };
    return createBulkEvaluation(data, counterOf);
  });
  for (const counter of bulk.counters) counter.count += 1;
  return bulk;
};

/** Evaluations in the order of their keys. A key that does not exist has an entry too. */
const evaluateRequested = (
  view: FlagSetView,
  visibleOnly: boolean,
  context: EvaluationContext,
  requested: readonly string[],
): Record<string, Evaluation> => {
  const keys = [...new Set(requested)].toSorted();
  const visible = new Set(keys.filter(key => isVisible(view, visibleOnly, key)));
  const found = evaluateAll(view.compiled, context, [...visible]);
  return Object.fromEntries(
    keys.map(key => [key, (visible.has(key) ? found[key] : undefined) ?? flagNotFound(key)]),
  );
};

const visibleKeys = (view: FlagSetView, visibleOnly: boolean): readonly string[] => {
  const keys = Object.keys(view.flagSet.flags);
  return visibleOnly ? keys.filter(key => isVisible(view, visibleOnly, key)) : keys;
};

/** Whether a flag exists for a caller. With `visibleOnly`, only flags that are `clientVisible` do. */
export const isVisible = (
  { flagSet: { flags } }: FlagSetView,
  visibleOnly: boolean,
  key: string,
): boolean => Object.hasOwn(flags, key) && (!visibleOnly || flags[key]?.clientVisible === true);
