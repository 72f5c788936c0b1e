import { HEARTBEAT_MS, isAuthError, isLongPause, toSyncError } from '@pennon/sync';
import type { Pause, Runtime, SyncError } from '@pennon/sync';
import type { Evaluation } from '@pennon/schema';

import { createEvaluateClient, isContextError } from './evaluate-client.ts';
import type { EvaluateClient, RemoteEvaluation } from './evaluate-client.ts';
import type { OnlineOptions } from './options.ts';
import { createRemoteSource } from './remote-source.ts';
import type { RemoteSource } from './remote-source.ts';
import { unavailable } from './resolution.ts';
import type { EvaluationResult } from './resolution.ts';

/** For this long after a change was received, another server may still evaluate the previous flags. */
const SERVER_LAG_MS = 2_000;

/** The memory that cached results may take, however large contexts and values are. */
const MAX_CACHE_BYTES = 16_777_216;
const ENTRY_OVERHEAD_BYTES = 300;

type Entry = {
  readonly evaluation: RemoteEvaluation;
  readonly expiresAt: number;
  readonly bytes: number;
};

/** The memory of a result and its request body, both with two bytes for each character. */
const bytesOf = (body: string, evaluation: RemoteEvaluation): number =>
  2 * (body.length + JSON.stringify(evaluation).length) + ENTRY_OVERHEAD_BYTES;

/** Results of remote evaluation, by request body. Evicts the least recently used entry. */
type EvaluationCache = {
  /** Returns a result that has not expired. */
  readonly get: (body: string) => RemoteEvaluation | undefined;
  /** Returns a result of any age, for when the server is unreachable. */
  readonly getExpired: (body: string) => RemoteEvaluation | undefined;
  /** Grows each time that results are removed or expire. */
  readonly generation: () => number;
  /** Does nothing when flags changed since the request was sent, in an earlier `generation`. */
  set(body: string, evaluation: RemoteEvaluation, generation: number): void;
  /** Removes the results of flags that changed. */
  invalidate(flagKeys: readonly string[]): void;
  /** Makes all results expire. */
  expire(): void;
};

type CacheOptions = { readonly maxEntries: number; readonly ttlMs: number };

/** Remembers the flags that changed within `SERVER_LAG_MS`. */
const createRecentChanges = (monotonic: () => number) => {
  let changeTimes = new Map<string, number>();
  const isRecent = (changedAt: number): boolean => monotonic() < changedAt + SERVER_LAG_MS;
  return {
    has: (flagKey: string): boolean => isRecent(changeTimes.get(flagKey) ?? -Infinity),
    add(flagKeys: readonly string[]) {
      changeTimes = new Map([...changeTimes].filter(([, changedAt]) => isRecent(changedAt)));
      for (const flagKey of flagKeys) changeTimes.set(flagKey, monotonic());
    },
  };
};

/** Returns a map that evicts the least recently used entries. */
const createLruMap = (maxEntries: number) => {
  // A Map iterates in the order of insertion, so the first entry is the least recently used.
  const entries = new Map<string, Entry>();
  let bytes = 0;
  const remove = (key: string): void => {
    bytes -= entries.get(key)?.bytes ?? 0;
    entries.delete(key);
  };
  return {
    get: (key: string) => entries.get(key),
    /** Returns a copy, so that entries can be changed while it is read. */
    all: () => [...entries],
    remove,
    put: (key: string, entry: Entry) => {
      remove(key);
      entries.set(key, entry);
      bytes += entry.bytes;
      for (const leastRecentlyUsed of entries.keys()) {
        if (entries.size <= maxEntries && bytes <= MAX_CACHE_BYTES) break;
        remove(leastRecentlyUsed);
      }
    },
  };
};

const createEvaluationCache = (
  { maxEntries, ttlMs }: CacheOptions,
  monotonic: () => number,
): EvaluationCache => {
  const entries = createLruMap(maxEntries);
  const recentChanges = createRecentChanges(monotonic);
  let generation = 0;
  let hasFlagSet = false;
  return {
    get(body) {
      const entry = entries.get(body);
      if (entry === undefined || monotonic() >= entry.expiresAt) return undefined;
      entries.put(body, entry);
      return entry.evaluation;
    },
    getExpired: body => entries.get(body)?.evaluation,
    generation: () => generation,
    set(body, evaluation, requestGeneration) {
      if (requestGeneration !== generation) return;
      const isUncertain = recentChanges.has(evaluation.flagKey);
      const lifetimeMs = isUncertain ? Math.min(ttlMs, SERVER_LAG_MS) : ttlMs;
      const bytes = bytesOf(body, evaluation);
      entries.put(body, { evaluation, expiresAt: monotonic() + lifetimeMs, bytes });
    },
    invalidate(flagKeys) {
      // The first flag set that is received is not a change: the servers had it before.
      if (hasFlagSet) recentChanges.add(flagKeys);
      hasFlagSet = true;
      generation += 1;
      const changed = new Set(flagKeys);
      for (const [body, { evaluation }] of entries.all())
        if (changed.has(evaluation.flagKey)) entries.remove(body);
    },
    expire() {
      generation += 1;
      for (const [body, entry] of entries.all())
        entries.put(body, { ...entry, expiresAt: -Infinity });
    },
  };
};

/** Whether the server evaluates flags for the key of this provider. */
export type RemoteAccess = 'unknown' | 'granted' | 'denied';

const createAccessCheck = (
  { probe, circuitError }: Pick<EvaluateClient, 'probe' | 'circuitError'>,
  onChange: () => void,
) => {
  let access: RemoteAccess = 'unknown';
  const request = (): Promise<RemoteAccess> =>
    probe().then(
      () => 'granted',
      (error: unknown) => (isAuthError(toSyncError(error)) ? 'denied' : 'unknown'),
    );
  return {
    access: () => access,
    async check(): Promise<void> {
      if (access === 'granted' && circuitError() === undefined) return;
      access = await request();
      onChange();
    },
  };
};

/** Checks until the circuit is closed, so that no evaluation is needed to find out that a lost server is back. */
const createRecovery = (
  { circuitError, pauseMs, admitRequest }: EvaluateClient,
  check: () => Promise<void>,
  setTimer: Runtime['setTimer'],
) => {
  let isStopped = false;
  let cancelTimer: () => void = () => undefined;
  const tryAgain = async (): Promise<void> => {
    if (admitRequest() === undefined) await check();
    update();
  };
  const update = () => {
    cancelTimer();
    if (isStopped || circuitError() === undefined) return;
    cancelTimer = setTimer(pauseMs(), () => void tryAgain());
  };
  return {
    update,
    stop() {
      isStopped = true;
      cancelTimer();
    },
  };
};

/**
 * A key that may not read the flag set has no stream. While all results come from the cache, only a probe notices that
 * the server is lost.
 */
const createSilenceWatch = (
  { circuitError, probe }: EvaluateClient,
  isSilent: () => boolean,
  setTimer: Runtime['setTimer'],
) => {
  let cancelTimer: (() => void) | undefined;
  let isStopped = false;
  const start = (): void => {
    if (!isStopped) cancelTimer = setTimer(HEARTBEAT_MS / 2, () => void check().then(start));
  };
  const check = async (): Promise<void> => {
    if (circuitError() === undefined && isSilent())
      await probe({ opensCircuit: true }).catch(() => undefined);
  };
  return {
    start() {
      if (cancelTimer === undefined) start();
    },
    stop() {
      isStopped = true;
      cancelTimer?.();
    },
  };
};

/** Evaluates no flags, only for the source age of the response. */
const probeIfAdmitted = async ({ admitRequest, probe }: EvaluateClient): Promise<void> => {
  if (admitRequest() === undefined) await probe().catch(() => undefined);
};

/** Returns a function that shares one promise between concurrent calls with the same key. */
const createSingleFlight = <Value>() => {
  const inFlight = new Map<string, Promise<Value>>();
  return (key: string, start: () => Promise<Value>): Promise<Value> => {
    const promise = inFlight.get(key) ?? start().finally(() => inFlight.delete(key));
    inFlight.set(key, promise);
    return promise;
  };
};

/**
 * Returns a function that requests an evaluation. It resolves to the result of the server, or to the error. The results
 * of the server are added to `responses`.
 */
const createRequester = (
  client: EvaluateClient,
  cache: EvaluationCache,
  responses: WeakSet<EvaluationResult>,
) => {
  const share = createSingleFlight<RemoteEvaluation>();
  return async (flagKey: string, body: string): Promise<RemoteEvaluation | SyncError> => {
    const error = client.admitRequest();
    if (error !== undefined) return error;
    const generation = cache.generation();
    // A request that was sent before a change is not shared with callers after it.
    return share(`${generation} ${body}`, async () => {
      const evaluation = await client.evaluate(flagKey, body);
      responses.add(evaluation);
      cache.set(body, evaluation, generation);
      return evaluation;
    }).catch(toSyncError);
  };
};

/** Errors of a flag stay errors, so that they are noticed. */
const asCached = (evaluation: RemoteEvaluation | undefined): EvaluationResult | undefined =>
  evaluation === undefined || evaluation.reason === 'ERROR'
    ? evaluation
    : { ...evaluation, reason: 'CACHED' };

const NO_JSON_FORM =
  'the evaluation context has no JSON form: it contains itself, or is nested too deep';

/** Evaluates flags on the server, and caches the results. */
export type RemoteEvaluator = {
  /** If the server is unreachable, falls back to `evaluateLocally`, then to an expired result. */
  evaluate(
    flagKey: string,
    context: unknown,
    evaluateLocally: () => Evaluation | undefined,
  ): Promise<EvaluationResult>;
  /**
   * Whether the server has counted the evaluation with this result. True once for each of its responses, because several
   * callers may share one.
   */
  readonly isCounted: (result: EvaluationResult) => boolean;
  /** `unknown` before `checkAccess`, and while the server is unreachable. */
  readonly access: () => RemoteAccess;
  /** Finds out whether the server evaluates flags for a key that may not read the flag set. */
  checkAccess(): Promise<void>;
  /** Removes the results of flags that changed from the cache. */
  invalidate(flagKeys: readonly string[]): void;
  /** Makes all cached results expire, so the next evaluations send requests. */
  expire(): void;
  /**
   * Makes all cached results expire after a long pause. A key without access to the flag set has no other sign that
   * the server is current, so results count as out of date until it has responded.
   */
  afterPause(pause: Pause): void;
  /** Resolves to whether the server evaluates flags for the key now. */
  readonly confirm: () => Promise<boolean>;
  /** The error because of which requests are paused, or undefined when they are not. */
  readonly circuitError: () => SyncError | undefined;
  /** How current the servers are that evaluate. */
  readonly source: Pick<RemoteSource, 'staleError' | 'freshness' | 'responseFreshness'>;
  close(): void;
};

/** Returns the expired result, if there is one, in place of a request that failed because of the server. */
const fallbackFor = (
  flagKey: string,
  expired: RemoteEvaluation | undefined,
  error: SyncError,
): EvaluationResult =>
  isContextError(error)
    ? unavailable(flagKey, 'INVALID_CONTEXT', error.message)
    : (asCached(expired) ?? unavailable(flagKey, 'GENERAL', error.message));

const REQUEST_TIMEOUT_MS = 2_000;
const CACHE_TTL_MS = 60_000;
const CACHE_ENTRIES = 10_000;

/** `onChange` is called when `access`, `circuitError` or `source` may have changed. */
export const createRemoteEvaluator = (
  options: OnlineOptions,
  runtime: Runtime,
  onChange: () => void,
): RemoteEvaluator => {
  const { requestTimeoutMs = REQUEST_TIMEOUT_MS } = options;
  const { cacheTtlMs: ttlMs = CACHE_TTL_MS, cacheEntries: maxEntries = CACHE_ENTRIES } = options;
  const onCircuitChange = () => {
    // A key that can read the flag set follows it, and so notices the return of the server.
    if (accessCheck.access() === 'granted') recovery.update();
    onChange();
  };
  const source = createRemoteSource(runtime, () => probeIfAdmitted(client), onChange);
  const client = createEvaluateClient(
    { ...options, requestTimeoutMs, onCircuitChange, onRequest: source.expectResponse },
    runtime,
  );
  const cache = createEvaluationCache({ maxEntries, ttlMs }, runtime.monotonic);
  const responses = new WeakSet<EvaluationResult>();
  const request = createRequester(client, cache, responses);
  const accessCheck = createAccessCheck(client, () => {
    if (accessCheck.access() === 'granted') silenceWatch.start();
    onChange();
  });
  const silenceWatch = createSilenceWatch(client, source.isSilent, runtime.setTimer);
  const recovery = createRecovery(client, () => accessCheck.check(), runtime.setTimer);

  return {
    async evaluate(flagKey, context, evaluateLocally) {
      const body = client.bodyOf(flagKey, context);
      if (body === undefined) return unavailable(flagKey, 'INVALID_CONTEXT', NO_JSON_FORM);
      const outcome = asCached(cache.get(body)) ?? (await request(flagKey, body));
      if (!(outcome instanceof Error)) return outcome;
      return evaluateLocally() ?? fallbackFor(flagKey, cache.getExpired(body), outcome);
    },
    isCounted: result => responses.delete(result),
    access: () => {
      const access = accessCheck.access();
      return access === 'granted' && client.circuitError() !== undefined ? 'unknown' : access;
    },
    checkAccess: () => accessCheck.check(),
    invalidate: flagKeys => cache.invalidate(flagKeys),
    expire: () => cache.expire(),
    afterPause(pause) {
      if (!isLongPause(pause)) return;
      cache.expire();
      if (accessCheck.access() === 'granted') source.afterPause(pause);
    },
    confirm: () =>
      client.probe().then(
        () => source.staleError() === undefined,
        () => false,
      ),
    circuitError: client.circuitError,
    source,
    close() {
      silenceWatch.stop();
      recovery.stop();
      source.stop();
      client.close();
    },
  };
};
