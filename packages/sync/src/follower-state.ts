import type { LastError, Mode, Source, Status } from './status.ts';
import type { Update } from './synced-resource.ts';
import type { SyncError } from './errors.ts';

/** What a follower knows, and how it stands with the server. Whoever listens is told here and only here. */
export type FollowerState<Data, Changed> = {
  readonly data: () => Data | undefined;
  readonly mode: () => Mode;
  readonly status: () => Status;
  /** The server said or showed that these are the data now. */
  learn(update: Update<Data, Changed>, from: 'stream' | 'poll'): void;
  fail(error: SyncError): void;
  enter(mode: Mode): void;
};

export type FollowerCallbacks<Data, Changed> = {
  /** What is known before the server has answered, and when it was so, in milliseconds since 1970. */
  readonly initial?: { readonly data: Data; readonly at: number } | undefined;
  /**
   * Called with the data whenever they change, and with the keys that changed since the previous call; those
   * are undefined if the data arrived as a whole. Must not throw.
   */
  readonly onData?: ((data: Data, changed: Changed | undefined) => void) | undefined;
  /** Told whenever the mode changes or something went wrong, and after `onData`. Must not throw. */
  readonly onStatus?: ((status: Status) => void) | undefined;
};

export const createFollowerState = <Data extends { readonly revision: number }, Changed>(
  { initial, onData, onStatus }: FollowerCallbacks<Data, Changed>,
  now: () => number,
): FollowerState<Data, Changed> => {
  let data = initial?.data;
  let currentAt = initial?.at;
  let source: Source = initial === undefined ? 'none' : 'initial';
  let mode: Mode = 'connecting';
  let lastError: LastError | undefined;

  const status = (): Status => ({
    mode,
    revision: data?.revision,
    dataAgeMs: currentAt === undefined ? undefined : Math.max(0, now() - currentAt),
    source,
    lastError,
  });

  const enter = (next: Mode) => {
    if (mode === next || mode === 'stopped') return;
    mode = next;
    // Its owner has stopped it, and knows.
    if (next !== 'stopped') onStatus?.(status());
  };

  return {
    data: () => data,
    mode: () => mode,
    status,
    enter,
    learn({ data: next, changed }, from) {
      const differs = next !== data;
      data = next;
      currentAt = now();
      source = from;
      if (differs) onData?.(next, changed);
      enter(from === 'stream' ? 'streaming' : 'polling');
    },
    fail({ message, status: code }) {
      lastError = { message, status: code, at: now() };
      onStatus?.(status());
    },
  };
};
