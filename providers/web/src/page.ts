import type { Runtime } from '@pennon/sync';

export type PageNews = {
  /** Nobody looks: nothing needs to be followed. */
  readonly sleep: () => void;
  readonly wake: () => void;
  /** The network has changed: what was true of the connection may not be any more. */
  readonly askAnew: () => void;
};

/** A glance at another tab does not end the stream. Longer, and it would keep others from connecting. */
const HIDDEN_MS = 5_000;

/** Tells when the page is hidden, shown, offline and online, until the signal aborts. Outside a page: never. */
export const watchPage = (
  setTimer: Runtime['setTimer'],
  { sleep, wake, askAnew }: PageNews,
  signal: AbortSignal,
): void => {
  if (typeof document === 'undefined') return;
  let cancel = () => {};
  const look = () => {
    cancel();
    if (document.hidden) cancel = setTimer(HIDDEN_MS, sleep);
    else wake();
  };
  signal.addEventListener('abort', () => cancel());
  document.addEventListener('visibilitychange', look, { signal });
  // A page that is put aside whole must not hold a connection, or it could not come back as it was.
  addEventListener('pagehide', sleep, { signal });
  addEventListener('pageshow', look, { signal });
  addEventListener('online', askAnew, { signal });
  addEventListener('offline', askAnew, { signal });
  look();
};
