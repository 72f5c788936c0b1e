import { createUsageReporter } from '@pennon/sync';
import type { Runtime, UsageReporter } from '@pennon/sync';

import { createLastRequests, onLeave } from './leaving.ts';
import type { OnlineOptions } from './options.ts';
import type { ServerOptions } from './shared-follower.ts';

/** Counts what a page gets. */
export type Usage = Pick<UsageReporter, 'count'> & { close(): void };

/**
 * Counts what a page gets, and reports it at intervals and when the page is left. Returns undefined if the application
 * has switched that off.
 */
export const startUsage = (
  options: OnlineOptions,
  server: ServerOptions,
  runtime: Runtime,
  onProblem: (message: string) => void,
): Usage | undefined => {
  if (options.usage === false) return undefined;
  const reporter = createUsageReporter(
    { ...server, sdk: '@pennon/web-provider', isPublic: true, onProblem },
    runtime,
  );
  const { sendBeacon, post } = createLastRequests(options, server, runtime);
  const leave = () =>
    reporter.handOver(({ url, init }, text) => {
      if (!sendBeacon(url, text)) post(url, init);
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
