import type { EvaluationContext, ProviderEmittableEvents } from '@openfeature/web-sdk';
import type { FollowerStatus, Runtime, Values } from '@pennon/sync';
import { isAuthError, isLongPause, onceReady } from '@pennon/sync';

import type { LocalFlags } from './local-flags.ts';
import type { Persistence } from './persistence.ts';
import type { Evaluation } from './resolution.ts';
import { GeneralError, ProviderEvents, ProviderFatalError } from './sdk.ts';
import { subscribe } from './shared-follower.ts';
import type { ServerOptions, Subscription } from './shared-follower.ts';
import { subjectOf, toCanonicalJson } from './subject.ts';
import { GRACE_MS, HIDDEN_MS } from './limits.ts';

/**
 * How current the values are. The sources `storage` and `bootstrap` mean that the server sent none yet; the
 * mode and source `flags`, that there is no server.
 */
export type Freshness = Omit<FollowerStatus, 'mode' | 'source'> & {
  readonly mode: FollowerStatus['mode'] | 'flags';
  readonly source: FollowerStatus['source'] | 'storage' | 'bootstrap' | 'flags';
};

export type EventDetails = { readonly flagsChanged?: string[]; readonly message?: string };

/** Called outside of reconciliations only. The SDK emits the events of those, from the promise. */
export type Emit = (event: ProviderEmittableEvents, details?: EventDetails) => void;

/** Keeps the values of the current context up to date. */
export type Reconciler = {
  /** Returns the values of the current subject. A subject never gets the values of another one. */
  values(): Values<Evaluation> | undefined;
  /** Whether the values come from the storage. */
  isRestored(): boolean;
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
  /** Notices a time in which the page did not run. */
  noticePause(): void;
  /** Requests the values at once. Resolves to whether they are current within `timeoutMs`. */
  refresh(timeoutMs: number): Promise<boolean>;
  close(): void;
};

/** What the values come from: a server, or flags that the application passes. */
export type Source = Omit<Reconciler, 'start'> & { setFlags?(flags: LocalFlags): void };

/** A reconciliation, until it is known whether the values of its context can be loaded. */
type Pending = readonly [resolve: () => void, hasLastKnown: boolean];

/**
 * Waits `timeoutMs` for the values of a context, before older ones count as out of date. `isReady` returns whether the
 * SDK has set the status READY, at the end of a reconciliation.
 */
// oxlint-disable-next-line max-params -- bundlers shorten the names of parameters, but not those of properties
export const createReconciler = (
  server: ServerOptions,
  timeoutMs: number,
  [load, save]: Persistence,
  emit: Emit,
  isReady: () => boolean,
  runtime: Runtime,
): Reconciler => {
  const { monotonic, setTimer } = runtime;
  const closing = new AbortController();
  const { signal } = closing;
  let context: EvaluationContext = {};
  /** The subject that the values belong to. */
  let subject: string | undefined;
  let values: Values<Evaluation> | undefined;
  /** Undefined when the values came from the server. */
  let origin: 'storage' | 'bootstrap' | undefined;
  /** When the server sent or confirmed the values, by the monotonic clock. */
  let currentAt: number | undefined;
  /** To the values of the current context. Undefined before the first. */
  let subscription: Subscription | undefined;
  let isFollowing = false;
  let isPaused = false;
  let isFirst = true;
  /** STALE and READY are emitted alternately. The SDK emits those of reconciliations. */
  let isStale = false;
  let pending: Pending | undefined;
  let lastReconciliation = Promise.resolve();

  const follower = () => subscription?.[0]();
  const status = (): FollowerStatus | undefined => {
    const latest = follower()?.status();
    return latest && !isFollowing ? { ...latest, mode: 'stopped' } : latest;
  };
  const stop = () => {
    isFollowing = false;
    subscription?.[1]();
  };
  const emitStale = () => emit(ProviderEvents.Stale, { message: message() });
  const message = () => status()?.lastError?.message ?? 'the server did not respond in time';
  const setAge = (ageMs: number | undefined) => {
    currentAt = ageMs === undefined ? undefined : monotonic() - ageMs;
  };
  const ageMs = () => (currentAt === undefined ? undefined : monotonic() - currentAt);

  const onData = (next: Values<Evaluation>) => {
    const previous = values?.evaluations ?? {};
    subject = subjectOf(context);
    values = next;
    origin = undefined;
    setAge(0);
    save(subject, next);
    if (!pending) emitChanges(emit, previous, next.evaluations);
  };
  const onStatus = (next: FollowerStatus) => {
    /** Whether it is known if the values are current. */
    const isSettled = next.mode !== 'connecting';
    if (pending) {
      const [resolve, hasLastKnown] = pending;
      if (isSettled || (hasLastKnown && next.lastError)) resolve();
      return;
    }
    const isChanged = isStale === isCurrent(next);
    if (!isChanged || !(isSettled || follower()?.isUnconfirmed())) return;
    isStale = !isStale;
    if (isStale) emitStale();
    else emit(ProviderEvents.Ready);
  };

  /** Follows a context, even on a hidden page. Throws if the context cannot be serialized. */
  const follow = (next: EvaluationContext) => {
    context = next;
    const seenAgeMs = status()?.dataAgeMs;
    if (seenAgeMs !== undefined) setAge(seenAgeMs);
    stop();
    const initial =
      values && subject === subjectOf(next) ? { data: values, ageMs: ageMs() } : undefined;
    subscription = subscribe(
      { ...server, context },
      [onData, onStatus],
      initial,
      // The page may have been hidden for long.
      isLongPause({ ms: initial?.ageMs ?? 0 }) ? 0 : timeoutMs,
      runtime,
    );
    isFollowing = true;
  };

  const reconcile = async (next: EvaluationContext): Promise<void> => {
    if (!pending && isCurrent(status()) && isSameContext(next, context)) return;
    const nextSubject = subjectOf(next);
    const stored = nextSubject === subject ? undefined : load(nextSubject);
    const hasLastKnown = (stored ? stored[0] : values) !== undefined;
    const waitMs = hasLastKnown && isFirst ? Math.min(GRACE_MS, timeoutMs) : timeoutMs;
    isFirst = false;
    pending?.[0]();
    pending = undefined;
    // Also if the context cannot be sent: a page is shown to its subject from now on, which must not get the values
    // of another one.
    try {
      follow(next);
    } finally {
      if (stored) {
        subject = nextSubject;
        values = stored[0];
        origin = 'storage';
        setAge(stored[1]);
      }
    }
    let started: Pending | undefined;
    await new Promise<void>(settle => {
      const cancelTimer = setTimer(waitMs, settle);
      const resolve = () => {
        cancelTimer();
        settle();
      };
      started = pending = [resolve, hasLastKnown];
    });
    // A later reconciliation has taken over.
    if (pending !== started) return lastReconciliation;
    pending = undefined;
    isStale = !isCurrent(status());
    // It has the values of the new context and needs no changes.
    if (isPaused) stop();
    if (!isStale) return;
    if (!values) {
      // A rejected key is fatal, because retrying does not help. Anything else may be temporary.
      const ErrorType = isAuthError(status()?.lastError ?? {}) ? ProviderFatalError : GeneralError;
      throw new ErrorType(message());
    }
    // The SDK sets the status to READY when the promise resolves, so STALE must be emitted after that.
    onceReady(
      isReady,
      () => {
        if (isStale && !signal.aborted) emitStale();
      },
      setTimer,
    );
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
      subscription?.[2]();
      follow(context);
    };
    signal.addEventListener('abort', () => cancelTimer());
    document.addEventListener('visibilitychange', onVisibilityChange, closing);
    // A page with an open connection cannot be put into the back/forward cache.
    addEventListener('pagehide', onHidden, closing);
    addEventListener('pageshow', onVisibilityChange, closing);
    addEventListener('online', onNetworkChange, closing);
    addEventListener('offline', onNetworkChange, closing);
    onVisibilityChange();
  }

  return {
    values: () => values,
    isRestored: () => origin === 'storage',
    freshness() {
      const latest = status();
      return latest && values && origin
        ? { ...latest, revision: values.revision, source: origin, dataAgeMs: ageMs() }
        : latest;
    },
    start(first, bootstrap) {
      follow(first);
      subject = subjectOf(first);
      values = bootstrap;
      origin = 'bootstrap';
      // A cache may have kept the page for any time.
      setAge(undefined);
    },
    reconcile: next => (lastReconciliation = reconcile(next)),
    noticePause: () => follower()?.noticePause(),
    refresh: async ms => (isFollowing && (await follower()?.refresh(ms))) === true,
    close() {
      pending?.[0]();
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

type Evaluations = Readonly<Record<string, Evaluation>>;

/**
 * Emits the flags with another result. The version grows with every edit of a flag, even with one of its description.
 */
export const emitChanges = (emit: Emit, previous: Evaluations, next: Evaluations): void => {
  const flagsChanged = Object.keys({ ...next, ...previous }).filter(
    // Most have not been replaced.
    key => previous[key] !== next[key] && textOf(previous[key]) !== textOf(next[key]),
  );
  if (flagsChanged.length > 0) emit(ProviderEvents.ConfigurationChanged, { flagsChanged });
};

const textOf = (evaluation: Evaluation | undefined): string | undefined =>
  toCanonicalJson({ ...evaluation, version: 0 });
