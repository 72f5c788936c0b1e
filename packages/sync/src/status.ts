/**
 * `connecting`: at the start, and after a stream was lost. `streaming`: every change comes at once.
 * `polling`: the stream is down or not wanted, and the server answers when asked.
 * `disconnected`: the server answers neither; the data may be out of date. `stopped`: by its owner.
 */
export type Mode = 'connecting' | 'streaming' | 'polling' | 'disconnected' | 'stopped';

/** Where the data came from; `initial` is what its owner knew before. */
export type Source = 'none' | 'initial' | 'stream' | 'poll';

export type LastError = {
  readonly message: string;
  /** The HTTP status, where the server answered one. 401 and 403: it refuses the key. */
  readonly status: number | undefined;
  /** When it happened, in milliseconds since 1970. */
  readonly at: number;
};

/** How current the data are, and why. */
export type Status = {
  readonly mode: Mode;
  readonly revision: number | undefined;
  /** Since the server last said or showed that these are the data. Undefined where there are none. */
  readonly dataAgeMs: number | undefined;
  readonly source: Source;
  /** Kept when all is well again: `mode` says how things are now. */
  readonly lastError: LastError | undefined;
};

/** How whoever follows nothing yet, or no longer, stands. */
export const NOT_STARTED = {
  mode: 'stopped',
  revision: undefined,
  dataAgeMs: undefined,
  source: 'none',
  lastError: undefined,
} as const satisfies Status;
