import type { Runtime } from '@pennon/sync';

import type { OnlineOptions } from './options.ts';
import type { ServerOptions } from './shared-follower.ts';

/** Sends requests of a page that may not live until a response. */
export type LastRequests = {
  /** Whether beacons can be used. They have no headers, and do not use the `fetch` of the application. */
  readonly hasBeacons: boolean;
  /**
   * Sends plain text, because a browser requests permission before it sends JSON, for which there is no time. Returns
   * false if the browser sends no more of it.
   */
  readonly sendBeacon: (url: string, text: string) => boolean;
  readonly post: (url: string, init: RequestInit) => void;
};

export const createLastRequests = (
  { fetch }: OnlineOptions,
  { headers }: ServerOptions,
  runtime: Pick<Runtime, 'fetch'>,
): LastRequests => {
  const hasBeacons =
    fetch === undefined &&
    Object.keys(headers).length === 0 &&
    typeof navigator !== 'undefined' &&
    'sendBeacon' in navigator;
  return {
    hasBeacons,
    sendBeacon: (url, text) => hasBeacons && navigator.sendBeacon(url, text),
    post(url, init) {
      // The page may be gone before the response, so a failure has no consequence.
      runtime.fetch(url, { ...init, keepalive: true }).catch(() => {});
    },
  };
};

/** Calls back when the page is hidden, until `signal` aborts. Phones end hidden pages without another event. */
export const onLeave = (leave: () => void, signal: AbortSignal): void => {
  if (typeof document === 'undefined') return;
  const onHidden = () => {
    if (document.hidden) leave();
  };
  document.addEventListener('visibilitychange', onHidden, { signal });
  addEventListener('pagehide', leave, { signal });
};
