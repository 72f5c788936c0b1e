import { errorFromEvent, gapError, isRequestError, syncError, toSyncError } from './errors.ts';
import type { SyncError } from './errors.ts';
import { createEventParser } from './event-stream.ts';
import { createFollowerState } from './follower-state.ts';
import type {
  FollowerCallbacks,
  FollowerMode,
  FollowerState,
  FollowerStatus,
} from './follower-state.ts';
import { createConnectionScope } from './http.ts';
import type { ConnectionScope } from './http.ts';
import { ownValue } from './json.ts';
import { isLongPause, pausedError, watchPauses } from './pauses.ts';
import type { Pause } from './pauses.ts';
import { createRefresh } from './refresh.ts';
import type { Refresh } from './refresh.ts';
import { defaultRuntime } from './runtime.ts';
import type { Runtime } from './runtime.ts';
import { sourceAgeOf, staleSourceError } from './source-age.ts';
import type { Address, SyncedResource } from './synced-resource.ts';
import {
  backoffDelay,
  CHECK_TIMEOUT_MS,
  HEARTBEAT_MS,
  IDLE_TIMEOUT_MS,
  POLL_INTERVAL_MS,
  rejectedKeyDelay,
  RESPONSE_TIMEOUT_MS,
  staleRetryDelay,
} from './timing.ts';

export type FollowOptions<Data, Changed = unknown> = Address &
  FollowerCallbacks<Data, Changed> & {
    /** If false, the follower only polls. */
    readonly stream?: boolean | undefined;
    /** The time between polls while there is no stream; 30,000 by default. */
    readonly pollIntervalMs?: number | undefined;
    /** Data that the server has not sent or confirmed after this time count as out of date. Unlimited by default. */
    readonly confirmWithinMs?: number | undefined;
    /** Called after a time in which this process did not run, and before the data are requested again. */
    readonly onPause?: ((pause: Pause) => void) | undefined;
  };

export type Follower<Data> = {
  /** Returns the latest data, or undefined before the first. */
  data(): Data | undefined;
  readonly status: () => FollowerStatus;
  /**
   * Whether the data have not been confirmed within `confirmWithinMs`, or since this process was paused for longer
   * than a stream may be silent, such as by a freeze.
   */
  readonly isUnconfirmed: () => boolean;
  /** Notices a pause at once, instead of within a second. Call it before the data are used. */
  readonly noticePause: () => void;
  /**
   * Requests the data at once. Resolves to true when the server has sent or confirmed them, or to false after
   * `timeoutMs` and if the follower is stopped. A response to a request that was sent before the call does not count.
   * Concurrent calls share requests.
   */
  readonly refresh: Refresh;
  /** Closes all connections, cancels all timers and makes no more callbacks. */
  stop(): void;
};

type FollowerContext<Data, Changed> = {
  readonly resource: SyncedResource<Data, Changed>;
  readonly scope: ConnectionScope;
  readonly state: FollowerState<Data, Changed>;
  readonly poll: Poll;
  readonly intervalMs: number;
  readonly runtime: Runtime;
};

/** Keeps a resource current, by a stream with polls as the fallback, or by polls alone. */
export const follow = <Data extends { readonly revision: number }, Changed>(
  resource: SyncedResource<Data, Changed>,
  options: FollowOptions<Data, Changed>,
  runtime: Runtime = defaultRuntime,
): Follower<Data> => {
  const scope = createConnectionScope(runtime);
  const state = createFollowerState(resource, options, runtime);
  const poll = createPoll(resource, scope, state);
  // An interval of 0, less than 0 or NaN would poll without a pause.
  const intervalMs = Math.max(0, options.pollIntervalMs ?? 0) || POLL_INTERVAL_MS;
  const run = options.stream === false ? followPolls : followStream;
  const context = { resource, scope, state, poll, intervalMs, runtime };
  // Starts again after an unexpected error, such as one of a callback. Without a follower, no data are current.
  const start = (): Promise<void> =>
    run(context).catch((error: unknown) => {
      state.setError(toSyncError(error));
      state.setMode('disconnected');
      return scope.sleep(POLL_INTERVAL_MS).then(start);
    });
  void start();
  const stopLimit = limitConfirmation(state, options.confirmWithinMs, runtime);
  const pauses = watchPauses(runtime, pause => {
    runtime.renewConnections?.();
    options.onPause?.(pause);
    onPause(scope, state, pause);
  });
  const refresh = createRefresh(scope, state, runtime);
  return {
    data: state.data,
    status() {
      pauses.check();
      return state.status();
    },
    isUnconfirmed: state.isUnconfirmed,
    noticePause: pauses.check,
    refresh(timeoutMs) {
      pauses.check();
      return refresh(timeoutMs);
    },
    stop() {
      pauses.stop();
      stopLimit();
      scope.close();
      state.setMode('stopped');
    },
  };
};

/** Returns a function that cancels the limit. */
const limitConfirmation = <Data, Changed>(
  state: FollowerState<Data, Changed>,
  limitMs: number | undefined,
  { setTimer }: Runtime,
): (() => void) =>
  limitMs === undefined
    ? () => {}
    : setTimer(limitMs, () => {
        if (state.mode() === 'connecting' && !state.hasReceived())
          state.setUnconfirmed(syncError('the server did not respond in time'));
      });

/**
 * Requests the data at once, because what was in flight may have been lost while the process did not run.
 * After a long pause, they do not count as current until the server has confirmed them.
 */
const onPause = <Data, Changed>(
  scope: ConnectionScope,
  state: FollowerState<Data, Changed>,
  { ms, unmeasuredMs }: Pause,
): void => {
  state.addAge(unmeasuredMs);
  // Without data, the first request is in flight, and has a timeout.
  if (scope.isClosed() || !state.hasReceived()) return;
  // Otherwise they already count as out of date.
  if (state.mode() !== 'disconnected' && state.mode() !== 'stale') {
    if (isLongPause({ ms })) state.setUnconfirmed(pausedError({ ms }));
    else state.setMode('connecting');
  }
  scope.interrupt();
};

/**
 * Polls, then streams until the stream is lost, and repeats both with growing delays. Polls and streams take
 * turns, so a response can never overtake another one.
 */
const followStream = async <Data, Changed>(
  context: FollowerContext<Data, Changed>,
): Promise<void> => {
  const { scope, runtime } = context;
  await pollFirst(context);
  let failures = 0;
  while (!scope.isClosed()) {
    const { error, uptimeMs } = await runStream(context);
    if (uptimeMs >= HEARTBEAT_MS) failures = 0;
    const { isGap, isInterruption } = error;
    // After a gap the data may be wrong, so there is no delay. Otherwise the followers of a server that goes
    // down must not all poll at the same time.
    const jitterMs = isGap || isInterruption ? 0 : backoffDelay(0, runtime.random);
    await scope.sleep(scope.retryAfterMs() + jitterMs);
    const retryMs = isInterruption ? 0 : backoffDelay(failures, runtime.random);
    await pollUntil(context, Math.max(retryMs, rejectedKeyDelay(error, runtime.random)));
    if (!isInterruption) failures += 1;
  }
};

/**
 * The first request is a poll without any delay, so starting takes one round trip even if a proxy buffers
 * streams. If it fails without a reason to wait, the stream follows at once and decides about the mode, except
 * if the error will not go away by itself.
 */
const pollFirst = async <Data, Changed>({
  scope,
  state,
  poll,
  runtime,
}: FollowerContext<Data, Changed>): Promise<void> => {
  const error = await poll();
  const delayMs = Math.max(rejectedKeyDelay(error, runtime.random), scope.retryAfterMs());
  const isLasting = delayMs > 0 || (error !== undefined && isRequestError(error));
  if (isLasting) state.setMode('disconnected');
  await scope.sleep(delayMs);
};

/** Polls now, and then at intervals until `ms` have passed and the server may be contacted again. */
const pollUntil = async <Data, Changed>(
  context: FollowerContext<Data, Changed>,
  ms: number,
): Promise<void> => {
  const { scope, intervalMs, runtime } = context;
  let until = runtime.monotonic() + ms;
  do {
    const error = await pollOrDisconnect(context);
    const delayMs = Math.max(rejectedKeyDelay(error, runtime.random), scope.retryAfterMs());
    until = Math.max(until, runtime.monotonic() + delayMs);
    await scope.sleep(Math.min(until - runtime.monotonic(), Math.max(intervalMs, delayMs)));
  } while (runtime.monotonic() < until && !scope.isClosed());
};

const followPolls = async <Data, Changed>(
  context: FollowerContext<Data, Changed>,
): Promise<void> => {
  const { scope, state, intervalMs, runtime } = context;
  for (let failures = 0; !scope.isClosed();) {
    const error = await pollOrDisconnect(context);
    failures = error === undefined ? 0 : failures + 1;
    const longestMs = retryLimitMs(state.mode(), failures, runtime.random);
    await scope.sleep(
      Math.max(
        Math.min(intervalMs, longestMs),
        scope.retryAfterMs(),
        rejectedKeyDelay(error, runtime.random),
      ),
    );
  }
};

/** Returns the longest time between two polls. It is shorter than the interval while the data may be out of date. */
const retryLimitMs = (mode: FollowerMode, failures: number, random: () => number): number => {
  if (failures > 0) return backoffDelay(failures, random);
  return mode === 'stale' ? staleRetryDelay(random) : Infinity;
};

const pollOrDisconnect = async <Data, Changed>({
  state,
  poll,
}: FollowerContext<Data, Changed>): Promise<SyncError | undefined> => {
  const error = await poll();
  if (error !== undefined) state.setMode('disconnected');
  return error;
};

/** Once the server is known to be away, a slow response is better than none. */
const pollTimeoutMs = <Data, Changed>({ data, mode }: FollowerState<Data, Changed>): number =>
  data() === undefined || mode() === 'disconnected' ? RESPONSE_TIMEOUT_MS : CHECK_TIMEOUT_MS;

/** Requests the data once. Returns the error if that fails. */
type Poll = () => Promise<SyncError | undefined>;

const createPoll = <Data, Changed>(
  resource: SyncedResource<Data, Changed>,
  scope: ConnectionScope,
  state: FollowerState<Data, Changed>,
): Poll => {
  let lastPoll: { readonly data: Data; readonly etag: string | null } | undefined;

  /** The ETag of the current data: the one of the last poll, unless a stream has changed the data since. */
  const currentEtag = (): string | undefined => {
    const data = state.data();
    if (data === undefined) return undefined;
    return (data === lastPoll?.data ? lastPoll.etag : undefined) ?? resource.etagOf(data);
  };

  const requestData = async (): Promise<void> => {
    let text = '';
    const idleTimeoutMs = pollTimeoutMs(state);
    const onText = (part: string) => {
      text += part;
      return idleTimeoutMs;
    };
    const request = resource.pollRequest(currentEtag());
    const response = await scope.send(request, idleTimeoutMs, onText);
    if (scope.isClosed() || scope.isInterrupted()) return;
    const current = response.status === 304 ? state.data() : undefined;
    const data = current ?? resource.parse(text);
    state.setData({ data, sourceAgeMs: sourceAgeOf(response) }, 'poll');
    lastPoll = { data, etag: response.headers.get('etag') };
  };

  const poll: Poll = async () => {
    const error = await requestData().then(() => undefined, toSyncError);
    if (scope.isClosed()) return undefined;
    if (error !== undefined && !error.isInterruption) state.setError(error);
    // The poll was interrupted, or a callback has called `refresh`.
    return scope.isInterrupted() ? poll() : error;
  };
  return poll;
};

/** Reads a stream until it is lost. Returns the reason, and for how long it had delivered data. */
const runStream = async <Data, Changed>(context: FollowerContext<Data, Changed>) => {
  const { scope, state, runtime } = context;
  let startedAt = Infinity;
  const onStart = () => {
    startedAt = runtime.monotonic();
  };
  const error = await readStream(context, onStart).catch(toSyncError);
  if (!scope.isClosed()) onStreamLost(state, error);
  return { error, uptimeMs: runtime.monotonic() - startedAt };
};

const onStreamLost = <Data, Changed>(
  state: FollowerState<Data, Changed>,
  error: SyncError,
): void => {
  if (!error.isInterruption) state.setError(error);
  if (state.mode() === 'streaming') state.setMode('connecting');
  // The first poll has failed, too.
  else if (state.mode() === 'connecting' && !error.isInterruption) state.setMode('disconnected');
};

/**
 * Returns a check that throws if the server has been cut off from its store for long. The follower then connects
 * again, perhaps to another server behind the same load balancer.
 */
const createStaleCheck = <Data, Changed>({
  state,
  runtime,
}: FollowerContext<Data, Changed>): (() => void) => {
  const limitMs = staleRetryDelay(runtime.random);
  let since: number | undefined;
  return () => {
    const now = runtime.monotonic();
    const { mode, sourceAgeMs = 0 } = state.status();
    since = mode === 'stale' ? (since ?? now) : undefined;
    if (since !== undefined && now - since >= limitMs) throw staleSourceError(sourceAgeMs);
  };
};

/** Applies the events of one stream. Never resolves: rejects with the reason why the stream was lost. */
const readStream = async <Data, Changed>(
  context: FollowerContext<Data, Changed>,
  onStart: () => void,
): Promise<never> => {
  const { resource, scope, state } = context;
  const checkStale = createStaleCheck(context);
  let isStarted = false;
  let openingAgeMs: number | undefined;
  const parser = createEventParser(message => {
    const { event } = message;
    const reduce = ownValue(resource.events, event);
    // A callback may have stopped the follower between two events of one chunk.
    if (scope.isClosed()) return;
    if (event === 'error') throw errorFromEvent(message.data);
    if (reduce === undefined) return;
    if (!isStarted && !resource.initialEvents.includes(event)) {
      throw gapError(`the stream started with the event "${event}"`);
    }
    const update = reduce(state.data(), message);
    state.setData(isStarted ? update : { ...update, sourceAgeMs: openingAgeMs }, 'stream');
    if (!isStarted) onStart();
    isStarted = true;
    checkStale();
  });
  const request = resource.streamRequest(state.data());
  const { headers } = await scope.send(request, RESPONSE_TIMEOUT_MS, (text, response) => {
    openingAgeMs = sourceAgeOf(response);
    if (!parser.feed(text)) return undefined;
    return isStarted ? IDLE_TIMEOUT_MS : RESPONSE_TIMEOUT_MS;
  });
  if (isStarted) throw syncError('the server closed the stream');
  const type = headers.get('content-type') ?? 'no content type';
  throw syncError(`expected an event stream, but received ${type}`);
};
