import { followFlagSet, isAuthError } from '@pennon/sync';
import type {
  DataSource,
  FlagSet,
  FlagSetChanges,
  FollowerMode,
  FollowerStatus,
  LastError,
  Runtime,
} from '@pennon/sync';

import { parseFlagSet, readFlagFile } from './flag-file.ts';
import type { RawFlagSet } from './flag-file.ts';
import type { OnlineOptions } from './options.ts';

/** How up to date the flags are, and why. Mode `file`: they come from an offline file. */
export type Freshness = {
  readonly mode: FollowerMode | 'file';
  readonly revision: number | undefined;
  /** Milliseconds since the server last confirmed these flags, or since the file was read. */
  readonly dataAgeMs: number | undefined;
  readonly source: DataSource | 'cacheFile' | 'bootstrap' | 'offlineFile';
  /** The most recent error. It stays after a recovery: see `mode` for the current condition. */
  readonly lastError: LastError | undefined;
};

/**
 * - `connecting`: nothing received yet, and nothing failed
 * - `ready`: the last flag set it emitted is current
 * - `unreachable`: the last request failed
 * - `unauthorized`: the server rejects the key
 * - `invalid`: the flag set cannot be used
 */
export type SourceState = 'connecting' | 'ready' | 'unreachable' | 'unauthorized' | 'invalid';

export type FlagSetUpdate = {
  readonly flagSet: RawFlagSet;
  /** The keys that changed since the previous update; undefined if the source does not know them. */
  readonly changed?: FlagSetChanges | undefined;
};

export type SourceListener = {
  /** Called with the first flag set, and again whenever it changes. */
  readonly onUpdate: (update: FlagSetUpdate) => void;
  /** Called after `onUpdate`, and whenever the state or the last error may have changed. */
  readonly onState: () => void;
};

/** Where flags come from: the server, an offline file, the cache file or the bootstrap flags. */
export type FlagSource = {
  readonly state: () => SourceState;
  readonly freshness: () => Freshness;
  /** Resolves when nothing is left to do. */
  stop(): void | Promise<void>;
};

/** Opens a source, which emits updates until it is stopped. */
export type OpenSource = (listener: SourceListener) => FlagSource;

const serverState = ({ mode, source, lastError }: FollowerStatus): SourceState => {
  if (mode === 'disconnected') {
    return lastError !== undefined && isAuthError(lastError) ? 'unauthorized' : 'unreachable';
  }
  return source === 'stream' || source === 'poll' ? 'ready' : 'connecting';
};

/** Follows the flag set of the server. `initial` is not downloaded again if it is still current. */
export const serverSource =
  (
    { url, key, environment, stream, pollIntervalMs }: OnlineOptions,
    initial: { readonly data: FlagSet; readonly at: number } | undefined,
    runtime: Runtime,
  ): OpenSource =>
  ({ onUpdate, onState }) => {
    const onData = (flagSet: FlagSet, changed: FlagSetChanges | undefined) =>
      onUpdate({ flagSet, changed });
    const connection = { url, key, environment, stream, pollIntervalMs };
    const follower = followFlagSet({ ...connection, initial, onData, onStatus: onState }, runtime);
    return {
      state: () => serverState(follower.status()),
      freshness: () => follower.status(),
      stop: () => follower.stop(),
    };
  };

/** A flag set from a file or an object, and when it was known to be current. */
type Loaded = { readonly flagSet: RawFlagSet; readonly at: number | undefined };

type Loader = {
  readonly name: 'cacheFile' | 'bootstrap' | 'offlineFile';
  /** Resolves to undefined if there is nothing to load, or nothing new. */
  readonly load: () => Promise<Loaded | undefined>;
  /** Loads again after so many milliseconds; once only if it is undefined. */
  readonly intervalMs?: number;
};

/** The state of a source that loads flag sets, from the outcome of each load. */
const createLoadState = ({ name }: Loader, now: () => number) => {
  let state: SourceState = 'connecting';
  let loaded: Loaded | undefined;
  let lastError: LastError | undefined;
  return {
    state: () => state,
    loaded(next: Loaded) {
      state = 'ready';
      loaded = next;
    },
    missing() {
      if (state === 'connecting') state = 'unreachable';
    },
    failed(message: string) {
      state = 'invalid';
      lastError = { message, status: undefined, at: now() };
    },
    freshness: (): Omit<Freshness, 'mode'> => ({
      revision: typeof loaded?.flagSet.revision === 'number' ? loaded.flagSet.revision : undefined,
      dataAgeMs: loaded?.at === undefined ? undefined : Math.max(0, now() - loaded.at),
      source: loaded === undefined ? 'none' : name,
      lastError,
    }),
  };
};

/** A load that fails is reported in `freshness()`; the flags loaded before it stay in use. */
const loadedSource =
  (loader: Loader, { now, setTimer }: Runtime): OpenSource =>
  ({ onUpdate, onState }) => {
    const state = createLoadState(loader, now);
    let stopped = false;
    let cancelTimer: () => void = () => undefined;

    const onLoaded = (loaded: Loaded | undefined) => {
      if (stopped) return;
      if (loaded === undefined) state.missing();
      else {
        state.loaded(loaded);
        onUpdate({ flagSet: loaded.flagSet });
      }
    };
    const onFailed = (error: unknown) =>
      state.failed(error instanceof Error ? error.message : String(error));
    const load = async (): Promise<void> => {
      await loader.load().then(onLoaded).catch(onFailed);
      if (stopped) return;
      onState();
      if (loader.intervalMs !== undefined)
        cancelTimer = setTimer(loader.intervalMs, () => void load());
    };

    void load();
    return {
      state: state.state,
      freshness: () => ({ mode: stopped ? 'stopped' : 'file', ...state.freshness() }),
      stop() {
        stopped = true;
        cancelTimer();
      },
    };
  };

/** Checking for edits relies on polling: file system notifications get lost on many mounts. */
const FILE_CHECK_MS = 1_000;

/** A text that differs if the file was edited or replaced. */
const fingerprint = async (path: string): Promise<string> => {
  const { stat } = await import('node:fs/promises');
  const { mtimeMs, size, ino } = await stat(path);
  return `${mtimeMs} ${size} ${ino}`;
};

/** Follows the edits of a file. */
export const fileSource = (path: string, runtime: Runtime): OpenSource => {
  let previous: string | undefined;
  const load = async (): Promise<Loaded | undefined> => {
    const current = await fingerprint(path).catch(() => 'missing');
    if (current === previous) return undefined;
    previous = current;
    return { flagSet: await readFlagFile(path), at: runtime.now() };
  };
  return loadedSource({ name: 'offlineFile', load, intervalMs: FILE_CHECK_MS }, runtime);
};

/** Flags of another environment, such as a cache file that other options left behind, would be wrong. */
const requireEnvironment = (flagSet: RawFlagSet, expected: string | undefined): RawFlagSet => {
  const { environment } = flagSet;
  if (expected !== undefined && typeof environment === 'string' && environment !== expected) {
    throw new Error(
      `these flags are of the environment "${environment}", not of "${expected}": they are not used`,
    );
  }
  return flagSet;
};

/** The flags of the previous run. A missing file is not an error: the first run has none. */
const cacheFileSource = (
  path: string,
  environment: string | undefined,
  runtime: Runtime,
): OpenSource => {
  const load = async (): Promise<Loaded | undefined> => {
    const { stat } = await import('node:fs/promises');
    const found = await stat(path).catch(() => undefined);
    if (found === undefined) return undefined;
    const flagSet = requireEnvironment(await readFlagFile(path), environment);
    return { flagSet, at: found.mtimeMs };
  };
  return loadedSource({ name: 'cacheFile', load }, runtime);
};

/** The flags of the option `bootstrap`. An object is copied, because the application may change it later. */
const bootstrapSource = (
  bootstrap: string | object,
  environment: string | undefined,
  runtime: Runtime,
): OpenSource => {
  const load = async (): Promise<Loaded> => {
    const flagSet =
      typeof bootstrap === 'string'
        ? await readFlagFile(bootstrap)
        : parseFlagSet(structuredClone(bootstrap));
    return { flagSet: requireEnvironment(flagSet, environment), at: undefined };
  };
  return loadedSource({ name: 'bootstrap', load }, runtime);
};

/** The sources of flags to start with, the best first. Each emits at most one flag set. */
export const initialSources = (
  { cacheFile, bootstrap, environment }: Partial<OnlineOptions>,
  runtime: Runtime,
): OpenSource[] => [
  ...(cacheFile === undefined ? [] : [cacheFileSource(cacheFile, environment, runtime)]),
  ...(bootstrap === undefined ? [] : [bootstrapSource(bootstrap, environment, runtime)]),
];
