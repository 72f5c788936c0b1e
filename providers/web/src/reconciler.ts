import type { EvaluationContext } from '@openfeature/web-sdk';
import { GeneralError, ProviderFatalError } from '@openfeature/web-sdk';
import type { FollowerStatus, Runtime, Values } from '@pennon/sync';
import { isAuthError, isLongPause } from '@pennon/sync';

import type { Evaluation } from './resolution.ts';
import { subscribe } from './shared-follower.ts';
import type { ServerOptions, Subscription } from './shared-follower.ts';
import { subjectOf, toCanonicalJson } from './subject.ts';
import type { Freshness, ValueStore } from './value-store.ts';

/** Called outside of reconciliations only. The SDK emits the events of those, from the promise. */
export type ReconcilerEvents = {
  changed(flagsChanged: string[]): void;
  /** The values may be out of date. */
  stale(message: string): void;
  /** The values are current again. */
  ready(): void;
  /** Calls back when the SDK has set the status READY, at the end of a reconciliation. */
  afterReady(callback: () => void): void;
};

export type ReconcilerOptions = {
  readonly server: ServerOptions;
  /** How long to wait for the values of a context, before older ones count as out of date. */
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
  /** Returns the subscription to the values of the current context, or undefined before the first. */
  readonly subscription: () => Subscription | undefined;
  close(): void;
};

/** How long a page waits for a slow server although it has values. */
const GRACE_MS = 250;
/** A short visit to another tab keeps the stream. Hidden pages release it, because connections are limited. */
const HIDDEN_MS = 5_000;

/** A reconciliation, until it is known whether the values of its context can be loaded. */
type Pending = { readonly hasLastKnown: boolean; readonly resolve: () => void };

export const createReconciler = (options: ReconcilerOptions): Reconciler => {
  const { server, timeoutMs, store, events, runtime } = options;
  const { setTimer } = runtime;
  const closing = new AbortController();
  const { signal } = closing;
  let context: EvaluationContext = {};
  /** To the values of the current context. Undefined before the first. */
  let subscription: Subscription | undefined;
  let isPaused = false;
  let isFirst = true;
  /** STALE and READY are emitted alternately. The SDK emits those of reconciliations. */
  let isStale = false;
  let pending: Pending | undefined;
  let lastReconciliation = Promise.resolve();

  const status = () => subscription?.status();
  const stop = () => subscription?.stop();
  const message = () => status()?.lastError?.message ?? 'the server did not respond in time';

  const onData = (values: Values<Evaluation>, changed: string[] | undefined) => {
    const flagsChanged = store.update(subjectOf(context), values, changed);
    if (!pending && flagsChanged.length > 0) events.changed(flagsChanged);
  };
  const onStatus = (next: FollowerStatus) => {
    /** Whether it is known if the values are current. */
    const isSettled = next.mode !== 'connecting';
    if (pending) {
      if (isSettled || (pending.hasLastKnown && next.lastError)) pending.resolve();
      return;
    }
    const isChanged = isStale === isCurrent(next);
    if (!isChanged || !(isSettled || subscription?.isUnconfirmed())) return;
    isStale = !isStale;
    if (isStale) events.stale(message());
    else events.ready();
  };

  /** Follows a context, even on a hidden page. Throws if the context cannot be serialized. */
  const follow = (next: EvaluationContext) => {
    context = next;
    store.touch(status()?.dataAgeMs);
    stop();
    const initial = store.valuesOf(subjectOf(next));
    // The page may have been hidden for long.
    const confirmWithinMs = isLongPause({ ms: initial?.ageMs ?? 0 }) ? 0 : timeoutMs;
    const subscriber = { onData, onStatus, initial, confirmWithinMs };
    subscription = subscribe({ ...server, context }, subscriber, runtime);
  };

  const reconcile = async (next: EvaluationContext): Promise<void> => {
    if (!pending && isCurrent(status()) && isSameContext(next, context)) return;
    const subject = subjectOf(next);
    const hasLastKnown = store.has(subject);
    const waitMs = hasLastKnown && isFirst ? Math.min(GRACE_MS, timeoutMs) : timeoutMs;
    isFirst = false;
    pending?.resolve();
    pending = undefined;
    // Also if the context cannot be sent: a page is shown to its subject from now on, which must not get the values
    // of another one.
    try {
      follow(next);
    } finally {
      store.restore(subject);
    }
    let started: Pending | undefined;
    await new Promise<void>(settle => {
      const cancelTimer = setTimer(waitMs, settle);
      const resolve = () => {
        cancelTimer();
        settle();
      };
      started = pending = { hasLastKnown, resolve };
    });
    // A later reconciliation has taken over.
    if (pending !== started) return lastReconciliation;
    pending = undefined;
    isStale = !isCurrent(status());
    // It has the values of the new context and needs no changes.
    if (isPaused) stop();
    if (!isStale) return;
    if (!store.restore(subject)) {
      // A rejected key is fatal, because retrying does not help. Anything else may be temporary.
      const ErrorType = isAuthError(status()?.lastError ?? {}) ? ProviderFatalError : GeneralError;
      throw new ErrorType(message());
    }
    // The SDK sets the status to READY when the promise resolves, so STALE must be emitted after that.
    events.afterReady(() => {
      if (isStale && !signal.aborted) events.stale(message());
    });
  };

  if (typeof document !== 'undefined') {
    let cancelTimer = () => {};
    const onHidden = () => {
      isPaused = true;
      stop();
    };
    const onVisibilityChange = () => {
      cancelTimer();
      if (document.hidden) {
        cancelTimer = setTimer(HIDDEN_MS, onHidden);
        return;
      }
      if (isPaused) follow(context);
      isPaused = false;
    };
    /** The browser went online or offline, so the connection may be dead. */
    const onNetworkChange = () => {
      if (isPaused) return;
      subscription?.retire();
      follow(context);
    };
    signal.addEventListener('abort', () => cancelTimer());
    document.addEventListener('visibilitychange', onVisibilityChange, { signal });
    // A page with an open connection cannot be put into the back/forward cache.
    addEventListener('pagehide', onHidden, { signal });
    addEventListener('pageshow', onVisibilityChange, { signal });
    addEventListener('online', onNetworkChange, { signal });
    addEventListener('offline', onNetworkChange, { signal });
    onVisibilityChange();
  }

  return {
    freshness() {
      const current = status();
      return current && store.freshness(current);
    },
    start(first, bootstrap) {
      follow(first);
      store.seed(subjectOf(first), bootstrap);
    },
    subscription: () => subscription,
    reconcile: next => (lastReconciliation = reconcile(next)),
    close() {
      pending?.resolve();
      closing.abort();
      stop();
    },
  };
};

/** Pages often set an equal context again. A context that cannot be serialized is not equal to any other. */
const isSameContext = (a: EvaluationContext, b: EvaluationContext): boolean => {
  const text = toCanonicalJson(a);
  return text !== undefined && text === toCanonicalJson(b);
};

const isCurrent = (status: FollowerStatus | undefined): boolean =>
  status?.mode === 'streaming' || status?.mode === 'polling';
