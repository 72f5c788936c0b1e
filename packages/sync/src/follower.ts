import { errorFromEvent, gapError, isRequestError, syncError, toSyncError } from './errors.ts';
import type { SyncError } from './errors.ts';
import { createEventParser } from './event-stream.ts';
import type {
  DataSource,
  FollowerCallbacks,
  FollowerMode,
  FollowerStatus,
  LastError,
} from './follower-state.ts';
import { createConnectionScope } from './http.ts';
import { isLongPause, pausedError, watchPauses } from './pauses.ts';
import type { Pause } from './pauses.ts';
import { trueWithin } from './refresh.ts';
import type { Refresh } from './refresh.ts';
import { defaultRuntime } from './runtime.ts';
import type { Runtime } from './runtime.ts';
import { isSourceStale, sourceAgeOf, staleSourceError } from './source-age.ts';
import type { Address, SyncedResource } from './synced-resource.ts';
import {
  CHECK_TIMEOUT_MS,
  DELAY_TOLERANCE_MS,
  HEARTBEAT_MS,
  IDLE_TIMEOUT_MS,
  POLL_INTERVAL_MS,
  RESPONSE_TIMEOUT_MS,
} from './times.ts';
import { backoffDelay, rejectedKeyDelay, staleRetryDelay } from './timing.ts';

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

/** The events that a stream cannot start with, because they continue from the data that it has sent. */
const FOLLOWS_DATA = /^(change|heartbeat)$/;

/**
 * Keeps a resource current, by a stream with polls as the fallback, or by polls alone. The parts share variables
 * instead of passing objects to each other, because pages load this.
 */
export const follow = <Data extends { readonly revision: number }, Changed>(
  [request, parse, reduce, hasOlder, etagOf]: SyncedResource<Data, Changed>,
  options: FollowOptions<Data, Changed>,
  runtime: Runtime = defaultRuntime,
): Follower<Data> => {
  const { initial, onData, onStatus, confirmWithinMs } = options;
  const { now, monotonic, setTimer } = runtime;
  const random = () => runtime.random();
  const scope = createConnectionScope(runtime);
  const { isClosed, isInterrupted, retryAfterMs, requestCount, sleep } = scope;
  // An interval of 0, less than 0 or NaN would poll without a pause.
  const intervalMs = Math.max(0, options.pollIntervalMs ?? 0) || POLL_INTERVAL_MS;

  let data = initial?.data;
  let currentAt = initial?.ageMs === undefined ? undefined : monotonic() - initial.ageMs;
  let source: DataSource = initial === undefined ? 'none' : 'initial';
  let mode: FollowerMode = 'connecting';
  let sourceAgeMs: number | undefined;
  let lastError: LastError | undefined;
  /** Whether the data have not been confirmed since `setUnconfirmed`. */
  let isUnconfirmed = false;
  /** The response to the last poll. */
  let polled: readonly [data: Data, etag: string | null] | undefined;
  /** Called once: with true when the server has sent or confirmed data, or with false after an error or a stop. */
  let waiting: ((isConfirmed: boolean) => void)[] = [];
  /** Whether `refresh` has sent a request, and has no outcome yet. */
  let isRefreshing = false;

  const status = (): FollowerStatus => ({
    mode,
    revision: data?.revision,
    dataAgeMs: currentAt === undefined ? undefined : monotonic() - currentAt,
    sourceAgeMs,
    source,
    lastError,
  });
  /** Whether the server has sent or confirmed the data. */
  const hasReceived = () => source === 'stream' || source === 'poll';

  const settle = (isConfirmed: boolean) => {
    const settled = waiting;
    waiting = [];
    for (const callback of settled) callback(isConfirmed);
  };
  const recordError = ({ message, status: code }: SyncError) => {
    lastError = { message, status: code, at: now() };
  };
  const setMode = (next: FollowerMode) => {
    if (mode === next || mode === 'stopped') return;
    mode = next;
    // The caller of `stop()` needs no callback.
    if (next === 'stopped') settle(false);
    else onStatus?.(status());
  };
  const setError = (error: SyncError) => {
    recordError(error);
    onStatus?.(status());
    settle(false);
  };
  /** Requires that the server confirms the data before they count as current. */
  const setUnconfirmed = (reason: SyncError) => {
    isUnconfirmed = true;
    mode = 'connecting';
    setError(reason);
  };

  /**
   * Stores data that the server sent or confirmed. Throws if they are older than the current ones, and the
   * server is cut off from its store: another server had newer data. The revisions of values cannot be compared, because
   * each server has its own for client keys. So older values are those that were current at an earlier time.
   */
  const setData = (
    from: 'stream' | 'poll',
    next: Data,
    ageMs: number | undefined,
    changed?: Changed,
  ) => {
    const receivedAt = monotonic() - (ageMs ?? 0);
    const isChanged = next !== data;
    const stale = isSourceStale(ageMs) ? staleSourceError(ageMs) : undefined;
    if (stale) {
      // Other updates are of the same server as the data.
      const isOlder =
        data && hasOlder
          ? hasOlder(next, data)
          : isChanged && !changed && receivedAt + DELAY_TOLERANCE_MS < (currentAt ?? -Infinity);
      if (isOlder) throw stale;
      if (mode !== 'stale') recordError(stale);
    }
    data = next;
    sourceAgeMs = ageMs;
    currentAt = receivedAt;
    source = from;
    isUnconfirmed = false;
    if (isChanged) onData?.(next, changed);
    setMode(stale ? 'stale' : from === 'poll' ? 'polling' : 'streaming');
    settle(!stale);
  };

  /** Requests the data once. Returns the error if that fails. */
  const poll = async (): Promise<SyncError | undefined> => {
    // Once the server is known to be away, a slow response is better than none.
    const idleMs =
      data === undefined || mode === 'disconnected' ? RESPONSE_TIMEOUT_MS : CHECK_TIMEOUT_MS;
    let text = '';
    let error: SyncError | undefined;
    try {
      // The ETag of the current data: the one of the last poll, unless a stream has changed the data since.
      const etag = (data === polled?.[0] ? polled?.[1] : undefined) ?? (data && etagOf?.(data));
      const response = await scope.send(request(false, data, etag), idleMs, part => {
        text += part;
        return idleMs;
      });
      if (!isClosed() && !isInterrupted()) {
        const next = (response.status === 304 && data) || parse(text);
        setData('poll', next, sourceAgeOf(response));
        polled = [next, response.headers.get('etag')];
      }
    } catch (thrown) {
      error = toSyncError(thrown);
    }
    if (isClosed()) return undefined;
    if (error && !error.isInterruption) setError(error);
    // The poll was interrupted, or a callback has called `refresh`.
    return isInterrupted() ? poll() : error;
  };
  const pollOrDisconnect = async () => {
    const error = await poll();
    if (error) setMode('disconnected');
    return error;
  };
  /** How long the server, or a rejected key, requires to wait. */
  const requiredDelay = (error: SyncError | undefined) =>
    Math.max(rejectedKeyDelay(error, random), retryAfterMs());

  /** Polls now, and then at intervals until `ms` have passed and the server may be contacted again. */
  const pollUntil = async (ms: number): Promise<void> => {
    let until = monotonic() + ms;
    do {
      const delayMs = requiredDelay(await pollOrDisconnect());
      until = Math.max(until, monotonic() + delayMs);
      await sleep(Math.min(until - monotonic(), Math.max(intervalMs, delayMs)));
    } while (monotonic() < until && !isClosed());
  };

  const followPolls = async (): Promise<void> => {
    for (let failures = 0; !isClosed();) {
      const error = await pollOrDisconnect();
      failures = error ? failures + 1 : 0;
      // Shorter than the interval while the data may be out of date.
      const longestMs = failures
        ? backoffDelay(failures, random)
        : mode === 'stale'
          ? staleRetryDelay(random)
          : Infinity;
      await sleep(Math.max(Math.min(intervalMs, longestMs), requiredDelay(error)));
    }
  };

  /** Applies the events of one stream. Returns the reason why it was lost, and for how long it had delivered data. */
  const runStream = async (): Promise<[error: SyncError, uptimeMs: number]> => {
    const staleLimitMs = staleRetryDelay(random);
    let staleSince: number | undefined;
    let startedAt: number | undefined;
    let openingAgeMs: number | undefined;
    const feed = createEventParser((event, text, id) => {
      // A callback may have stopped the follower between two events of one chunk.
      if (isClosed()) return;
      if (event === 'error') throw errorFromEvent(text);
      const isFirst = startedAt === undefined;
      if (isFirst && FOLLOWS_DATA.test(event))
        throw gapError(`the stream started with the event "${event}"`);
      const update = reduce(event, data, text, id);
      if (!update) return;
      const [next, ageMs, changed] = update;
      setData('stream', next, isFirst ? openingAgeMs : ageMs, changed);
      startedAt ??= monotonic();
      // A server that has been cut off from its store for long: perhaps there is another one behind the same address.
      staleSince = mode === 'stale' ? (staleSince ?? monotonic()) : undefined;
      if (staleSince !== undefined && monotonic() - staleSince >= staleLimitMs)
        throw staleSourceError(sourceAgeMs ?? 0);
    });
    const error = await scope
      .send(request(true, data), RESPONSE_TIMEOUT_MS, (text, response) => {
        openingAgeMs = sourceAgeOf(response);
        if (!feed(text)) return undefined;
        return startedAt === undefined ? RESPONSE_TIMEOUT_MS : IDLE_TIMEOUT_MS;
      })
      .then(
        ({ headers }) =>
          syncError(
            startedAt === undefined
              ? `expected an event stream, but received ${headers.get('content-type') ?? 'no content type'}`
              : 'the server closed the stream',
          ),
        toSyncError,
      );
    if (!isClosed()) {
      if (!error.isInterruption) setError(error);
      if (mode === 'streaming') setMode('connecting');
      // The first poll has failed, too.
      else if (mode === 'connecting' && !error.isInterruption) setMode('disconnected');
    }
    return [error, monotonic() - (startedAt ?? Infinity)];
  };

  /**
   * Polls, then streams until the stream is lost, and repeats both with growing delays. Polls and streams take
   * turns, so a response can never overtake another one.
   */
  const followStream = async (): Promise<void> => {
    // The first request is a poll without any delay, so starting takes one round trip even if a proxy buffers
    // streams. If it fails without a reason to wait, the stream follows at once and decides about the mode, except
    // if the error will not go away by itself.
    const firstError = await poll();
    const firstDelayMs = requiredDelay(firstError);
    if (firstDelayMs > 0 || (firstError && isRequestError(firstError))) setMode('disconnected');
    await sleep(firstDelayMs);
    for (let failures = 0; !isClosed();) {
      const [error, uptimeMs] = await runStream();
      const { isGap, isInterruption } = error;
      if (uptimeMs >= HEARTBEAT_MS) failures = 0;
      // After a gap the data may be wrong, so there is no delay. Otherwise the followers of a server that goes
      // down must not all poll at the same time.
      await sleep(retryAfterMs() + (isGap || isInterruption ? 0 : backoffDelay(0, random)));
      const retryMs = isInterruption ? 0 : backoffDelay(failures, random);
      await pollUntil(Math.max(retryMs, rejectedKeyDelay(error, random)));
      if (!isInterruption) failures += 1;
    }
  };

  const run = options.stream === false ? followPolls : followStream;
  // Starts again after an unexpected error, such as one of a callback. Without a follower, no data are current.
  const start = (): Promise<void> =>
    run().catch((error: unknown) => {
      setError(toSyncError(error));
      setMode('disconnected');
      return sleep(POLL_INTERVAL_MS).then(start);
    });
  void start();
  const stopLimit =
    confirmWithinMs === undefined
      ? undefined
      : setTimer(confirmWithinMs, () => {
          if (mode === 'connecting' && !hasReceived())
            setUnconfirmed(syncError('the server did not respond in time'));
        });

  /**
   * Requests the data at once, because what was in flight may have been lost while the process did not run.
   * After a long pause, they do not count as current until the server has confirmed them.
   */
  const [checkPause, stopPauses] = watchPauses(runtime, pause => {
    runtime.renewConnections?.();
    options.onPause?.(pause);
    if (currentAt !== undefined) currentAt -= pause.unmeasuredMs;
    // Without data, the first request is in flight, and has a timeout.
    if (isClosed() || !hasReceived()) return;
    // Otherwise they already count as out of date.
    if (mode !== 'disconnected' && mode !== 'stale') {
      if (isLongPause(pause)) setUnconfirmed(pausedError(pause));
      else setMode('connecting');
    }
    scope.interrupt();
  });

  /** Requests the data on a new connection, because an open one may be dead. */
  const renew = () => {
    if (isRefreshing) return;
    isRefreshing = true;
    waiting.push(() => {
      isRefreshing = false;
    });
    runtime.renewConnections?.();
    scope.interrupt();
  };
  /** Calls `done` with the outcome of a request after the first `sentBefore` ones. The follower repeats failed ones. */
  const settleAfter = (sentBefore: number, done: (isConfirmed: boolean) => void): void => {
    if (isClosed()) return done(false);
    if (requestCount() === sentBefore) renew();
    waiting.push(isConfirmed => {
      if (isConfirmed && requestCount() > sentBefore) done(true);
      else settleAfter(sentBefore, done);
    });
  };

  return {
    data: () => data,
    status() {
      checkPause();
      return status();
    },
    isUnconfirmed: () => isUnconfirmed,
    noticePause: checkPause,
    refresh(timeoutMs) {
      checkPause();
      // A call while the request of an earlier one is under way shares another request with those that wait, too.
      const confirmed = new Promise<boolean>(done => settleAfter(requestCount(), done));
      return trueWithin(confirmed, timeoutMs, setTimer);
    },
    stop() {
      stopPauses();
      stopLimit?.();
      scope.close();
      setMode('stopped');
    },
  };
};
