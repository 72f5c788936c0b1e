import type { Runtime, Values } from '@pennon/sync';

import { createDelivery } from './delivery.ts';
import { createEvents } from './events.ts';
import type { Events } from './events.ts';
import type { OnlineOptions } from './options.ts';
import type { ServerOptions } from './shared-follower.ts';
import type { ValueStorage } from './storage.ts';
import { createUsage } from './usage.ts';
import type { Usage } from './usage.ts';

/** Sends what a page reports: exposures, tracking events, and how often it got each variant. */
export type Sender = {
  readonly events: Events;
  readonly usage: Usage;
  /** Sends what waits when the page is left, from now on. */
  listen(): void;
  /** Sends the rest. Waits for the server, but at most 2 s. */
  close(): Promise<void>;
};

// oxlint-disable-next-line max-params -- bundlers shorten the names of parameters, but not those of properties
export const createSender = (
  { fetch, events: eventOptions, usage: isCounting = true }: OnlineOptions,
  server: ServerOptions,
  storage: ValueStorage | undefined,
  values: () => Values | undefined,
  onProblem: (message: string) => void,
  runtime: Runtime,
): Sender => {
  const openLane = createDelivery(server, !fetch, onProblem, runtime);
  const events = createEvents({ ...eventOptions }, server, openLane, storage, values, runtime);
  const usage = createUsage(isCounting, openLane, runtime);
  const closing = new AbortController();

  const leave = () => {
    // Before usage, because beacons have little room.
    events.leave();
    usage.leave();
  };
  const onHidden = () => {
    if (document.hidden) leave();
  };

  return {
    events,
    usage,
    listen() {
      if (typeof document === 'undefined') return;
      // Phones end hidden pages without another event.
      document.addEventListener('visibilitychange', onHidden, closing);
      addEventListener('pagehide', leave, closing);
    },
    async close() {
      closing.abort();
      usage.close();
      await events.close();
    },
  };
};
