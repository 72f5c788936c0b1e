import { ageOf, followFlagSet, isAuthError, trueWithin } from '@pennon/sync';
import type {
  DataSource,
  FlagSet,
  FlagSetChanges,
  FollowerMode,
  FollowerStatus,
  FollowOptions,
  LastError,
  Pause,
  Runtime,
} from '@pennon/sync';

import {
  hashOfKey,
  messageOf,
  parseBootstrap,
  readCacheFile,
  readFlagFile,
  requireRegularFile,
} from './flag-file.ts';
import type { RawFlagSet } from './flag-file.ts';
import type { OnlineOptions } from './options.ts';

/** How up to date the flags are, and why. In the modes `file` and `flags`, there is no server. */
export type Freshness = {
  /**
   * The mode describes how the server is followed. A key that only evaluates, in remote mode, follows nothing: it is
   * `polling` while the server responds to evaluations, and `disconnected` while it does not.
   */
  readonly mode: FollowerMode | 'file' | 'flags';
  readonly revision: number | undefined;
  /** Milliseconds since these flags were last known to be current in the server's store, or since the file was read. */
  readonly dataAgeMs: number | undefined;
  /** How old the server's own data were when it last sent something. Undefined if it did not report that. */
  readonly sourceAgeMs: number | undefined;
  readonly source: DataSource | 'cacheFile' | 'bootstrap' | 'offlineFile' | 'flags';
  /** The most recent error. It is kept after a recovery; `mode` is the current state. */
  readonly lastError: LastError | undefined;
};

/** The freshness of a source. The revision is that of the flags in use, which only the flag manager knows. */
export type SourceFreshness = Omit<Freshness, 'revision'>;

/**
 * - `connecting`: it has not emitted a flag set, and nothing has failed
 * - `ready`: the last flag set that it emitted is current
 * - `unconfirmed`: this process was paused, and the server has not confirmed the flags since
 * - `stale`: the server that sent the last flag set is cut off from its store
 * - `unreachable`: the server does not respond, or responds with an error
 * - `unauthorized`: the server rejects the key
 * - `invalid`: the file or the last flag set cannot be used
 */
export type SourceState =
  'connecting' | 'ready' | 'unconfirmed' | 'stale' | 'unreachable' | 'unauthorized' | 'invalid';

export type FlagSetUpdate = {
  readonly flagSet: RawFlagSet;
  /** The keys that changed since the previous update, or undefined when the flag set arrived as a whole. */
  readonly changed?: FlagSetChanges | undefined;
};

const union = (a: readonly string[], b: readonly string[]): string[] => [...new Set([...a, ...b])];

/** Returns the later flag set with the changes of both updates. */
export const mergeUpdates = (first: FlagSetUpdate, second: FlagSetUpdate): FlagSetUpdate => ({
  flagSet: second.flagSet,
  changed: first.changed &&
    second.changed && {
      flags: union(first.changed.flags, second.changed.flags),
      segments: union(first.changed.segments, second.changed.segments),
    },
});

export type SourceListener = {
  /** Called with the first flag set, and again whenever it changes. */
  readonly onUpdate: (update: FlagSetUpdate) => void;
  /** Called after `onUpdate`, and whenever the state or the last error may have changed. */
  readonly onState: () => void;
  /** Called after a time in which this process did not run. */
  readonly onPause?: ((pause: Pause) => void) | undefined;
};

/** The origin of flags while a provider runs: the server, an offline file or local flags. */
export type FlagSource = {
  readonly state: () => SourceState;
  readonly freshness: () => SourceFreshness;
  /** Notices at once if this process was paused. */
  readonly noticePause: () => void;
  /** Reads the flags again. Resolves to whether that has succeeded within `timeoutMs`. */
  readonly refresh: (timeoutMs: number) => Promise<boolean>;
  stop(): void | Promise<void>;
};

/** Opens a source, which emits updates until it is stopped. */
export type OpenSource = (listener: SourceListener) => FlagSource;

/** One failed request makes the server unreachable, so that the initial flags are used, although the follower retries. */
const serverState = (
  { mode, source, lastError }: FollowerStatus,
  isUnconfirmed: boolean,
): SourceState => {
  if (mode === 'stale') return 'stale';
  const hasReceived = source === 'stream' || source === 'poll';
  const hasFailed = mode === 'disconnected' || (!hasReceived && lastError !== undefined);
  if (!hasFailed && hasReceived) return isUnconfirmed ? 'unconfirmed' : 'ready';
  if (!hasFailed) return 'connecting';
  return lastError !== undefined && isAuthError(lastError) ? 'unauthorized' : 'unreachable';
};

/** Flags that were received from the server before, and how old they are. */
export type KnownFlags = FollowOptions<FlagSet, FlagSetChanges>['initial'];

/** Follows the flag set of the server, which does not send `initial` again if it is still current. */
export const serverSource =
  (options: OnlineOptions, initial: KnownFlags, runtime: Runtime): OpenSource =>
  ({ onUpdate, onState, onPause }) => {
    const { url, key, environment, headers, stream, pollIntervalMs } = options;
    const connection = { url, key, environment, headers, stream, pollIntervalMs };
    const onData = (flagSet: FlagSet, changed: FlagSetChanges | undefined) =>
      onUpdate({ flagSet, changed });
    const follower = followFlagSet(
      { ...connection, initial, onData, onStatus: onState, onPause },
      runtime,
    );
    return {
      state: () => serverState(follower.status(), follower.isUnconfirmed()),
      freshness: follower.status,
      noticePause: follower.noticePause,
      refresh: follower.refresh,
      stop: () => follower.stop(),
    };
  };

/** The interval between checks for edits. File system notifications get lost on many mounts. */
const FILE_CHECK_MS = 1_000;

/** Returns a text that is different after the file was edited or replaced. */
const fingerprint = async (path: string): Promise<string> => {
  const { stat } = await import('node:fs/promises');
  const { mtimeMs, size, ino } = await stat(path);
  return `${mtimeMs} ${size} ${ino}`;
};

/** Returns a function that reads the file. It resolves to undefined when the file was not edited since the last call. */
const createEditReader = (path: string): (() => Promise<RawFlagSet | undefined>) => {
  let previous: string | undefined;
  return async () => {
    const current = await fingerprint(path).catch(() => 'missing');
    if (current === previous) return undefined;
    previous = current;
    return readFlagFile(path);
  };
};

const NOT_READ = { dataAgeMs: undefined, source: 'none' } as const;

const readBefore = (ageMs: number) => ({ dataAgeMs: ageMs, source: 'offlineFile' }) as const;

/** Reads the file, and reads it again after each edit. If it is invalid, the flags read before stay in use. */
export const fileSource =
  (path: string, { now, monotonic, setTimer }: Runtime): OpenSource =>
  ({ onUpdate, onState }) => {
    const readIfEdited = createEditReader(path);
    let state: SourceState = 'connecting';
    let readAt: number | undefined;
    let lastError: LastError | undefined;
    let isStopped = false;
    let cancelTimer: () => void = () => undefined;

    const emit = (flagSet: RawFlagSet | undefined) => {
      if (flagSet === undefined || isStopped) return;
      state = 'ready';
      readAt = monotonic();
      onUpdate({ flagSet });
    };
    const readAgain = async (): Promise<boolean> => {
      await readFlagFile(path).then(emit, onFailed);
      onState();
      return state === 'ready' && !isStopped;
    };
    const onFailed = (error: unknown) => {
      state = 'invalid';
      lastError = { message: messageOf(error), status: undefined, at: now() };
    };
    const check = async (): Promise<void> => {
      await readIfEdited().then(emit, onFailed);
      if (isStopped) return;
      onState();
      cancelTimer = setTimer(FILE_CHECK_MS, () => void check());
    };

    void check();
    return {
      state: () => state,
      freshness: () => ({
        mode: isStopped ? 'stopped' : 'file',
        ...(readAt === undefined ? NOT_READ : readBefore(monotonic() - readAt)),
        sourceAgeMs: undefined,
        lastError,
      }),
      noticePause: () => undefined,
      refresh: timeoutMs => trueWithin(readAgain(), timeoutMs, setTimer),
      stop() {
        isStopped = true;
        cancelTimer();
      },
    };
  };

/** Flags to start with. `ageMs` is how long ago they were current, if that is known. */
export type InitialFlags = { readonly flagSet: RawFlagSet; readonly ageMs: number | undefined };

/** The origin of flags until the server or the offline file has been read. */
export type InitialSource = {
  readonly name: 'cacheFile' | 'bootstrap';
  /** Resolves to undefined when there are no flags yet. */
  readonly read: () => Promise<InitialFlags | undefined>;
};

/** Throws if the flags are of another environment, such as after a change of the options. */
const requireEnvironment = (flagSet: RawFlagSet, expected: string | undefined): RawFlagSet => {
  const { environment } = flagSet;
  if (expected !== undefined && typeof environment === 'string' && environment !== expected) {
    throw new Error(
      `these flags are of the environment "${environment}", not of "${expected}": they are not used`,
    );
  }
  return flagSet;
};

/** Throws if a provider with another key has written the file. An earlier release stored no hash. */
const requireKey = async (path: string, { keyHash }: RawFlagSet, key: string): Promise<void> => {
  if (keyHash !== undefined && keyHash !== (await hashOfKey(key)))
    throw new Error(
      `${path} was written with another key, so it is not used: give each provider a file of its own`,
    );
};

/** Returns the flags of the previous run. A missing file is not an error: the first run has none. */
const readPreviousFlags = async (
  path: string,
  key: string,
  runtime: Runtime,
): Promise<InitialFlags | undefined> => {
  const { stat } = await import('node:fs/promises');
  const stats = await stat(path).catch(() => undefined);
  if (stats === undefined) return undefined;
  await requireRegularFile(path);
  const flagSet = await readCacheFile(path);
  await requireKey(path, flagSet, key);
  const { currentAt } = flagSet;
  // An earlier release stored no time.
  const knownAt = typeof currentAt === 'number' ? currentAt : stats.mtimeMs;
  return { flagSet, ageMs: ageOf(knownAt, runtime) };
};

/** Returns the flags of the option `bootstrap`. */
const readBootstrap = async (bootstrap: string | object): Promise<InitialFlags> => ({
  flagSet:
    typeof bootstrap === 'string'
      ? await readFlagFile(bootstrap)
      : // The application may change the object later.
        parseBootstrap(bootstrap),
  ageMs: undefined,
});

/** Returns the sources of flags to start with, the best first. */
export const initialSources = (
  { cacheFile, bootstrap, environment, key }: Partial<OnlineOptions>,
  runtime: Runtime,
): InitialSource[] => {
  const sources: InitialSource[] = [];
  if (cacheFile !== undefined && key !== undefined)
    sources.push({ name: 'cacheFile', read: () => readPreviousFlags(cacheFile, key, runtime) });
  if (bootstrap !== undefined)
    sources.push({ name: 'bootstrap', read: () => readBootstrap(bootstrap) });
  return sources.map(({ name, read }) => ({
    name,
    async read() {
      const flags = await read();
      return flags && { ...flags, flagSet: requireEnvironment(flags.flagSet, environment) };
    },
  }));
};
