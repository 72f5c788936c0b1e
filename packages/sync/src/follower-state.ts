import type { SyncError } from './errors.ts';
import type { Runtime } from './runtime.ts';
import { isSourceStale, staleSourceError } from './source-age.ts';
import type { SyncedResource, Update } from './synced-resource.ts';

/**
 * - `connecting`: at the start, and after a stream was lost.
 * - `streaming`: changes arrive immediately.
 * - `polling`: the stream is down or turned off, and polls succeed.
 * - `stale`: the server responds, but it is cut off from its store, so its own data may be out of date.
 * - `disconnected`: neither the stream nor polls succeed, so the data may be out of date.
 * - `stopped`: `stop()` was called.
 */
export type FollowerMode =
  'connecting' | 'streaming' | 'polling' | 'stale' | 'disconnected' | 'stopped';

/** Where the current data came from; `initial` are those that the follower was created with. */
export type DataSource = 'none' | 'initial' | 'stream' | 'poll';

export type LastError = {
  readonly message: string;
  /** The HTTP status, if the server sent a response. 401 and 403 mean that it rejected the key. */
  readonly status: number | undefined;
  /** When the error occurred, in milliseconds since 1970. */
  readonly at: number;
};

/** How current a follower's data are. */
export type FollowerStatus = {
  readonly mode: FollowerMode;
  readonly revision: number | undefined;
  /** The time since the data were last known to be current in the server's store, or undefined if there are none. */
  readonly dataAgeMs: number | undefined;
  /** How old the server's own data were when it last sent something. Undefined if it did not report that. */
  readonly sourceAgeMs: number | undefined;
  readonly source: DataSource;
  /** The most recent error. It is kept after a recovery; `mode` is the current state. */
  readonly lastError: LastError | undefined;
};

/** The status before the first follower is started, and after the last one was stopped. */
export const NOT_STARTED = {
  mode: 'stopped',
  revision: undefined,
  dataAgeMs: undefined,
  sourceAgeMs: undefined,
  source: 'none',
  lastError: undefined,
} as const satisfies FollowerStatus;

export type FollowerCallbacks<Data, Changed> = {
  /** Data that are already known, and how long ago they were current, in milliseconds, if that is known. */
  readonly initial?: { readonly data: Data; readonly ageMs: number | undefined } | undefined;
  /**
   * Called whenever the data change. `changed` has the keys that changed since the previous call, or is
   * undefined if the data arrived as a whole. Must not throw.
   */
  readonly onData?: ((data: Data, changed: Changed | undefined) => void) | undefined;
  /** Called whenever the mode changes or an error occurs, and after `onData`. Must not throw. */
  readonly onStatus?: ((status: FollowerStatus) => void) | undefined;
};

/** A follower's data and status. Each change of them calls the callbacks. */
export type FollowerState<Data, Changed> = {
  readonly data: () => Data | undefined;
  readonly mode: () => FollowerMode;
  /** Whether the server has sent or confirmed the data. */
  readonly hasReceived: () => boolean;
  readonly status: () => FollowerStatus;
  /** Whether the data have not been confirmed since `setUnconfirmed`. */
  readonly isUnconfirmed: () => boolean;
  /** Calls back once: with true when the server has sent or confirmed data, or with false after an error or a stop. */
  readonly onNextOutcome: (callback: (isConfirmed: boolean) => void) => void;
  /**
   * Stores data that the server sent or confirmed. Throws if they are older than the current ones, and the
   * server is cut off from its store: another server had newer data. The revisions of values cannot be compared, because
   * each server has its own for client keys. So older values are those that were current at an earlier time.
   */
  setData(update: Update<Data, Changed>, source: 'stream' | 'poll'): void;
  setError(error: SyncError): void;
  /** Adds a time that the monotonic clock did not measure to the age of the data. */
  addAge(ms: number): void;
  setMode(mode: FollowerMode): void;
  /** Requires that the server confirms the data before they count as current. */
  setUnconfirmed(reason: SyncError): void;
};

/** How much the delays of two responses of one server may differ. */
const DELAY_TOLERANCE_MS = 1_000;

export const createFollowerState = <Data extends { readonly revision: number }, Changed>(
  resource: Pick<SyncedResource<Data, Changed>, 'isOlder'>,
  { initial, onData, onStatus }: FollowerCallbacks<Data, Changed>,
  { now, monotonic }: Runtime,
): FollowerState<Data, Changed> => {
  let data = initial?.data;
  let currentAt = initial?.ageMs === undefined ? undefined : monotonic() - initial.ageMs;
  let source: DataSource = initial === undefined ? 'none' : 'initial';
  let mode: FollowerMode = 'connecting';
  let sourceAgeMs: number | undefined;
  let lastError: LastError | undefined;
  let isUnconfirmed = false;
  let waiting: ((isConfirmed: boolean) => void)[] = [];

  const isOlder = ({ data: next, changed, sourceAgeMs: ageMs = 0 }: Update<Data, Changed>) => {
    if (data !== undefined && resource.isOlder !== undefined) return resource.isOlder(next, data);
    // Other updates are of the same server as the data.
    const isOther = next !== data && changed === undefined;
    return isOther && monotonic() - ageMs + DELAY_TOLERANCE_MS < (currentAt ?? -Infinity);
  };

  const settle = (isConfirmed: boolean) => {
    const settled = waiting;
    waiting = [];
    for (const callback of settled) callback(isConfirmed);
  };

  const recordError = ({ message, status: code }: SyncError) => {
    lastError = { message, status: code, at: now() };
  };

  const status = (): FollowerStatus => ({
    mode,
    revision: data?.revision,
    dataAgeMs: currentAt === undefined ? undefined : monotonic() - currentAt,
    sourceAgeMs,
    source,
    lastError,
  });

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

  return {
    data: () => data,
    mode: () => mode,
    hasReceived: () => source === 'stream' || source === 'poll',
    status,
    isUnconfirmed: () => isUnconfirmed,
    onNextOutcome: callback => void waiting.push(callback),
    setMode,
    setError,
    addAge(ms) {
      if (currentAt !== undefined) currentAt -= ms;
    },
    setUnconfirmed(reason) {
      isUnconfirmed = true;
      mode = 'connecting';
      setError(reason);
    },
    setData(update, from) {
      const { data: next, changed, sourceAgeMs: ageMs } = update;
      const stale = isSourceStale(ageMs) ? staleSourceError(ageMs) : undefined;
      if (stale !== undefined && isOlder(update)) throw stale;
      const isChanged = next !== data;
      data = next;
      sourceAgeMs = ageMs;
      currentAt = monotonic() - (ageMs ?? 0);
      source = from;
      isUnconfirmed = false;
      if (stale !== undefined && mode !== 'stale') recordError(stale);
      if (isChanged) onData?.(next, changed);
      if (stale === undefined) setMode(from === 'stream' ? 'streaming' : 'polling');
      else setMode('stale');
      settle(stale === undefined);
    },
  };
};
