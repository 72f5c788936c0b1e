import {
  backoffDelay,
  buildRequest,
  routeOf,
  createConnectionScope,
  isJsonObject,
  rejectedKeyDelay,
  sourceAgeOf,
  toSyncError,
} from '@pennon/sync';
import type { Address, ConnectionScope, Runtime, SyncError } from '@pennon/sync';
import type { Evaluation, Failed } from '@pennon/schema';

/** Returns the JSON of a request body, or undefined when it has none. */
type Serialize = (body: object) => string | undefined;

const sortKeys = (value: object): object =>
  Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)));

/**
 * The JSON is also the cache key, so it is the same for contexts that differ only in the order of attributes.
 * A number that is not finite is written as 1e999, which the server reads as infinity. As null, the attribute
 * would be missing, and the server would look for it under its dotted path.
 */
const createSerializer = (random: () => number): Serialize => {
  // Random, so no context contains this text.
  const placeholder = `not finite ${random()}`;
  const toCanonical = (_: string, value: unknown): unknown => {
    if (typeof value === 'number') return Number.isFinite(value) ? value : placeholder;
    return isJsonObject(value) ? sortKeys(value) : value;
  };
  return body => {
    try {
      return JSON.stringify(body, toCanonical).replaceAll(`"${placeholder}"`, '1e999');
    } catch {
      return undefined;
    }
  };
};

type Post = (route: string, body: string) => Promise<unknown>;

const createPost =
  (scope: ConnectionScope, options: ClientOptions, { monotonic }: Runtime): Post =>
  async (route, body) => {
    const { requestTimeoutMs } = options;
    const onSourceAge = options.onRequest();
    const deadline = monotonic() + requestTimeoutMs;
    let text = '';
    const request = buildRequest(options, routeOf(route, options), { body });
    const response = await scope.send(request, requestTimeoutMs, chunk => {
      text += chunk;
      // The timeout is for the whole response, however many chunks it arrives in.
      return deadline - monotonic();
    });
    const result: unknown = JSON.parse(text);
    onSourceAge(sourceAgeOf(response));
    return result;
  };

const NOT_PENNON = 'the response does not come from a Pennon server';

/** Older servers do not send the environment. */
export type RemoteEvaluation = Evaluation & { readonly environment?: string };

const isEvaluation = (value: unknown, flagKey: string): value is RemoteEvaluation =>
  isJsonObject(value) && value['flagKey'] === flagKey && typeof value['reason'] === 'string';

const FLAG_ERRORS: ReadonlySet<unknown> = new Set<Failed['errorCode']>([
  'FLAG_NOT_FOUND',
  'PARSE_ERROR',
  'TARGETING_KEY_MISSING',
  'INVALID_CONTEXT',
]);

const isFlagError = (code: unknown): code is Failed['errorCode'] => FLAG_ERRORS.has(code);

/** Returns an error about the flag or its context as a result. Throws all other errors again. */
const failedEvaluation = (flagKey: string, error: SyncError): Failed => {
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

const requestEvaluation = async (
  post: Post,
  flagKey: string,
  body: string,
): Promise<RemoteEvaluation> => {
  try {
    const response = await post('evaluate', body);
    if (isEvaluation(response, flagKey)) return response;
  } catch (error) {
    return failedEvaluation(flagKey, toSyncError(error));
  }
  throw new Error(NOT_PENNON);
};

const probeServer = async (post: Post): Promise<void> => {
  const response = await post('evaluations', '{"flagKeys":[],"context":{}}');
  if (!isJsonObject(response) || !isJsonObject(response['evaluations']))
    throw new Error(NOT_PENNON);
};

/** Stops requests to a server that fails, so evaluations do not wait for its timeouts. */
type CircuitBreaker = {
  /** The error that opened the circuit, or undefined while it is closed. */
  readonly circuitError: () => SyncError | undefined;
  /**
   * Must be called before each request. Returns the error to fail with, or undefined when the request may be
   * sent. After a pause, the open circuit admits one request as a trial, and no other until it has timed out.
   */
  readonly admitRequest: () => SyncError | undefined;
  /** How long no request is admitted, in milliseconds. */
  readonly pauseMs: () => number;
  trip(error: SyncError): void;
  reset(): void;
};

type BreakerOptions = {
  /** How long a trial may take before another one is admitted. */
  readonly trialMs: number;
  readonly retryAfterMs: () => number;
  /** Called when the circuit opens, closes, or stays open with another error. */
  readonly onChange: () => void;
};

const createCircuitBreaker = (
  { trialMs, retryAfterMs, onChange }: BreakerOptions,
  { monotonic, random }: Runtime,
): CircuitBreaker => {
  let circuitError: SyncError | undefined;
  let failures = 0;
  let nextTrialAt = 0;
  return {
    circuitError: () => circuitError,
    admitRequest() {
      if (circuitError === undefined || monotonic() < nextTrialAt) return circuitError;
      nextTrialAt = monotonic() + trialMs;
      return undefined;
    },
    pauseMs: () => (circuitError === undefined ? 0 : Math.max(0, nextTrialAt - monotonic())),
    trip(error) {
      circuitError = error;
      const delayMs = Math.max(
        retryAfterMs(),
        rejectedKeyDelay(error, random),
        backoffDelay(failures, random),
      );
      nextTrialAt = monotonic() + delayMs;
      failures += 1;
      onChange();
    },
    reset() {
      if (circuitError === undefined) return;
      circuitError = undefined;
      failures = 0;
      onChange();
    },
  };
};

/** The server rejected the content of the request, so other requests may succeed. */
export const isContextError = ({ status }: SyncError): boolean => status === 400 || status === 413;

type ClientOptions = Address & {
  readonly requestTimeoutMs: number;
  /** Called when the circuit opens, closes, or stays open with another error. */
  readonly onCircuitChange: () => void;
  /** Called for each request. Returns a function that takes the source age of its response. */
  readonly onRequest: () => (ageMs: number | undefined) => void;
};

/** Requests evaluations from the server. A circuit breaker pauses the requests while the server fails. */
export type EvaluateClient = Pick<CircuitBreaker, 'circuitError' | 'admitRequest' | 'pauseMs'> & {
  /** Returns the body of an evaluation request, or undefined when the context has no JSON form. */
  readonly bodyOf: (flagKey: string, context: unknown) => string | undefined;
  /** Sends a request that was admitted. Rejects with a `SyncError`. */
  readonly evaluate: (flagKey: string, body: string) => Promise<RemoteEvaluation>;
  /**
   * Evaluates no flags, to find out whether the server responds and accepts the key. Closes the circuit, or rejects and
   * keeps it open; `opensCircuit` also opens it.
   */
  readonly probe: (options?: { readonly opensCircuit: boolean }) => Promise<void>;
  readonly close: () => void;
};

export const createEvaluateClient = (options: ClientOptions, runtime: Runtime): EvaluateClient => {
  const scope = createConnectionScope(runtime);
  const post = createPost(scope, options, runtime);
  const serialize = createSerializer(runtime.random);
  const breaker = createCircuitBreaker(
    {
      retryAfterMs: scope.retryAfterMs,
      trialMs: options.requestTimeoutMs,
      onChange: options.onCircuitChange,
    },
    runtime,
  );
  return {
    circuitError: breaker.circuitError,
    admitRequest: breaker.admitRequest,
    pauseMs: breaker.pauseMs,
    bodyOf: (flagKey, context) => serialize({ flagKey, context }),
    async evaluate(flagKey, body) {
      try {
        const evaluation = await requestEvaluation(post, flagKey, body);
        breaker.reset();
        return evaluation;
      } catch (thrown) {
        const error = toSyncError(thrown);
        if (!isContextError(error)) breaker.trip(error);
        throw error;
      }
    },
    async probe({ opensCircuit } = { opensCircuit: false }) {
      try {
        await probeServer(post);
        breaker.reset();
      } catch (error) {
        if (opensCircuit || breaker.circuitError() !== undefined) breaker.trip(toSyncError(error));
        throw error;
      }
    },
    close: scope.close,
  };
};
