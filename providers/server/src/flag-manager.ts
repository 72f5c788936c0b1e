import { isJsonObject, NOT_STARTED } from '@pennon/sync';
import type { FlagSet, LastError, Runtime } from '@pennon/sync';

import { messageOf, writeFlagFile } from './flag-file.ts';
import type { RawFlagSet } from './flag-file.ts';
import { createFlagSnapshot, describeProblems } from './flag-snapshot.ts';
import type { FlagSnapshot } from './flag-snapshot.ts';
import { createLatestValueQueue } from './latest-value-queue.ts';
import { isOffline } from './options.ts';
import type { OfflineOptions, OnlineOptions, PennonProviderOptions } from './options.ts';
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

/** `onChange` receives the keys of all flags with results that may have changed. */
export const createCurrentFlags = (
  onChange: (flagsChanged: string[]) => void,
  now: () => number,
): CurrentFlags => {
  let snapshot: FlagSnapshot | undefined;
  let lastError: LastError | undefined;

  const reportError = (message: string) => {
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

/** Makes an update current. Resolves to false if it cannot be used. */
type ApplyUpdate = (update: FlagSetUpdate) => Promise<boolean>;

/**
 * Opens a source and applies its updates one at a time. The state changes only after all updates so far have
 * been applied; it is `invalid` if the last one cannot be used.
 */
const openAndApply = (open: OpenSource, apply: ApplyUpdate, onState: () => void): FlagSource => {
  let isApplied = true;
  let state: SourceState = 'connecting';
  const refreshState = () => {
    state = isApplied ? source.state() : 'invalid';
    onState();
  };
  const queue = createLatestValueQueue<FlagSetUpdate>({
    async process({ flagSet, changed }) {
      // `changed` compares with the previous update, so it is of no use if that is not the current flag set.
      isApplied = await apply({ flagSet, changed: isApplied ? changed : undefined });
    },
    merge: mergeUpdates,
    onIdle: refreshState,
  });
  const source = open({
    onUpdate: queue.offer,
    onState() {
      if (!queue.isBusy()) refreshState();
    },
  });
  return {
    state: () => state,
    freshness: source.freshness,
    async stop() {
      queue.close();
      await source.stop();
    },
  };
};

type SourceDeps = {
  readonly current: CurrentFlags;
  readonly runtime: Runtime;
  readonly onState: () => void;
};

/** Where the initial flags came from, and when they were current. */
type InitialOrigin = Pick<InitialSource, 'name'> & Pick<InitialFlags, 'currentAt'>;

/** Applies the best initial flags that can be used, if there are any. */
const applyInitialFlags = async (
  options: PennonProviderOptions,
  { update, reportError }: CurrentFlags,
): Promise<InitialOrigin | undefined> => {
  for (const { name, read } of initialSources(options)) {
    try {
      const flags = await read();
      if (flags !== undefined && (await update({ flagSet: flags.flagSet })))
        return { name, currentAt: flags.currentAt };
    } catch (error) {
      reportError(messageOf(error));
    }
  }
  return undefined;
};

/** Follows the offline file. Also reports malformed flags, for the person who edits it. */
const followFile = (
  { offlineFile }: OfflineOptions,
  { current, runtime, onState }: SourceDeps,
): FlagSource => {
  const apply: ApplyUpdate = async update => {
    const isApplied = await current.update(update);
    const snapshot = current.snapshot();
    const problems = isApplied && snapshot ? await describeProblems(snapshot) : [];
    if (problems.length > 0) current.reportError(`${offlineFile}: ${problems.join('; ')}`);
    return isApplied;
  };
  return openAndApply(fileSource(offlineFile, runtime), apply, onState);
};

const isComplete = (flagSet: RawFlagSet): flagSet is RawFlagSet & FlagSet =>
  typeof flagSet.id === 'string' &&
  typeof flagSet.revision === 'number' &&
  isJsonObject(flagSet.segments);

/** Returns the initial flags if they are those of the cache file, so the server does not send them again. */
const knownFlags = (
  initial: InitialOrigin | undefined,
  snapshot: FlagSnapshot | undefined,
): KnownFlags => {
  const currentAt = initial?.currentAt;
  return snapshot === undefined || currentAt === undefined || !isComplete(snapshot.flagSet)
    ? undefined
    : { data: snapshot.flagSet, at: currentAt };
};

/** Follows the server. Also saves each flag set that was applied to the cache file. */
const followServer = (
  options: OnlineOptions,
  initial: InitialOrigin | undefined,
  { current, runtime, onState }: SourceDeps,
): FlagSource => {
  const { cacheFile } = options;
  const cacheWriter = createLatestValueQueue<RawFlagSet>({
    process: async flagSet => {
      if (cacheFile === undefined) return;
      await writeFlagFile(cacheFile, flagSet).catch((error: unknown) =>
        current.reportError(messageOf(error)),
      );
    },
  });
  const apply: ApplyUpdate = async update => {
    const isApplied = await current.update(update);
    if (isApplied) cacheWriter.offer(update.flagSet);
    return isApplied;
  };
  const open = serverSource(options, knownFlags(initial, current.snapshot()), runtime);
  const source = openAndApply(open, apply, onState);
  return {
    ...source,
    async stop() {
      await source.stop();
      await cacheWriter.whenIdle();
      cacheWriter.close();
    },
  };
};

const latest = (a: LastError | undefined, b: LastError | undefined): LastError | undefined =>
  a !== undefined && (b === undefined || a.at > b.at) ? a : b;

/** Returns whether the current flags are those of the source, and no longer the initial ones. */
const hasEmitted = ({ source }: SourceFreshness): boolean =>
  source !== 'none' && source !== 'initial';

const initialFreshness = (initial: InitialOrigin | undefined, now: number) =>
  initial && {
    source: initial.name,
    dataAgeMs: initial.currentAt === undefined ? undefined : Math.max(0, now - initial.currentAt),
  };

/** The current flags, kept as up to date as their source allows. */
export type FlagManager = {
  readonly snapshot: () => FlagSnapshot | undefined;
  readonly sourceState: () => SourceState;
  readonly freshness: () => Freshness;
  close(): Promise<void>;
};

export type FlagListener = {
  /** Called with the keys of all flags with results that may have changed. */
  readonly onChange: (flagsChanged: string[]) => void;
  /** Called after `onChange`, and whenever the state of the source may have changed. */
  readonly onState: () => void;
};

/** Starts with the cache file or the bootstrap flags, then follows the server or the offline file. */
export const createFlagManager = (
  options: PennonProviderOptions,
  runtime: Runtime,
  { onChange, onState }: FlagListener,
): FlagManager => {
  const current = createCurrentFlags(onChange, runtime.now);
  const deps: SourceDeps = { current, runtime, onState };
  let initial: InitialOrigin | undefined;
  let source: FlagSource | undefined;
  let closed = false;

  const start = async (): Promise<void> => {
    initial = await applyInitialFlags(options, current);
    if (closed) return;
    source = isOffline(options) ? followFile(options, deps) : followServer(options, initial, deps);
  };
  void start();

  const sourceFreshness = (): SourceFreshness =>
    source?.freshness() ?? { ...NOT_STARTED, mode: closed ? 'stopped' : 'connecting' };

  return {
    snapshot: current.snapshot,
    sourceState: () => source?.state() ?? 'connecting',
    freshness() {
      const freshness = sourceFreshness();
      return {
        ...freshness,
        ...(hasEmitted(freshness) ? undefined : initialFreshness(initial, runtime.now())),
        revision: current.snapshot()?.revision,
        lastError: latest(current.lastError(), freshness.lastError),
      };
    },
    async close() {
      closed = true;
      await source?.stop();
    },
  };
};
