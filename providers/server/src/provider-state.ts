import { GeneralError, ProviderFatalError } from '@openfeature/server-sdk';

import type { SourceState } from './sources.ts';

/**
 * - `starting`: `initialize` is pending
 * - `ready`: the flags are current, or the server evaluates them
 * - `stale`: there are flags, but they may be out of date
 * - `unauthorized`: the server rejects the key, and there are no flags
 * - `error`: there are no flags
 * - `closed`: after `onClose`
 */
export type ProviderState = 'starting' | 'ready' | 'stale' | 'unauthorized' | 'error' | 'closed';

/** Whether the server evaluates flags for this key; `none` if evaluation is not remote. */
export type RemoteAccess = 'none' | 'untested' | 'granted' | 'denied';

/** Everything that decides the state of a provider. */
export type Conditions = {
  readonly source: SourceState;
  /** There are flags to evaluate, even if they are old. */
  readonly hasFlags: boolean;
  readonly remote: RemoteAccess;
  /** The HTTP status of the last error. */
  readonly lastStatus: number | undefined;
  /** `initialize` must not wait any longer. */
  readonly isLate: boolean;
};

/** A key without access to the flag set is enough if the server evaluates flags for it. */
const isReady = ({ source, remote }: Conditions): boolean =>
  source === 'ready' || (source === 'unauthorized' && remote === 'granted');

/** 401 concerns every route; 403 perhaps only the flag set, which remote evaluation does not depend on. */
const isKeyRejected = ({ lastStatus, remote }: Conditions): boolean =>
  lastStatus === 401 || (lastStatus === 403 && remote === 'none');

/** A rejected key ends the start even if there are flags: the application must not run on them unnoticed. */
const startedState = (conditions: Conditions): ProviderState => {
  const { source, hasFlags, remote, isLate } = conditions;
  if (isReady(conditions)) return 'ready';
  if (source === 'unauthorized' && (remote === 'none' || remote === 'denied'))
    return 'unauthorized';
  if (!isLate && source !== 'invalid') return 'starting';
  if (isKeyRejected(conditions)) return 'unauthorized';
  return hasFlags ? 'stale' : 'error';
};

const runningState = (conditions: Conditions): ProviderState => {
  if (isReady(conditions)) return 'ready';
  if (conditions.hasFlags) return 'stale';
  return conditions.source === 'unauthorized' ? 'unauthorized' : 'error';
};

/** All transitions, except those to `closed`. */
export const nextState = (current: ProviderState, conditions: Conditions): ProviderState => {
  if (current === 'closed') return 'closed';
  return current === 'starting' ? startedState(conditions) : runningState(conditions);
};

const hasFailed = (state: ProviderState): boolean => state === 'unauthorized' || state === 'error';

/** Called after the start; the outcome of the start itself is a promise. */
export type ProviderListener = {
  readonly onChange: (flagsChanged: string[]) => void;
  readonly onReady: () => void;
  readonly onStale: (message: string) => void;
  readonly onError: (message: string) => void;
};

/** Emits each transition once, and nothing after `close()`. */
export type ProviderStateMachine = {
  /** Resolves when there are flags to evaluate; rejects if there are none in time, or on `close()`. */
  readonly started: Promise<void>;
  readonly state: () => ProviderState;
  update(conditions: Conditions): void;
  /** Reports changed flags, unless the provider is starting: nothing was evaluated yet. */
  change(flagsChanged: string[]): void;
  close(): void;
};

/** A promise that is settled from outside. `Promise.withResolvers` does not exist in Node.js 20. */
const createDeferred = () => {
  let resolve: () => void = () => undefined;
  let reject: (error: Error) => void = () => undefined;
  const promise = new Promise<void>((...settle) => {
    [resolve, reject] = settle;
  });
  return { promise, resolve, reject };
};

/** `reason` returns why the provider is in its current state, for messages. */
export const createProviderState = (
  listener: ProviderListener,
  reason: () => string,
): ProviderStateMachine => {
  const start = createDeferred();
  let state: ProviderState = 'starting';

  const settleStart = () => {
    if (state === 'ready' || state === 'stale') start.resolve();
    if (state === 'unauthorized')
      start.reject(new ProviderFatalError(`the server rejected the key: ${reason()}`));
    if (state === 'error') start.reject(new GeneralError(`no flags available: ${reason()}`));
    // The SDK emits READY once the promise has resolved, and READY would replace an earlier STALE.
    if (state === 'stale') setImmediate(() => state === 'stale' && listener.onStale(reason()));
  };

  /** Without flags, a rejected key is one more error: it is not reported twice. */
  const emit = (previous: ProviderState) => {
    if (state === 'ready') listener.onReady();
    if (state === 'stale') listener.onStale(reason());
    if (hasFailed(state) && !hasFailed(previous)) listener.onError(reason());
  };

  return {
    started: start.promise,
    state: () => state,
    update(conditions) {
      const previous = state;
      state = nextState(previous, conditions);
      if (state === previous) return;
      if (previous === 'starting') settleStart();
      else emit(previous);
    },
    change(flagsChanged) {
      if (state !== 'starting' && state !== 'closed') listener.onChange(flagsChanged);
    },
    close() {
      state = 'closed';
      start.reject(new GeneralError('the provider was closed before it had started'));
    },
  };
};
