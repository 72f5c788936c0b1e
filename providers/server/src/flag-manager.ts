import { instantOf, isJsonObject, NOT_STARTED } from '@pennon/sync';
import type { FlagSet, LastError, Pause, Runtime } from '@pennon/sync';

import { hashOfKey, messageOf, parseLocalFlags, writeFlagFile } from './flag-file.ts';
import type { RawFlagSet } from './flag-file.ts';
import { createFlagSnapshot, describeNewProblems, describeProblems } from './flag-snapshot.ts';
import type { FlagSnapshot } from './flag-snapshot.ts';
import { createLatestValueQueue } from './latest-value-queue.ts';
import { isLocal, isOffline } from './options.ts';
import type { FlagsOptions, OfflineOptions, OnlineOptions, ResolvedOptions } from './options.ts';
import { fileSource, initialSources, mergeUpdates, serverSource } from './sources.ts';
import type {
  FlagSetUpdate,
  FlagSource,
  Freshness,
  InitialFlags,
  InitialSource,
  KnownFlags,
  OpenSource,
  SourceFreshness,
  SourceState,
} from './sources.ts';
import { oncePerTurn } from './turn.ts';

/** The current snapshot, and the last error that is not an error of its source. */
export type CurrentFlags = {
  readonly snapshot: () => FlagSnapshot | undefined;
  /**
   * Makes a flag set the current one. Resolves to false if it cannot be used: the current snapshot stays, and
   * `lastError` has the reason. Must not be called again before the promise has resolved.
   */
  readonly update: (update: FlagSetUpdate) => Promise<boolean>;
  readonly reportError: (message: string) => void;
  readonly lastError: () => LastError | undefined;
};

export const createCurrentFlags = (
  { onChange, onWarning }: Pick<FlagListener, 'onChange' | 'onWarning'>,
  now: () => number,
): CurrentFlags => {
  let snapshot: FlagSnapshot | undefined;
  let lastError: LastError | undefined;

  const reportError = (message: string) => {
    if (message !== lastError?.message) onWarning(message);
    lastError = { message, status: undefined, at: now() };
  };
  return {
    snapshot: () => snapshot,
    async update(update) {
      try {
        snapshot = await createFlagSnapshot(update, snapshot);
      } catch (error) {
        reportError(messageOf(error));
        return false;
      }
      if (snapshot.affected.length > 0) onChange(snapshot.affected);
      return true;
    },
    reportError,
    lastError: () => lastError,
  };
};

/** Makes the flag set of an update the current one. Resolves to false if it cannot be used. */
type ApplyUpdate = CurrentFlags['update'];

/**
 * Opens a source and applies its updates one at a time. The state changes only after all updates so far have
 * been applied; it is `invalid` if the last one cannot be used.
 */
const openAndApply = (
  open: OpenSource,
  apply: ApplyUpdate,
  { onState, onPause }: Pick<FlagListener, 'onState' | 'onPause'>,
): FlagSource => {
  let isLastRejected = false;
  let state: SourceState = 'connecting';
  const refreshState = () => {
    state = isLastRejected ? 'invalid' : source.state();
    onState();
  };
  const queue = createLatestValueQueue<FlagSetUpdate>({
    async process({ flagSet, changed }) {
      // `changed` is relative to the previous update, so it is wrong if that one was rejected.
      isLastRejected = !(await apply({ flagSet, changed: isLastRejected ? undefined : changed }));
    },
    merge: mergeUpdates,
    onIdle: refreshState,
  });
  const source = open({
    onUpdate: queue.offer,
    onPause,
    onState() {
      if (!queue.isBusy()) refreshState();
    },
  });
  return {
    state: () => state,
    freshness: source.freshness,
    noticePause: source.noticePause,
    async refresh(timeoutMs) {
      const isRefreshed = await source.refresh(timeoutMs);
      await queue.whenIdle();
      return isRefreshed && !isLastRejected;
    },
    async stop() {
      queue.close();
      await source.stop();
    },
  };
};

type SourceDeps = Pick<FlagListener, 'onState' | 'onPause' | 'onWarning'> & {
  readonly current: CurrentFlags;
  readonly runtime: Runtime;
};

/** Where the initial flags were read from, and when they were current, by the monotonic clock. */
type InitialOrigin = Pick<InitialSource, 'name'> & { readonly currentAt: number | undefined };

const originOf = (
  name: InitialSource['name'],
  { ageMs }: InitialFlags,
  { monotonic }: Runtime,
): InitialOrigin => ({ name, currentAt: ageMs === undefined ? undefined : monotonic() - ageMs });

/** How long to wait for a disk that may never respond, such as one of a network. */
const DISK_TIMEOUT_MS = 1_000;

/** Rejects when the promise takes longer than a disk should. */
const withinDiskTimeout = <Value>(
  promise: Promise<Value>,
  { setTimer }: Runtime,
  what: string,
): Promise<Value> =>
  new Promise((resolve, reject) => {
    const cancelTimer = setTimer(DISK_TIMEOUT_MS, () =>
      reject(new Error(`${what} took longer than ${DISK_TIMEOUT_MS / 1_000} s`)),
    );
    void promise.then(resolve, reject).finally(cancelTimer);
  });

/** Applies the best initial flags that can be used, if there are any. */
const applyInitialFlags = async (
  options: ResolvedOptions,
  { current: { update, reportError }, runtime }: SourceDeps,
): Promise<InitialOrigin | undefined> => {
  for (const { name, read } of initialSources(options, runtime)) {
    try {
      const flags = await withinDiskTimeout(read(), runtime, 'reading it');
      if (flags !== undefined && (await update({ flagSet: flags.flagSet })))
        return originOf(name, flags, runtime);
    } catch (error) {
      reportError(`the option "${name}" has no effect: ${messageOf(error)}`);
    }
  }
  return undefined;
};

/** Follows the offline file. Also reports malformed flags, for the person who edits it. */
const followFile = ({ offlineFile }: OfflineOptions, deps: SourceDeps): FlagSource => {
  const { current, runtime } = deps;
  const apply: ApplyUpdate = async update => {
    const isApplied = await current.update(update);
    const snapshot = current.snapshot();
    const problems = isApplied && snapshot ? await describeProblems(snapshot) : [];
    if (problems.length > 0) current.reportError(`${offlineFile}: ${problems.join('; ')}`);
    return isApplied;
  };
  return openAndApply(fileSource(offlineFile, runtime), apply, deps);
};

const isComplete = (flagSet: RawFlagSet): flagSet is RawFlagSet & FlagSet =>
  typeof flagSet.id === 'string' &&
  typeof flagSet.revision === 'number' &&
  isJsonObject(flagSet.segments);

/** Returns the initial flags if they are those of the cache file, so the server does not send them again. */
const knownFlags = (
  initial: InitialOrigin | undefined,
  snapshot: FlagSnapshot | undefined,
  runtime: Runtime,
): KnownFlags =>
  initial?.name !== 'cacheFile' || snapshot === undefined || !isComplete(snapshot.flagSet)
    ? undefined
    : { data: snapshot.flagSet, ageMs: ageNow(initial, runtime) };

const ageNow = ({ currentAt }: InitialOrigin, { monotonic }: Runtime): number | undefined =>
  currentAt === undefined ? undefined : monotonic() - currentAt;

/** Compiles the flags in the background, to warn of malformed ones before they are evaluated. */
const warnOfProblems = async ({ current, onWarning }: SourceDeps): Promise<void> => {
  const snapshot = current.snapshot();
  const problems = snapshot ? await describeNewProblems(snapshot) : [];
  for (const problem of problems) onWarning(problem);
};

/** Follows the server. Also saves each flag set that was applied to the cache file. */
const followServer = (
  options: OnlineOptions,
  initial: InitialOrigin | undefined,
  deps: SourceDeps,
): FlagSource => {
  const { current, runtime } = deps;
  const { cacheFile, key } = options;
  const cacheWriter = createLatestValueQueue<RawFlagSet>({
    process: async flagSet => {
      if (cacheFile === undefined) return;
      const keyHash = await hashOfKey(key);
      const currentAt = instantOf(source.freshness().dataAgeMs, runtime);
      await writeFlagFile(cacheFile, { ...flagSet, keyHash, currentAt }).catch((error: unknown) =>
        current.reportError(messageOf(error)),
      );
    },
  });
  const apply: ApplyUpdate = async update => {
    const isApplied = await current.update(update);
    if (isApplied) cacheWriter.offer(update.flagSet);
    if (isApplied) void warnOfProblems(deps);
    return isApplied;
  };
  const open = serverSource(options, knownFlags(initial, current.snapshot(), runtime), runtime);
  const source = openAndApply(open, apply, deps);
  if (initial !== undefined) void warnOfProblems(deps);
  return {
    ...source,
    async stop() {
      await source.stop();
      const written = withinDiskTimeout(cacheWriter.whenIdle(), runtime, `writing ${cacheFile}`);
      await written.catch((error: unknown) => current.reportError(messageOf(error)));
      cacheWriter.close();
    },
  };
};

/** Throws if a flag is malformed. */
const requireNoProblems = async (flagSet: RawFlagSet): Promise<void> => {
  const problems = await describeProblems(await createFlagSnapshot({ flagSet }, undefined));
  if (problems.length > 0) throw new TypeError(`PennonProvider: ${problems.join('; ')}`);
};

/** The flags of the option `flags`, which the application replaces. */
type LocalSource = FlagSource & {
  /** Resolves when the flags are in effect. Rejects, and keeps the current ones, if one is malformed. */
  readonly setFlags: (flagSet: RawFlagSet) => Promise<void>;
};

const openLocal = ({ flags }: FlagsOptions, { current, onState }: SourceDeps): LocalSource => {
  let state: SourceState = 'connecting';
  let previous: Promise<unknown> = Promise.resolve();
  const applyAfter = async (earlier: Promise<unknown>, flagSet: RawFlagSet): Promise<void> => {
    await earlier;
    await requireNoProblems(flagSet);
    await current.update({ flagSet });
  };
  const setFlags = (flagSet: RawFlagSet): Promise<void> => {
    const applied = applyAfter(previous, flagSet);
    previous = applied.catch(() => undefined);
    return applied;
  };
  const finish = (next: SourceState) => {
    state = next;
    onState();
  };
  setFlags(parseLocalFlags(flags)).then(
    () => finish('ready'),
    (error: unknown) => {
      current.reportError(messageOf(error));
      finish('invalid');
    },
  );
  return {
    state: () => state,
    freshness: () => ({ ...NOT_STARTED, mode: 'flags', source: 'flags' }),
    noticePause: () => undefined,
    refresh: () => previous.then(() => true),
    stop: () => undefined,
    setFlags,
  };
};

const latest = (a: LastError | undefined, b: LastError | undefined): LastError | undefined =>
  a !== undefined && (b === undefined || a.at > b.at) ? a : b;

/** Returns whether the source has emitted flags, which then replace the initial ones. */
const hasEmitted = ({ source }: SourceFreshness): boolean =>
  source !== 'none' && source !== 'initial';

const initialFreshness = (initial: InitialOrigin, runtime: Runtime) => ({
  source: initial.name,
  dataAgeMs: ageNow(initial, runtime),
});

/** Returns the freshness of the flags in use. They are the initial ones until the source has emitted others. */
const freshnessInUse = (
  source: SourceFreshness,
  initial: InitialOrigin | undefined,
  current: CurrentFlags,
  runtime: Runtime,
): Freshness => ({
  ...source,
  ...(initial === undefined || hasEmitted(source) ? undefined : initialFreshness(initial, runtime)),
  revision: current.snapshot()?.revision,
  lastError: latest(current.lastError(), source.lastError),
});

/** The current flags, kept as up to date as their source allows. */
export type FlagManager = {
  readonly snapshot: () => FlagSnapshot | undefined;
  readonly sourceState: () => SourceState;
  readonly freshness: () => Freshness;
  /** Notices at once if this process was paused. Call it before the snapshot is used. */
  readonly noticePause: () => void;
  /** Reads the flags again. Resolves to whether they are current and in effect within `timeoutMs`. */
  readonly refresh: (timeoutMs: number) => Promise<boolean>;
  /** Replaces the flags of the option `flags`. Resolves when they are in effect. */
  readonly setFlags: (flagSet: RawFlagSet) => Promise<void>;
  close(): Promise<void>;
};

/** Nothing is called before `createFlagManager` has returned. */
export type FlagListener = {
  /** Called with the keys of all flags with results that may have changed. */
  readonly onChange: (flagsChanged: string[]) => void;
  /** Called after `onChange`, and whenever the state of the source may have changed. */
  readonly onState: () => void;
  /** Called after a time in which this process did not run, if a server is followed. */
  readonly onPause: (pause: Pause) => void;
  /** Called with problems that an application should know of, and that it can run with. */
  readonly onWarning: (message: string) => void;
};

/** Starts with the cache file or the bootstrap flags, then follows the server or the offline file. */
export const createFlagManager = (
  options: ResolvedOptions,
  runtime: Runtime,
  listener: FlagListener,
): FlagManager => {
  const current = createCurrentFlags(listener, runtime.now);
  const deps: SourceDeps = { current, runtime, ...listener };
  let initial: InitialOrigin | undefined;
  let local: LocalSource | undefined;
  let source: FlagSource | undefined;
  let isClosed = false;

  const start = async (): Promise<void> => {
    if (isLocal(options)) {
      source = local = openLocal(options, deps);
      return;
    }
    initial = await applyInitialFlags(options, deps);
    if (isClosed) return;
    source = isOffline(options) ? followFile(options, deps) : followServer(options, initial, deps);
    // The start may have waited for these flags.
    listener.onState();
  };
  const opened = start();

  const sourceFreshness = (): SourceFreshness =>
    source?.freshness() ?? { ...NOT_STARTED, mode: isClosed ? 'stopped' : 'connecting' };

  return {
    snapshot: current.snapshot,
    sourceState: () => source?.state() ?? 'connecting',
    freshness: () => freshnessInUse(sourceFreshness(), initial, current, runtime),
    noticePause: oncePerTurn(() => source?.noticePause()),
    async refresh(timeoutMs) {
      await opened;
      return (await source?.refresh(timeoutMs)) ?? false;
    },
    setFlags: async flagSet => local?.setFlags(flagSet),
    async close() {
      isClosed = true;
      await source?.stop();
    },
  };
};
