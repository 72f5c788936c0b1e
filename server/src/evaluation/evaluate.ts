import { evaluate, explain } from '@pennon/engine';
import type { Explanation } from '@pennon/engine';
import { didYouMean, type Evaluation, type EvaluationContext, type Failed } from '@pennon/schema';

import type { Caller } from '../auth/caller.ts';
import { environmentOf, hasPermissionIn, requirePermissionIn } from '../auth/caller.ts';
import { MIN_BYTES, type Coding } from '../compression.ts';
import { PennonError } from '../errors.ts';
import type { FlagSetView, LiveFlagSet } from '../flag-set/live-flag-set.ts';
import type { Measured } from '../flag-set/measured.ts';
import type { Registry } from '../flag-set/registry.ts';
import type { Audience } from './audience.ts';
import { flagNotFound, isVisible, measuredFor, versionFor, visibleKeys } from './audience.ts';
import type { BulkEvaluation, BulkForm } from './bulk-evaluation.ts';
import { compressBulk, createBulkEvaluation } from './bulk-evaluation.ts';
import type { BulkEvaluationCache } from './bulk-evaluation-cache.ts';
import { validateContext } from './context.ts';
import type { CounterOf, UsageCounters } from './counter.ts';
import { exposuresOf, type Expose } from './exposures.ts';
import { isNotFound, seriesOf } from './counter.ts';
import { allFlags, flagFor, memberFor, preparedFlags, type ResultForm } from './prepared-flags.ts';
import { versionOf } from './result-text.ts';
import { forEachByUnits, unitsOf, unitsToCompile } from './units.ts';
import { andThen, type Turns } from '../turns.ts';

export type EvaluationServices = {
  readonly registry: Registry;
  readonly cache: BulkEvaluationCache;
  readonly counterOf: CounterOf;
  readonly usage: UsageCounters;
  readonly audienceOf: (caller: Caller) => Audience;
  readonly turns: Turns;
  readonly expose: Expose;
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
  services: EvaluationServices,
  caller: Caller,
  input: EvaluateInput,
): Decision => {
  const scope = scopeOf(services, caller, input.environment);
  const result = decide(services, scope, input);
  const { environment } = scope.live;
  services.counterOf(environment, result.flagKey, result.reason, true).count += 1;
  if (input.explain !== true) services.usage.counterOf(environment, seriesOf(result)).count += 1;
  return { ...result, ...versionMember(scope.view, result), environment };
};

/** Evaluates one flag in a scope, and returns the result in a form, as bytes. */
export const evaluateFlagAs = (
  form: ResultForm,
  services: EvaluationServices,
  scope: Scope,
  input: Omit<EvaluateInput, 'environment'>,
): string => {
  const result = decide(services, scope, input);
  const member = memberFor(preparedFlags(form, scope, services.counterOf), result);
  member.counter.count += 1;
  // A trace is for people, so it is not a use of the flag.
  if (input.explain !== true) {
    member.usage ??= services.usage.counterOf(scope.live.environment, seriesOf(result));
    member.usage.count += 1;
  }
  return member.text;
};

/** What a request evaluates, and who reads the results. */
export type Scope = {
  readonly caller: Caller;
  readonly live: LiveFlagSet;
  /** The revision of the flag set that the whole request uses. */
  readonly view: FlagSetView;
  readonly audience: Audience;
};

export const scopeOf = (
  { registry, audienceOf }: EvaluationServices,
  caller: Caller,
  requested: string | undefined,
): Scope => {
  const live = registry.find(environmentOf(caller, requested));
  return { caller, live, view: live.view(), audience: audienceOf(caller) };
};

/** Evaluates one flag. If that fails, counts it and throws. */
const decide = (
  services: EvaluationServices,
  { caller, live, view, audience }: Scope,
  { flagKey, context, explain: withTrace }: Omit<EvaluateInput, 'environment'>,
): Exclude<Evaluation, Failed> & Traced => {
  if (withTrace === true) requirePermissionIn(caller, 'explain', live.environment);
  validateContext(context);
  const result: Evaluation & Traced =
    withTrace === true
      ? explain(view.compiled, flagKey, context)
      : evaluateFor(view, audience, flagKey, context);
  const { environment } = live;
  if (result.reason !== 'ERROR') {
    // A trace is for people, so it is not an exposure.
    if (caller.exposes === true && withTrace !== true)
      for (const exposure of exposuresOf(view.flagSet, result, context))
        services.expose(caller, environment, exposure);
    return result;
  }
  services.counterOf(environment, flagKey, result.reason, !isNotFound(result)).count += 1;
  if (withTrace !== true) countFailedUse(services, environment, result);
  throw failure(result, caller, view);
};

const countFailedUse = (
  { usage }: EvaluationServices,
  environment: string,
  failed: Failed,
): void => {
  if (isNotFound(failed)) usage.noteUnknown(environment, failed.flagKey);
  else usage.counterOf(environment, seriesOf(failed)).count += 1;
};

/** Evaluates one flag as the audience may see it. A flag that is hidden from it looks like an unknown one. */
export const evaluateFor = (
  view: FlagSetView,
  audience: Audience,
  flagKey: string,
  context: EvaluationContext,
): Evaluation =>
  isVisible(view, audience, flagKey)
    ? evaluateVisible(view, audience, flagKey, context)
    : flagNotFound(flagKey);

const evaluateVisible = (
  view: FlagSetView,
  audience: Audience,
  flagKey: string,
  context: EvaluationContext,
): Evaluation => audience.present(evaluate(view.compiled, flagKey, context), view);

const versionMember = (
  view: FlagSetView,
  evaluation: Evaluation,
): { readonly version?: number } => {
  const version = versionOf(view, evaluation);
  return version === undefined ? {} : { version };
};

/** Returns evaluations by flag key, each with the version of its flag. */
export const withVersions = (
  view: FlagSetView,
  evaluations: readonly Evaluation[],
): Record<string, Evaluation> =>
  Object.fromEntries(
    evaluations.map(each => [each.flagKey, { ...each, ...versionMember(view, each) }]),
  );

/** Suggests a similar flag to callers that may list flags. Client keys must not find out about hidden ones. */
const failure = (
  { errorCode, errorMessage, flagKey }: Failed,
  caller: Caller,
  { flagSet }: FlagSetView,
): PennonError => {
  const isSuggested =
    errorCode === 'FLAG_NOT_FOUND' && hasPermissionIn(caller, 'flags.read', flagSet.environment);
  const suggestion = isSuggested ? didYouMean(flagKey, flagSet.flags.keyList()) : '';
  return new PennonError(errorCode, errorMessage + suggestion);
};

export type EvaluateAllInput = {
  readonly environment?: string | undefined;
  readonly context: EvaluationContext;
  readonly flagKeys?: readonly string[] | undefined;
};

/** The evaluations of many flags for one context, by flag key. */
export type EvaluateAllResult = Measured & {
  revision: number;
  environment: string;
  evaluations: Record<string, Evaluation>;
};

/** Evaluates all flags, or those of `flagKeys`, for one context and at one revision. */
export const evaluateFlags = async (
  services: EvaluationServices,
  caller: Caller,
  input: EvaluateAllInput,
): Promise<EvaluateAllResult> => {
  const scope = scopeOf(services, caller, input.environment);
  const { context, flagKeys } = input;
  validateContext(context);
  const keys =
    flagKeys === undefined ? visibleKeys(scope.view, scope.audience) : distinctKeys(flagKeys);
  const evaluations = await evaluateInTurns(services.turns, scope, keys, context);
  const { environment } = scope.view.flagSet;
  for (const each of evaluations)
    services.counterOf(environment, each.flagKey, each.reason, !isNotFound(each)).count += 1;
  const { revision } = versionFor(scope.view, scope.audience);
  const measured = measuredFor(scope.view, scope.audience);
  return { revision, environment, ...measured, evaluations: withVersions(scope.view, evaluations) };
};

/** A request for a bulk evaluation: its body as it was sent, and the form and the content coding of the response. */
export type BulkRequest = {
  readonly text: string;
  readonly form: BulkForm;
  readonly coding: Coding | undefined;
};

/** Returns the bulk evaluation for a request, if it is in the cache. It is then not parsed, because it was accepted before. */
export const cachedEvaluations = (
  { cache }: EvaluationServices,
  scope: Scope,
  request: BulkRequest,
): BulkEvaluation | undefined => {
  const bulk = cache.get(cacheKey(scope, request));
  if (bulk !== undefined) count(bulk);
  return bulk;
};

/** Evaluates many flags in a scope for a request, and caches the result. */
export const evaluateAndCache = (
  services: EvaluationServices,
  scope: Scope,
  request: BulkRequest,
  input: Omit<EvaluateAllInput, 'environment'>,
): BulkEvaluation | Promise<BulkEvaluation> =>
  andThen(evaluateBulk(services, scope, request.form, input), bulk => {
    services.cache.set(cacheKey(scope, request), bulk);
    count(bulk);
    return bulk;
  });

/**
 * Returns a bulk evaluation in the coding that the request prefers. It is compressed when it is sent for the first
 * time, and then cached in this form only, which takes less memory.
 */
export const inPreferredCoding = (
  services: EvaluationServices,
  scope: Scope,
  request: BulkRequest,
  bulk: BulkEvaluation,
): BulkEvaluation | Promise<BulkEvaluation> => {
  const { coding } = request;
  if (coding === undefined || bulk.coding !== undefined || bulk.body.length < MIN_BYTES)
    return bulk;
  return compressBulk(bulk, coding).then(compressed => {
    if (compressed !== bulk) services.cache.set(cacheKey(scope, request), compressed);
    return compressed;
  });
};

/** Each form and coding has an entry of its own, so that all that is kept counts against the bounds of the cache. */
const cacheKey = ({ live, view, audience }: Scope, { text, form, coding }: BulkRequest): string =>
  `${form.name} ${coding ?? 'identity'} ${audience.name} ${live.environment} ${idFor(form, view, audience)} ${text}`;

/** A form with strong tags has the versions of flags, which change more often than what public keys see. */
const idFor = ({ hasWeakTags }: BulkForm, view: FlagSetView, audience: Audience): string =>
  hasWeakTags ? versionFor(view, audience).id : view.flagSet.id;

const count = ({ counters }: BulkEvaluation): void => {
  for (const counter of counters) counter.count += 1;
};

const evaluateBulk = (
  services: EvaluationServices,
  scope: Scope,
  form: BulkForm,
  { context, flagKeys }: Omit<EvaluateAllInput, 'environment'>,
): BulkEvaluation | Promise<BulkEvaluation> => {
  validateContext(context);
  const prepared = preparedFlags(form, scope, services.counterOf);
  const flags =
    flagKeys === undefined
      ? allFlags(prepared)
      : distinctKeys(flagKeys).map(key => flagFor(prepared, key));
  return createBulkEvaluation(form, prepared, { flags, context }, services.turns);
};

const distinctKeys = (flagKeys: readonly string[]): readonly string[] =>
  [...new Set(flagKeys)].toSorted();

/** Evaluates flags in the order of their keys. Continues in a later turn if it takes long. */
export const evaluateInTurns = (
  turns: Turns,
  { view, audience }: Pick<Scope, 'view' | 'audience'>,
  keys: readonly string[],
  context: EvaluationContext,
): readonly Evaluation[] | Promise<readonly Evaluation[]> => {
  const evaluations: Evaluation[] = [];
  const add = (key: string): number => {
    const toCompile = unitsToCompile(view.compiled.lazyFlags.get(key));
    evaluations.push(evaluateFor(view, audience, key, context));
    return toCompile + unitsOf();
  };
  return andThen(forEachByUnits(turns, keys, add), () => evaluations);
};
