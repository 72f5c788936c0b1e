import type { EvaluationContext } from '@openfeature/web-sdk';
import { GeneralError, ProviderFatalError } from '@openfeature/web-sdk';
import type { FollowerStatus, Runtime, Values } from '@pennon/sync';
import { isAuthError } from '@pennon/sync';

import { createContextFollower, subjectOf } from './context-follower.ts';
import type { ContextFollowerOptions } from './context-follower.ts';
import type { Evaluation } from './resolution.ts';
import type { Freshness, ValueStore } from './value-store.ts';

/** Called outside of reconciliations only. The SDK emits the events of those, from the promise. */
export type ReconcilerEvents = {
  changed(flagsChanged: string[]): void;
  /** The values may be out of date. */
  stale(message: string): void;
  /** The values are current again. */
  ready(): void;
};

export type ReconcilerOptions = {
  readonly server: ContextFollowerOptions['server'];
  /** How long to wait for the values of a context if there are none of its subject. */
  readonly timeoutMs: number;
  readonly store: ValueStore;
  readonly events: ReconcilerEvents;
  readonly runtime: Runtime;
};

/** Keeps the values of the current context up to date. */
export type Reconciler = {
  /** Returns undefined before the first context. */
  freshness(): Freshness | undefined;
  /** Follows the first context, starting from the values that the page came with. */
  start(context: EvaluationContext, bootstrap: Values<Evaluation>): void;
  /**
   * Follows another context. Resolves when its values have arrived or, if the first request fails, with the
   * last known values of its subject; rejects if there are none. The first call, which a page waits for, does
   * not wait for a slow server if there are such values. A later call takes over: both promises then settle
   * with its result.
   */
  reconcile(context: EvaluationContext): Promise<void>;
  close(): void;
};

/** How long a page waits for a slow server although it has values. */
const GRACE_MS = 250;

export const createReconciler = ({
  server,
  timeoutMs,
  store,
  events,
  runtime,
}: ReconcilerOptions): Reconciler => {
  let isClosed = false;
  let reconciliations = 0;
  let lastReconciliation = Promise.resolve();
  /** Resolved when it is known whether the values of the new context can be loaded. */
  let pending: (Deferred & { readonly hasLastKnown: boolean }) | undefined;

  const onData = (values: Values<Evaluation>, changed: string[] | undefined) => {
    const flagsChanged = store.update(subjectOf(follower.context()), values, changed);
    if (pending === undefined && flagsChanged.length > 0) events.changed(flagsChanged);
  };

  const onStatus = (status: FollowerStatus) => {
    const hasFailed = pending?.hasLastKnown === true && status.lastError !== undefined;
    if (!isCurrent(status) && status.mode !== 'disconnected' && !hasFailed) return;
    if (pending === undefined) notifier.update(!isCurrent(status));
    else pending.resolve();
  };

  const follower = createContextFollower({ server, store, runtime, onData, onStatus });
  const notifier = createStaleNotifier(events, () => messageOf(follower.status()));

  const setContext = (context: EvaluationContext) => {
    try {
      follower.setContext(context);
    } catch (error) {
      pending = undefined;
      throw error;
    } finally {
      // From now on a page is shown to this subject, which must not get the values of another one.
      store.restore(subjectOf(context));
    }
  };

  const isUpToDate = (context: EvaluationContext): boolean =>
    pending === undefined &&
    isCurrent(follower.status()) &&
    isSameContext(context, follower.context());

  const reconcile = async (context: EvaluationContext): Promise<void> => {
    if (isUpToDate(context)) return;
    reconciliations += 1;
    const id = reconciliations;
    pending?.resolve();
    const hasLastKnown = store.has(subjectOf(context));
    setContext(context);
    const waitMs = hasLastKnown && id === 1 ? Math.min(GRACE_MS, timeoutMs) : timeoutMs;
    pending = { ...createDeferred(runtime.setTimer, waitMs), hasLastKnown };
    await pending.promise;
    if (id !== reconciliations) return lastReconciliation;
    pending = undefined;
    notifier.reset(!isCurrent(follower.status()));
    follower.pauseIfHidden();
    if (notifier.isStale()) useLastKnown();
  };

  const useLastKnown = () => {
    if (!store.restore(subjectOf(follower.context()))) throw errorOf(follower.status());
    // The SDK sets the status to READY when the promise resolves, so STALE must be emitted after that.
    runtime.setTimer(0, () => {
      if (notifier.isStale() && !isClosed) events.stale(messageOf(follower.status()));
    });
  };

  return {
    freshness() {
      const status = follower.status();
      return status && store.freshness(status);
    },
    start(context, bootstrap) {
      store.seed(subjectOf(context), bootstrap);
      follower.setContext(context);
    },
    reconcile: context => (lastReconciliation = reconcile(context)),
    close() {
      isClosed = true;
      pending?.resolve();
      follower.close();
    },
  };
};

/** A promise that resolves when `resolve` is called, or after a timeout. */
type Deferred = { readonly promise: Promise<void>; readonly resolve: () => void };

const createDeferred = (setTimer: Runtime['setTimer'], timeoutMs: number): Deferred => {
  let resolve = () => {};
  const promise = new Promise<void>(settle => {
    const cancelTimer = setTimer(timeoutMs, settle);
    resolve = () => {
      cancelTimer();
      settle();
    };
  });
  return { promise, resolve };
};

/** Emits STALE and READY alternately, never one of them twice in a row. */
const createStaleNotifier = (events: ReconcilerEvents, message: () => string) => {
  let isStale = false;
  return {
    isStale: () => isStale,
    /** Sets the state without an event, at the end of a reconciliation, for which the SDK emits its own. */
    reset(next: boolean) {
      isStale = next;
    },
    update(next: boolean) {
      if (isStale === next) return;
      isStale = next;
      if (isStale) events.stale(message());
      else events.ready();
    },
  };
};

/** Pages often set an equal context again. A context that cannot be serialized is not equal to any other. */
const isSameContext = (a: EvaluationContext, b: EvaluationContext): boolean => {
  try {
    return JSON.stringify(a) === JSON.stringify(b);
  } catch {
    return false;
  }
};

const isCurrent = (status: FollowerStatus | undefined): boolean =>
  status?.mode === 'streaming' || status?.mode === 'polling';

const messageOf = (status: FollowerStatus | undefined): string =>
  status?.lastError?.message ?? 'the server did not respond in time';

/** A rejected key is fatal, because retrying does not help. Anything else may be temporary. */
const errorOf = (status: FollowerStatus | undefined): Error =>
  status?.lastError !== undefined && isAuthError(status.lastError)
    ? new ProviderFatalError(messageOf(status))
    : new GeneralError(messageOf(status));
