import { isAuthError } from '@pennon/sync';
import type { Runtime } from '@pennon/sync';

import { toPlainContext } from './context.ts';
import { createFlagManager } from './flag-manager.ts';
import type { FlagSnapshot } from './flag-snapshot.ts';
import { isOffline } from './options.ts';
import type { PennonProviderOptions } from './options.ts';
import { createProviderState } from './provider-state.ts';
import type { ProviderListener, RemoteAccess } from './provider-state.ts';
import { createRemoteEvaluator } from './remote.ts';
import type { RemoteEvaluator } from './remote.ts';
import { noFlags } from './resolution.ts';
import type { EvaluationResult } from './resolution.ts';
import type { Freshness } from './sources.ts';

/** One run of a provider, from `initialize` to `onClose`. */
export type Session = {
  /** Resolves when there are flags to evaluate; rejects if there are none in time. */
  readonly started: Promise<void>;
  readonly snapshot: () => FlagSnapshot | undefined;
  readonly freshness: () => Freshness;
  /** Evaluates remotely in remote mode, otherwise locally. */
  evaluate(flagKey: string, context: unknown): EvaluationResult | Promise<EvaluationResult>;
  close(): Promise<void>;
};

const INIT_TIMEOUT_MS = 2_000;
const CACHE_TTL_MS = 60_000;
const CACHE_ENTRIES = 10_000;
const REQUEST_TIMEOUT_MS = 2_000;

const createRemote = (
  options: PennonProviderOptions,
  runtime: Runtime,
  onChange: () => void,
): RemoteEvaluator | undefined => {
  if (isOffline(options) || options.mode !== 'remote') return undefined;
  const { url, key, environment, requestTimeoutMs = REQUEST_TIMEOUT_MS } = options;
  const { cacheTtlMs = CACHE_TTL_MS, cacheEntries = CACHE_ENTRIES } = options;
  const cache = { ttlMs: cacheTtlMs, maxEntries: cacheEntries };
  return createRemoteEvaluator(
    { url, key, environment, cache, requestTimeoutMs, onChange },
    runtime,
  );
};

/** Finds out whether the server evaluates flags for a key that has no access to the flag set. */
const createAccessCheck = (remote: RemoteEvaluator | undefined, onResult: () => void) => {
  let access: RemoteAccess = remote === undefined ? 'none' : 'untested';
  return {
    access: (): RemoteAccess =>
      access === 'granted' && remote?.openError() !== undefined ? 'untested' : access,
    async run(): Promise<void> {
      if (remote === undefined || access === 'granted') return;
      const error = await remote.probe();
      if (error === undefined) access = 'granted';
      else access = isAuthError(error) ? 'denied' : 'untested';
      onResult();
    },
  };
};

export const createSession = (
  options: PennonProviderOptions,
  runtime: Runtime,
  listener: ProviderListener,
): Session => {
  const flags = createFlagManager(options, runtime, {
    onChange(flagsChanged) {
      remote?.invalidate(flagsChanged);
      state.change(flagsChanged);
    },
    onState() {
      if (flags.sourceState() === 'unauthorized') void accessCheck.run();
      update();
    },
  });
  const remote = createRemote(options, runtime, () => update());
  const accessCheck = createAccessCheck(remote, () => update());
  const state = createProviderState(
    listener,
    () =>
      remote?.openError()?.message ??
      flags.freshness().lastError?.message ??
      'the server has not responded',
  );

  const update = (isLate = false) =>
    state.update({
      source: flags.sourceState(),
      hasFlags: flags.snapshot() !== undefined,
      remote: accessCheck.access(),
      lastStatus: flags.freshness().lastError?.status,
      isLate,
    });
  const timeoutMs = options.initTimeoutMs ?? INIT_TIMEOUT_MS;
  const cancelTimer = runtime.setTimer(timeoutMs, () => update(true));
  state.started.then(cancelTimer, cancelTimer);

  return {
    started: state.started,
    snapshot: flags.snapshot,
    freshness: flags.freshness,
    evaluate(flagKey, context) {
      const plain = toPlainContext(context);
      const evaluateLocally = () => flags.snapshot()?.evaluate(flagKey, plain);
      return remote === undefined
        ? (evaluateLocally() ?? noFlags(flagKey))
        : remote.evaluate(flagKey, plain, evaluateLocally);
    },
    async close() {
      state.close();
      remote?.close();
      await flags.close();
    },
  };
};
