import type { Patterns } from '@pennon/engine/core';
import { isJsonObject, NOT_STARTED } from '@pennon/sync';
import type { FlagSet, LastError, Runtime } from '@pennon/sync';

import { createCacheFile } from './cache-file.ts';
import type { RawFlagSet } from './flag-file.ts';
import {
  affectedFlags,
  createFlagSnapshot,
  forEachChunked,
  reuseUnchanged,
  yieldToEventLoop,
} from './flag-snapshot.ts';
import type { FlagSnapshot, MergedFlagSet } from './flag-snapshot.ts';
import { isOffline } from './options.ts';
import type { OfflineOptions, OnlineOptions, PennonProviderOptions } from './options.ts';
import { fileSource, initialSources, serverSource } from './sources.ts';
import type { FlagSetUpdate, FlagSource, Freshness, OpenSource, SourceState } from './sources.ts';

/** Processes one value at a time. While it is busy, it keeps one pending value only. */
export type LatestValueQueue<Value> = {
  readonly offer: (value: Value) => void;
  /** Whether a value is being processed or pending. */
  readonly isBusy: () => boolean;
  close(): void;
};

type QueueOptions<Value> = {
  readonly process: (value: Value) => Promise<void>;
  /** Combines the pending value with one that supersedes it. */
  readonly merge: (pending: Value, next: Value) => Value;
  /** Called once nothing is pending any more. */
  readonly onIdle: () => void;
};

/** After `close`, nothing is processed and `onIdle` is not called any more. */
export const createLatestValueQueue = <Value>({
  process,
  merge,
  onIdle,
}: QueueOptions<Value>): LatestValueQueue<Value> => {
  let pending: { readonly value: Value } | undefined;
  let busy = false;
  let closed = false;

  const processAll = async (): Promise<void> => {
    while (pending !== undefined) {
      const { value } = pending;
      pending = undefined;
      await process(value);
    }
    busy = false;
    if (!closed) onIdle();
  };

  return {
    offer(value) {
      if (closed) return;
      pending = { value: pending === undefined ? value : merge(pending.value, value) };
      if (busy) return;
      busy = true;
      void processAll();
    },
    isBusy: () => busy,
    close() {
      closed = true;
      pending = undefined;
    },
  };
};

const union = (a: readonly string[], b: readonly string[]): string[] => [...new Set([...a, ...b])];

/** The later flag set, with the changes of both updates. */
const mergeUpdates = (pending: FlagSetUpdate, next: FlagSetUpdate): FlagSetUpdate => ({
  flagSet: next.flagSet,
  changed: pending.changed &&
    next.changed && {
      flags: union(pending.changed.flags, next.changed.flags),
      segments: union(pending.changed.segments, next.changed.segments),
    },
});

/** Opens a source. Its state changes only once its updates were applied, to `invalid` if that failed. */
const connect = (
  open: OpenSource,
  apply: (update: FlagSetUpdate) => Promise<boolean>,
  onState: () => void,
): FlagSource => {
  let isApplied = true;
  let state: SourceState = 'connecting';
  const refresh = () => {
    state = isApplied ? source.state() : 'invalid';
    onState();
  };
  const queue = createLatestValueQueue<FlagSetUpdate>({
    async process({ flagSet, changed }) {
      // After an update that was not applied, the changes do not describe the way from the current flags.
      isApplied = await apply({ flagSet, changed: isApplied ? changed : undefined });
    },
    merge: mergeUpdates,
    onIdle: refresh,
  });
  const source = open({
    onUpdate: queue.offer,
    onState() {
      if (!queue.isBusy()) refresh();
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

/** Loads the regular expressions when the first flag needs them; tries again later if that fails. */
const createPatternLoader = () => {
  let patterns: Patterns | undefined;
  let areNeeded = false;
  return async ({ usesPatterns }: MergedFlagSet): Promise<Patterns | undefined> => {
    areNeeded ||= usesPatterns;
    if (areNeeded) {
      patterns ??= await import('@pennon/engine/patterns').then(
        module => module.patterns,
        () => undefined,
      );
    }
    return patterns;
  };
};

/** Holds the current snapshot, and what last went wrong with the flags themselves. */
export type CurrentFlags = {
  readonly snapshot: () => FlagSnapshot | undefined;
  /**
   * Makes a flag set the current one. Resolves to false if it cannot be used: the current snapshot stays, and
   * `lastError` has the reason. One update at a time: callers wait for the promise.
   */
  readonly update: (update: FlagSetUpdate) => Promise<boolean>;
  readonly report: (message: string) => void;
  readonly lastError: () => LastError | undefined;
};

/** `onChange` is called with the keys of all flags with a result or metadata that may have changed. */
export const createCurrentFlags = (
  onChange: (flagsChanged: string[]) => void,
  now: () => number,
): CurrentFlags => {
  const loadPatterns = createPatternLoader();
  let snapshot: FlagSnapshot | undefined;
  let lastError: LastError | undefined;

  const report = (message: string) => {
    lastError = { message, status: undefined, at: now() };
  };
  const replace = async (update: FlagSetUpdate): Promise<boolean> => {
    // Parsing the flag set took most of this turn of the event loop.
    await yieldToEventLoop();
    const merged = await reuseUnchanged(snapshot?.flagSet, update);
    const next = createFlagSnapshot(merged.flagSet, snapshot, await loadPatterns(merged));
    if (next.compiled.refused) {
      report(next.compiled.problems.map(({ message }) => message).join('; '));
      return false;
    }
    await yieldToEventLoop();
    const flagsChanged = affectedFlags(snapshot?.flagSet, merged);
    snapshot = next;
    if (flagsChanged.length > 0) onChange(flagsChanged);
    return true;
  };

  return {
    snapshot: () => snapshot,
    update: update =>
      replace(update).catch((error: unknown) => {
        report(String(error));
        return false;
      }),
    report,
    lastError: () => lastError,
  };
};

/** The current flags, kept as up to date as their source allows. */
export type FlagManager = {
  readonly snapshot: () => FlagSnapshot | undefined;
  readonly sourceState: () => SourceState;
  readonly freshness: () => Freshness;
  close(): Promise<void>;
};

export type FlagListener = {
  /** Called with the keys of all flags with a result or metadata that may have changed. */
  readonly onChange: (flagsChanged: string[]) => void;
  /** Called after `onChange`, and whenever the state of the source may have changed. */
  readonly onState: () => void;
};

/** Compiling a flag takes longer than anything else that is done to it. */
const COMPILED_PER_TURN = 25;

/** Describes the malformed flags of a file, for the person who edits it. */
const describeProblems = async (
  path: string,
  snapshot: FlagSnapshot | undefined,
): Promise<string | undefined> => {
  if (snapshot === undefined) return undefined;
  const { compiled } = snapshot;
  await forEachChunked(compiled.flagKeys, COMPILED_PER_TURN, compiled.problemsOf);
  if (compiled.problems.length === 0) return undefined;
  const problems = compiled.problems.map(
    ({ flagKey, path: field, message }) => `flag "${flagKey}": ${field} ${message}`,
  );
  return `${path}: ${problems.join('; ')}`;
};

type ManagerDeps = {
  readonly current: CurrentFlags;
  readonly runtime: Runtime;
  readonly onState: () => void;
};

/** Resolves when the source has emitted its one flag set and that was applied, or when either failed. */
const openOnce = (open: OpenSource, { update }: CurrentFlags): Promise<FlagSource> =>
  new Promise(resolve => {
    const source = connect(open, update, () => {
      if (source.state() !== 'connecting') resolve(source);
    });
  });

/** Opens the initial sources one by one, until one of them has flags that can be used. */
const openInitial = async (
  options: PennonProviderOptions,
  { current, runtime }: ManagerDeps,
): Promise<FlagSource | undefined> => {
  for (const open of initialSources(options, runtime)) {
    const source = await openOnce(open, current);
    if (source.state() === 'ready') return source;
    const { lastError } = source.freshness();
    if (lastError !== undefined) current.report(lastError.message);
  }
  return undefined;
};

const followFile = (
  { offlineFile }: OfflineOptions,
  { current, runtime, onState }: ManagerDeps,
): FlagSource => {
  const apply = async (update: FlagSetUpdate): Promise<boolean> => {
    const isApplied = await current.update(update);
    const problems = isApplied && (await describeProblems(offlineFile, current.snapshot()));
    if (problems) current.report(problems);
    return isApplied;
  };
  return connect(fileSource(offlineFile, runtime), apply, onState);
};

const isComplete = (flagSet: RawFlagSet): flagSet is RawFlagSet & FlagSet =>
  typeof flagSet.id === 'string' &&
  typeof flagSet.revision === 'number' &&
  isJsonObject(flagSet.segments);

/** Flags that the server sent before, and does not send again if they are still current. */
const initialData = (
  initial: FlagSource | undefined,
  { current, runtime }: ManagerDeps,
): { readonly data: FlagSet; readonly at: number } | undefined => {
  const flagSet = current.snapshot()?.flagSet;
  const ageMs = initial?.freshness().dataAgeMs;
  return flagSet === undefined || ageMs === undefined || !isComplete(flagSet)
    ? undefined
    : { data: flagSet, at: runtime.now() - ageMs };
};

/** Flags that were applied are saved to the cache file. */
const followServer = (
  options: OnlineOptions,
  initial: FlagSource | undefined,
  deps: ManagerDeps,
): FlagSource => {
  const { current, runtime, onState } = deps;
  const cacheFile = options.cacheFile && createCacheFile(options.cacheFile, current.report);
  const apply = async (update: FlagSetUpdate): Promise<boolean> => {
    const isApplied = await current.update(update);
    if (isApplied && cacheFile) cacheFile.save(update.flagSet);
    return isApplied;
  };
  const open = serverSource(options, initialData(initial, deps), runtime);
  const source = connect(open, apply, onState);
  return {
    ...source,
    async stop() {
      await source.stop();
      if (cacheFile) await cacheFile.close();
    },
  };
};

const latest = (a: LastError | undefined, b: LastError | undefined): LastError | undefined =>
  a !== undefined && (b === undefined || a.at > b.at) ? a : b;

/** Starts with the flags of an earlier run or of the options, then follows the server or the offline file. */
export const createFlagManager = (
  options: PennonProviderOptions,
  runtime: Runtime,
  { onChange, onState }: FlagListener,
): FlagManager => {
  const current = createCurrentFlags(onChange, runtime.now);
  const deps: ManagerDeps = { current, runtime, onState };
  let initial: FlagSource | undefined;
  let followed: FlagSource | undefined;
  let closed = false;

  const start = async (): Promise<void> => {
    initial = await openInitial(options, deps);
    if (closed) return;
    followed = isOffline(options)
      ? followFile(options, deps)
      : followServer(options, initial, deps);
  };
  void start();

  return {
    snapshot: current.snapshot,
    sourceState: () => followed?.state() ?? 'connecting',
    freshness() {
      const { mode, lastError, ...data } = followed?.freshness() ?? NOT_STARTED;
      const isInitial = data.source === 'none' || data.source === 'initial';
      const { dataAgeMs, source } = (isInitial ? initial?.freshness() : undefined) ?? data;
      return {
        mode: followed === undefined && !closed ? 'connecting' : mode,
        revision: current.snapshot()?.revision,
        dataAgeMs,
        source,
        lastError: latest(current.lastError(), lastError),
      };
    },
    async close() {
      closed = true;
      await followed?.stop();
    },
  };
};
