import type { EvaluationContext } from '@openfeature/web-sdk';
import type { FollowerStatus, Runtime } from '@pennon/sync';

import { subscribe } from './shared-follower.ts';
import type { ServerOptions, Subscriber, Subscription } from './shared-follower.ts';
import { subjectOf } from './subject.ts';
import type { ValueStore } from './value-store.ts';

/** Follows the values of the current context, with one follower at a time. Paused while the page is hidden. */
export type ContextFollower = {
  readonly context: () => EvaluationContext;
  /** Undefined before the first context. */
  readonly status: () => FollowerStatus | undefined;
  /** Whether the server must confirm the values before they count as current. */
  readonly isUnconfirmed: () => boolean;
  readonly noticePause: () => void;
  /** Requests the values at once. Resolves to false if that takes too long, or the page is hidden. */
  readonly refresh: (timeoutMs: number) => Promise<boolean>;
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
  readonly subscriber: Omit<Subscriber, 'initial'>;
};

/** Follows one context at a time. */
const createSingleFollower = ({ server, store, runtime, subscriber }: ContextFollowerOptions) => {
  let follower: Subscription | undefined;
  const stop = () => follower?.stop();
  return {
    status: () => follower?.status(),
    isUnconfirmed: () => follower?.isUnconfirmed() === true,
    noticePause: () => follower?.noticePause(),
    refresh: async (timeoutMs: number) => (await follower?.refresh(timeoutMs)) ?? false,
    retire: () => follower?.retire(),
    stop,
    follow: (context: EvaluationContext) => {
      store.touch(follower?.status().dataAgeMs);
      stop();
      const initial = store.valuesOf(subjectOf(context));
      follower = subscribe({ ...server, context }, { ...subscriber, initial }, runtime);
    },
  };
};

export const createContextFollower = (options: ContextFollowerOptions): ContextFollower => {
  const { stop, follow, retire, ...current } = createSingleFollower(options);
  const closing = new AbortController();
  let context: EvaluationContext = {};
  let isPaused = false;

  const listener: PageListener = {
    onHidden() {
      isPaused = true;
      stop();
    },
    onVisible() {
      if (isPaused) follow(context);
      isPaused = false;
    },
    onNetworkChange() {
      if (isPaused) return;
      retire();
      follow(context);
    },
  };
  listenToPage(listener, options.runtime.setTimer, closing.signal);

  return {
    ...current,
    context: () => context,
    setContext(next) {
      context = next;
      follow(context);
    },
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
