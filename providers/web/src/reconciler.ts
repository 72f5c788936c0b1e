import type { EvaluationContext } from '@openfeature/web-sdk';
import { GeneralError, ProviderFatalError } from '@openfeature/web-sdk';
import type { FollowerStatus, Runtime, Values } from '@pennon/sync';
import { isAuthError } from '@pennon/sync';

import { createContextFollower } from './context-follower.ts';
import type { ContextFollower } from './context-follower.ts';
import type { Evaluation } from './resolution.ts';
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

export const createReconciler = (options: ReconcilerOptions): Reconciler => {
  const { server, timeoutMs, store, events, runtime } = options;
  let lastReconciliation = Promise.resolve();

  const onData = (values: Values<Evaluation>, changed: string[] | undefined) => {
    const flagsChanged = store.update(subjectOf(follower.context()), values, changed);
    if (!contextSwitch.isPending() && flagsChanged.length > 0) events.changed(flagsChanged);
  };
  const onStatus = (status: FollowerStatus) => {
    if (contextSwitch.isPending()) contextSwitch.onStatus(status);
    else if (isSettled(status) || follower.subscription()?.isUnconfirmed() === true)
      notifier.update(!isCurrent(status));
  };
  const follower = createContextFollower({
    server,
    store,
    runtime,
    subscriber: { onData, onStatus },
    timeoutMs,
  });
  const contextSwitch = createContextSwitch(options, follower);
  const notifier = createStaleNotifier(events, () => messageOf(statusOf(follower)));

  const reconcile = async (context: EvaluationContext): Promise<void> => {
    if (!contextSwitch.isPending() && isUpToDate(follower, context)) return;
    const started = contextSwitch.switchTo(context);
    await started.promise;
    if (!contextSwitch.finish(started)) return lastReconciliation;
    notifier.reset(!isCurrent(statusOf(follower)));
    follower.pauseIfHidden();
    if (!notifier.isStale()) return;
    if (!store.restore(subjectOf(context))) throw errorOf(statusOf(follower));
    // The SDK sets the status to READY when the promise resolves, so STALE must be emitted after that.
    events.afterReady(notifier.repeatStale);
  };

  return {
    freshness() {
      const status = statusOf(follower);
      return status && store.freshness(status);
    },
    start(context, bootstrap) {
      follower.setContext(context);
      store.seed(subjectOf(context), bootstrap);
    },
    subscription: follower.subscription,
    reconcile: context => (lastReconciliation = reconcile(context)),
    close() {
      notifier.close();
      contextSwitch.cancel();
      follower.close();
    },
  };
};

/** How long a page waits for a slow server although it has values. */
const GRACE_MS = 250;

type PendingSwitch = Deferred & { readonly hasLastKnown: boolean };

/** Switches to another context, and waits until it is known whether its values can be loaded. */
const createContextSwitch = (
  { store, timeoutMs, runtime }: ReconcilerOptions,
  follower: ContextFollower,
) => {
  let isFirst = true;
  let pending: PendingSwitch | undefined;

  return {
    isPending: () => pending !== undefined,
    /** Follows the context. The promise resolves when its values arrived or are not expected to arrive soon. */
    switchTo(context: EvaluationContext): PendingSwitch {
      const hasLastKnown = store.has(subjectOf(context));
      const waitMs = hasLastKnown && isFirst ? Math.min(GRACE_MS, timeoutMs) : timeoutMs;
      isFirst = false;
      pending?.resolve();
      pending = undefined;
      setContext(follower, store, context);
      pending = { ...createDeferred(runtime.setTimer, waitMs), hasLastKnown };
      return pending;
    },
    onStatus(status: FollowerStatus) {
      const canUseLastKnown = pending?.hasLastKnown === true && status.lastError !== undefined;
      if (isSettled(status) || canUseLastKnown) pending?.resolve();
    },
    /** Returns false, and ends nothing, if a later switch has taken over. */
    finish(started: PendingSwitch): boolean {
      if (pending !== started) return false;
      pending = undefined;
      return true;
    },
    cancel: () => pending?.resolve(),
  };
};

/**
 * Follows the context, and throws if it cannot be sent. In both cases a page is shown to its subject from now
 * on, which must not get the values of another one.
 */
const setContext = (
  follower: ContextFollower,
  store: ValueStore,
  context: EvaluationContext,
): void => {
  try {
    follower.setContext(context);
  } finally {
    store.restore(subjectOf(context));
  }
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
  let isClosed = false;
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
    /** Emits STALE if the values are still out of date. */
    repeatStale: () => {
      if (isStale && !isClosed) events.stale(message());
    },
    close() {
      isClosed = true;
    },
  };
};

const statusOf = (follower: ContextFollower) => follower.subscription()?.status();

const isUpToDate = (follower: ContextFollower, context: EvaluationContext): boolean =>
  isCurrent(statusOf(follower)) && isSameContext(context, follower.context());

/** Pages often set an equal context again. A context that cannot be serialized is not equal to any other. */
const isSameContext = (a: EvaluationContext, b: EvaluationContext): boolean => {
  const text = toCanonicalJson(a);
  return text !== undefined && text === toCanonicalJson(b);
};

const isCurrent = (status: FollowerStatus | undefined): boolean =>
  status?.mode === 'streaming' || status?.mode === 'polling';

/** Whether it is known if the values are current. */
const isSettled = ({ mode }: FollowerStatus): boolean => mode !== 'connecting';

const messageOf = (status: FollowerStatus | undefined): string =>
  status?.lastError?.message ?? 'the server did not respond in time';

/** A rejected key is fatal, because retrying does not help. Anything else may be temporary. */
const errorOf = (status: FollowerStatus | undefined): Error =>
  status?.lastError !== undefined && isAuthError(status.lastError)
    ? new ProviderFatalError(messageOf(status))
    : new GeneralError(messageOf(status));
