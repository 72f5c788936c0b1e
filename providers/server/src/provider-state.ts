import { GeneralError, ProviderFatalError } from '@openfeature/server-sdk';

import { isRequestError } from '@pennon/sync';

import type { RemoteAccess } from './remote.ts';
import type { SourceState } from './sources.ts';

/**
 * - `starting`: `initialize` is pending
 * - `ready`: the flags are current, or the server evaluates them
 * - `stale`: the flags or cached results may be out of date, or the server that evaluated is lost
 * - `unauthorized`: the server rejects the key, and there are no flags
 * - `error`: there are no flags
 * - `closed`: after `onClose`
 */
export type ProviderState = 'starting' | 'ready' | 'stale' | 'unauthorized' | 'error' | 'closed';

/** Everything that the next state depends on, except for the current state. */
export type StateInputs = {
  readonly source: SourceState;
  /** Whether there are flags to evaluate, even if they are old. */
  readonly hasFlags: boolean;
  /** Undefined when flags are evaluated in this process. */
  readonly remoteAccess: RemoteAccess | undefined;
  /** Whether the servers that evaluate are cut off from their store. */
  readonly isRemoteStale: boolean;
  /** The HTTP status of the last error. */
  readonly lastStatus: number | undefined;
  /** Whether the grace period is over, in which a start waits for the server although there are older flags. */
  readonly isGraceOver: boolean;
  /** Whether `initialize` has waited for `initTimeoutMs`. */
  readonly hasInitTimedOut: boolean;
};

/**
 * Returns the state while the server responds, or undefined if it does not. A key without access to the flag
 * set is enough if the server evaluates flags for it.
 */
const stateWithServer = (inputs: StateInputs): 'ready' | 'stale' | undefined => {
  const { source, remoteAccess, isRemoteStale } = inputs;
  if (source === 'stale') return 'stale';
  const isServed = source === 'ready' || (source === 'unauthorized' && remoteAccess === 'granted');
  if (!isServed) return undefined;
  return isRemoteStale ? 'stale' : 'ready';
};

/** 401 concerns every route; 403 perhaps only the flag set, which remote evaluation does not depend on. */
const isKeyRejected = ({ lastStatus, remoteAccess }: StateInputs): boolean =>
  lastStatus === 401 || (lastStatus === 403 && remoteAccess === undefined);

/** Whether the flags that the server may still send are worth waiting for. */
const isWaiting = ({ source, hasFlags, lastStatus, isGraceOver, hasInitTimedOut }: StateInputs) => {
  if (hasInitTimedOut || source === 'invalid') return false;
  if (hasFlags) return source !== 'unreachable' && !isGraceOver;
  // Without flags, it is also worth waiting for a server that may respond to the next attempt.
  return source !== 'unreachable' || !isRequestError({ status: lastStatus });
};

/** A rejected key ends the start even if there are flags, because the application must notice it. */
const stateAtStart = (inputs: StateInputs): ProviderState => {
  const { source, hasFlags, remoteAccess } = inputs;
  const served = stateWithServer(inputs);
  if (served !== undefined) return served;
  if (source === 'unauthorized' && remoteAccess !== 'unknown') return 'unauthorized';
  if (isWaiting(inputs)) return 'starting';
  if (isKeyRejected(inputs)) return 'unauthorized';
  return hasFlags ? 'stale' : 'error';
};

/** In remote mode, a provider that was ready may have neither flags nor cached results. */
const hadResults = (current: ProviderState): boolean => current === 'ready' || current === 'stale';

/** A provider that could not start because of its key must not run on older flags unnoticed. */
const stateAfterStart = (current: ProviderState, inputs: StateInputs): ProviderState => {
  const served = stateWithServer(inputs);
  if (served !== undefined) return served;
  if (current === 'unauthorized') return 'unauthorized';
  if (inputs.hasFlags || hadResults(current)) return 'stale';
  return inputs.source === 'unauthorized' ? 'unauthorized' : 'error';
};

/** Returns the state that follows from the inputs. Only `close()` leads to `closed`. */
export const nextState = (current: ProviderState, inputs: StateInputs): ProviderState => {
  if (current === 'closed') return 'closed';
  return current === 'starting' ? stateAtStart(inputs) : stateAfterStart(current, inputs);
};

/**
 * Receives the events after the start. The outcome of the start itself is the promise `started`; a provider that
 * has started never becomes one in error.
 */
export type ProviderListener = {
  readonly onChange: (flagsChanged: string[]) => void;
  readonly onReady: () => void;
  readonly onStale: (message: string) => void;
  /** Calls back when the SDK has set the status READY, as early as possible. */
  readonly afterStart: (callback: () => void) => void;
};

/** Emits one event for each change of state, and none after `close()`. */
export type ProviderStateMachine = {
  /** Resolves when there are flags to evaluate; rejects if there are none in time, or on `close()`. */
  readonly started: Promise<void>;
  update(inputs: StateInputs): void;
  /** Reports changed flags, except during the start: nothing was evaluated yet. */
  reportChange(flagsChanged: string[]): void;
  close(): void;
};

/** A promise that is settled from outside. `Promise.withResolvers` does not exist in Node.js 20. */
const createDeferred = () => {
  let resolve: () => void = () => undefined;
  let reject: (error: Error) => void = () => undefined;
  const promise = new Promise<void>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
};

/** `getReason` returns why the provider is not ready, for messages. */
export const createProviderState = (
  listener: ProviderListener,
  getReason: () => string,
): ProviderStateMachine => {
  const start = createDeferred();
  let state: ProviderState = 'starting';

  const finishStart = () => {
    if (state === 'ready' || state === 'stale') start.resolve();
    if (state === 'unauthorized')
      start.reject(new ProviderFatalError(`the server rejected the key: ${getReason()}`));
    if (state === 'error') start.reject(new GeneralError(`no flags available: ${getReason()}`));
    // The SDK emits READY once the promise has resolved, and READY would replace an earlier STALE.
    if (state === 'stale')
      listener.afterStart(() => state === 'stale' && listener.onStale(getReason()));
  };

  const emit = () => {
    if (state === 'ready') listener.onReady();
    if (state === 'stale') listener.onStale(getReason());
  };

  return {
    started: start.promise,
    update(inputs) {
      const previous = state;
      state = nextState(previous, inputs);
      if (state === previous) return;
      if (previous === 'starting') finishStart();
      else emit();
    },
    reportChange(flagsChanged) {
      if (state !== 'starting' && state !== 'closed') listener.onChange(flagsChanged);
    },
    close() {
      state = 'closed';
      start.reject(new GeneralError('the provider was closed before it had started'));
    },
  };
};
