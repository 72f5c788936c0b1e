import { buildRequest, createConnectionScope, isJsonObject, toSyncError } from '@pennon/sync';
import type { Address, ConnectionScope, Runtime, SyncError } from '@pennon/sync';
import type { Evaluation, Failed } from '@pennon/schema';

import { createCircuitBreaker } from './circuit-breaker.ts';
import type { CircuitBreaker } from './circuit-breaker.ts';
import { createEvaluationCache } from './evaluation-cache.ts';
import type { CacheOptions, EvaluationCache } from './evaluation-cache.ts';
import { unavailable } from './resolution.ts';
import type { EvaluationResult } from './resolution.ts';

/** Evaluates flags on the server, and caches the results. */
export type RemoteEvaluator = {
  /** If the server is unreachable, falls back to `evaluateLocally`, then to an expired result. */
  evaluate(
    flagKey: string,
    context: unknown,
    evaluateLocally: () => Evaluation | undefined,
  ): Promise<EvaluationResult>;
  /** Evaluates no flag, to find out whether the server accepts the key. Resolves to the error, if any. */
  probe(): Promise<SyncError | undefined>;
  /** Removes the results of flags that changed from the cache. */
  invalidate(flagKeys: readonly string[]): void;
  /** Why the server receives no requests at the moment; undefined if it does. */
  readonly openError: () => SyncError | undefined;
  close(): void;
};

export type RemoteOptions = Address & {
  readonly cache: CacheOptions;
  readonly requestTimeoutMs: number;
  /** Called when the server becomes unreachable or reachable. */
  readonly onChange: () => void;
};

/** Stands for numbers without a JSON form; a random text, so no context contains it. Created on first use. */
let notFinite: string | undefined;
const placeholder = (): string => (notFinite ??= `not finite ${crypto.randomUUID()}`);

const sortKeys = (value: object): object =>
  Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)));

const canonical = (_: string, value: unknown): unknown => {
  if (typeof value === 'number') return Number.isFinite(value) ? value : placeholder();
  return isJsonObject(value) ? sortKeys(value) : value;
};

/**
 * Returns the JSON of a request body, the same for contexts that differ only in the order of attributes.
 * A number that is not finite is written as 1e999, which is read as infinity: null would mean that the
 * attribute is missing, and then a dotted path could supply it.
 */
const toJson = (body: object): string => {
  const json = JSON.stringify(body, canonical);
  return notFinite === undefined ? json : json.replaceAll(`"${notFinite}"`, '1e999');
};

const NOT_JSON =
  'the evaluation context has no JSON form: it contains itself, or is nested too deep';

/** Returns the body of a request, which is also its cache key. Undefined if the context has no JSON form. */
const requestBody = (flagKey: string, context: unknown): string | undefined => {
  try {
    return toJson({ flagKey, context });
  } catch {
    return undefined;
  }
};

type Post = (route: string, body: string) => Promise<unknown>;

/** However slowly the response arrives, it must be complete within `requestTimeoutMs`. */
const createPost =
  (scope: ConnectionScope, options: RemoteOptions, { now }: Runtime): Post =>
  async (route, body) => {
    let text = '';
    const deadline = now() + options.requestTimeoutMs;
    await scope.send(buildRequest(options, route, { body }), options.requestTimeoutMs, chunk => {
      text += chunk;
      return deadline - now();
    });
    const response: unknown = JSON.parse(text);
    return response;
  };

const FLAG_ERRORS: ReadonlySet<unknown> = new Set<Failed['errorCode']>([
  'FLAG_NOT_FOUND',
  'PARSE_ERROR',
  'TARGETING_KEY_MISSING',
]);

const isFlagError = (code: unknown): code is Failed['errorCode'] => FLAG_ERRORS.has(code);

/** An error about the flag or the context is the result of the evaluation. Throws all other errors again. */
const resultOf = (flagKey: string, error: SyncError): Failed => {
  const { code, message } = error.serverError ?? {};
  if (!isFlagError(code)) throw error;
  return {
    flagKey,
    enabled: false,
    reason: 'ERROR',
    errorCode: code,
    errorMessage: message ?? error.message,
  };
};

const NOT_OURS = 'the response does not come from a Pennon server';

const isEvaluation = (value: unknown, flagKey: string): value is Evaluation =>
  isJsonObject(value) && value['flagKey'] === flagKey && typeof value['reason'] === 'string';

const requestEvaluation = async (
  post: Post,
  flagKey: string,
  body: string,
): Promise<Evaluation> => {
  try {
    const response = await post('evaluate', body);
    if (isEvaluation(response, flagKey)) return response;
  } catch (error) {
    return resultOf(flagKey, toSyncError(error));
  }
  throw new Error(NOT_OURS);
};

const requestNothing = async (post: Post): Promise<void> => {
  const response = await post('evaluations', toJson({ flagKeys: [], context: {} }));
  if (!isJsonObject(response) || !isJsonObject(response['evaluations'])) throw new Error(NOT_OURS);
};

/** The request was rejected because of what it contains; others may succeed. */
const isClientError = ({ status }: SyncError): boolean => status === 400 || status === 413;

/** Shares one promise between callers that need the same at the same time. */
const createSingleFlight = <Value>() => {
  const inFlight = new Map<string, Promise<Value>>();
  return (key: string, start: () => Promise<Value>): Promise<Value> => {
    const promise = inFlight.get(key) ?? start().finally(() => inFlight.delete(key));
    inFlight.set(key, promise);
    return promise;
  };
};

type Deps = {
  readonly post: Post;
  readonly cache: EvaluationCache;
  readonly breaker: CircuitBreaker;
  readonly scope: ConnectionScope;
};

/** Sends a request, and updates the cache and the circuit breaker with its outcome. */
const evaluateOnServer = async (
  { post, cache, breaker, scope }: Deps,
  flagKey: string,
  body: string,
): Promise<Evaluation> => {
  const generation = cache.generation();
  try {
    const evaluation = await requestEvaluation(post, flagKey, body);
    cache.set(body, evaluation, generation);
    breaker.reset();
    return evaluation;
  } catch (thrown) {
    const error = toSyncError(thrown);
    if (!isClientError(error) && !scope.isClosed()) breaker.trip(error);
    throw error;
  }
};

export const createRemoteEvaluator = (
  options: RemoteOptions,
  runtime: Runtime,
): RemoteEvaluator => {
  const scope = createConnectionScope(runtime);
  const post = createPost(scope, options, runtime);
  const cache = createEvaluationCache(options.cache, runtime.now);
  const breaker = createCircuitBreaker({ scope, ...options }, runtime);
  const deps: Deps = { post, cache, breaker, scope };
  const share = createSingleFlight<Evaluation>();

  const fallback = (flagKey: string, body: string, error: SyncError): EvaluationResult =>
    isClientError(error)
      ? unavailable(flagKey, 'INVALID_CONTEXT', error.message)
      : (cache.getExpired(body) ?? unavailable(flagKey, 'GENERAL', error.message));

  /** Returns the result of the server, or the error. */
  const tryServer = (flagKey: string, body: string): Promise<Evaluation | SyncError> => {
    const openError = breaker.check();
    if (openError !== undefined) return Promise.resolve(openError);
    return share(body, () => evaluateOnServer(deps, flagKey, body)).catch(toSyncError);
  };

  return {
    async evaluate(flagKey, context, evaluateLocally) {
      const body = requestBody(flagKey, context);
      if (body === undefined) return unavailable(flagKey, 'INVALID_CONTEXT', NOT_JSON);
      const outcome = cache.get(body) ?? (await tryServer(flagKey, body));
      if (!(outcome instanceof Error)) return outcome;
      return evaluateLocally() ?? fallback(flagKey, body, outcome);
    },
    probe: () => requestNothing(post).then(() => undefined, toSyncError),
    invalidate: flagKeys => cache.invalidate(flagKeys),
    openError: breaker.openError,
    close: scope.close,
  };
};
