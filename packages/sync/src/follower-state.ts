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
