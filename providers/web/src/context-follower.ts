import type { EvaluationContext } from '@openfeature/web-sdk';
import type { Runtime } from '@pennon/sync';
import { isLongPause } from '@pennon/sync';

import { subscribe } from './shared-follower.ts';
import type { ServerOptions, Subscriber, Subscription } from './shared-follower.ts';
import { subjectOf } from './subject.ts';
import type { ValueStore } from './value-store.ts';

/** Follows the values of the current context, with one subscription at a time. Paused while the page is hidden. */
export type ContextFollower = {
  readonly context: () => EvaluationContext;
  /** Undefined before the first context. */
  readonly subscription: () => Subscription | undefined;
  /** Follows another context, even on a hidden page. Throws if the context cannot be serialized. */
  readonly setContext: (context: EvaluationContext) => void;
  /** Disconnects if the page is hidden: it has the values of the new context and needs no changes. */
  readonly pauseIfHidden: () => void;
  readonly close: () => void;
};

export type ContextFollowerOptions = {
  readonly server: ServerOptions;
  readonly store: ValueStore;
  readonly runtime: Runtime;
  /** Receives data and status. Nothing is called before `setContext` has returned. */
  readonly subscriber: Pick<Subscriber, 'onData' | 'onStatus'>;
  /** After this time without a response, the values of a context count as out of date. */
  readonly timeoutMs: number;
};

export const createContextFollower = ({
  server,
  store,
  runtime,
  subscriber,
  timeoutMs,
}: ContextFollowerOptions): ContextFollower => {
  const closing = new AbortController();
  let context: EvaluationContext = {};
  let subscription: Subscription | undefined;
  let isPaused = false;

  const stop = () => subscription?.stop();
  const setContext = (next: EvaluationContext) => {
    context = next;
    store.touch(subscription?.status().dataAgeMs);
    stop();
    const initial = store.valuesOf(subjectOf(context));
    // The page may have been hidden for long.
    const confirmWithinMs = isLongPause({ ms: initial?.ageMs ?? 0 }) ? 0 : timeoutMs;
    subscription = subscribe(
      { ...server, context },
      { ...subscriber, initial, confirmWithinMs },
      runtime,
    );
  };

  const listener: PageListener = {
    onHidden() {
      isPaused = true;
      stop();
    },
    onVisible() {
      if (isPaused) setContext(context);
      isPaused = false;
    },
    onNetworkChange() {
      if (isPaused) return;
      subscription?.retire();
      setContext(context);
    },
  };
  listenToPage(listener, runtime.setTimer, closing.signal);

  return {
    context: () => context,
    subscription: () => subscription,
    setContext,
    pauseIfHidden() {
      if (isPaused) stop();
    },
    close() {
      closing.abort();
      stop();
    },
  };
};

type PageListener = {
  readonly onHidden: () => void;
  readonly onVisible: () => void;
  /** The browser went online or offline, so the connection may be dead. */
  readonly onNetworkChange: () => void;
};

/** A short visit to another tab keeps the stream. Hidden pages release it, because connections are limited. */
const HIDDEN_MS = 5_000;

/** Reports the visibility and connectivity of the page until `signal` aborts. Does nothing outside of a page. */
const listenToPage = (
  { onHidden, onVisible, onNetworkChange }: PageListener,
  setTimer: Runtime['setTimer'],
  signal: AbortSignal,
): void => {
  if (typeof document === 'undefined') return;
  let cancelTimer = () => {};
  const onVisibilityChange = () => {
    cancelTimer();
    if (document.hidden) cancelTimer = setTimer(HIDDEN_MS, onHidden);
    else onVisible();
  };
  signal.addEventListener('abort', () => cancelTimer());
  document.addEventListener('visibilitychange', onVisibilityChange, { signal });
  // A page with an open connection cannot be put into the back/forward cache.
  addEventListener('pagehide', onHidden, { signal });
  addEventListener('pageshow', onVisibilityChange, { signal });
  addEventListener('online', onNetworkChange, { signal });
  addEventListener('offline', onNetworkChange, { signal });
  onVisibilityChange();
};
