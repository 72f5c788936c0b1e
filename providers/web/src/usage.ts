import { createUsageReporter } from '@pennon/sync';
import type { Runtime, UsageReporter } from '@pennon/sync';

import type { OnlineOptions } from './options.ts';
import type { ServerOptions } from './shared-follower.ts';

/** Counts what a page gets. */
export type Usage = Pick<UsageReporter, 'count'> & { close(): void };

/**
 * Counts what a page gets, and reports it at intervals and when the page is left. Returns undefined if the application
 * has switched that off.
 */
export const startUsage = (
  { usage = true, fetch }: OnlineOptions,
  server: ServerOptions,
  runtime: Runtime,
  onProblem: (message: string) => void,
): Usage | undefined => {
  if (!usage) return undefined;
  const { url, key, headers } = server;
  const options = { url, key, headers, sdk: '@pennon/web-provider', isPublic: true, onProblem };
  const reporter = createUsageReporter(options, runtime);
  // A beacon has no headers, and does not use the `fetch` of the application.
  const usesBeacons = fetch === undefined && Object.keys(headers).length === 0;
  const post = async (address: string, init: RequestInit) => {
    try {
      await runtime.fetch(address, { ...init, keepalive: true });
    } catch {
      // The page may be gone before the response, so a failure has no consequence.
    }
  };
  const leave = () =>
    reporter.handOver((request, text) => {
      if (!usesBeacons || !sendBeacon(request.url, text)) void post(request.url, request.init);
      return true;
    });
  const closing = new AbortController();
  onLeave(leave, closing.signal);
  return {
    count: reporter.count,
    close() {
      closing.abort();
      leave();
      void reporter.close();
    },
  };
};

/** Plain text, because a browser requests permission before it sends JSON, for which there is no time. */
const sendBeacon = (url: string, text: string): boolean =>
  typeof navigator !== 'undefined' && 'sendBeacon' in navigator && navigator.sendBeacon(url, text);

/** Calls back when the page is hidden, until `signal` aborts. Phones end hidden pages without another event. */
const onLeave = (leave: () => void, signal: AbortSignal): void => {
  if (typeof document === 'undefined') return;
  const onHidden = () => {
    if (document.hidden) leave();
  };
  document.addEventListener('visibilitychange', onHidden, { signal });
  addEventListener('pagehide', leave, { signal });
};
