import type { Clock } from '../clock.ts';
import type { LiveFlagSet } from '../flag-set/live-flag-set.ts';
import { SOURCE_STALE_MS } from '../replication/source-age.ts';
import { onAbort } from './on-abort.ts';
import type { OpenStream } from './stream-registry.ts';
import type { StreamEvent, Subscriber, Subscription } from './subscription.ts';
import { createSubscription } from './subscription.ts';

/** Distributes the events of one flag set to all of its streams. */
export type Broadcast = {
  /**
   * Subscribes a stream to every event from now on, after those of `first`. The subscription ends with
   * the stream or the flag set, and the stream ends with the subscription.
   */
  subscribe<First = never>(
    stream: OpenStream,
    first?: readonly First[],
  ): Subscription<StreamEvent | First>;
};

/** Part of the protocol: followers treat two intervals of silence as a lost stream. */
const HEARTBEAT_MS = 15_000;

const createBroadcast = (live: LiveFlagSet, clock: Clock): Broadcast => {
  const subscribers = new Set<Subscriber>();
  const deliver = createDelivery(subscribers);

  const publish = (event: StreamEvent) => {
    for (const subscriber of subscribers) subscriber.push(event);
    void deliver();
  };
  const unsubscribe = live.subscribe(publish);
  const sendHeartbeat = () =>
    publish({ type: 'heartbeat', view: live.view(), sourceAgeMs: live.sourceAgeMs() });
  const stopHeartbeat = clock.every(HEARTBEAT_MS, sendHeartbeat);
  const stopChecks = watchSource(live, clock, sendHeartbeat);
  onAbort(live.closed, () => {
    unsubscribe();
    stopHeartbeat();
    stopChecks();
    for (const subscriber of subscribers) subscriber.close();
  });

  return {
    subscribe: (stream, first = []) => {
      const { subscriber, subscription } = createSubscription(first, () => {
        subscribers.delete(subscriber);
        stream.close();
      });
      subscribers.add(subscriber);
      onAbort(stream.ended, subscriber.close);
      if (live.closed.aborted) subscriber.close();
      return subscription;
    },
  };
};

const SOURCE_CHECK_MS = 500;

/** Calls back when the flag set may be out of date, and when it is current again. Returns how to stop. */
const watchSource = (live: LiveFlagSet, clock: Clock, onChange: () => void): (() => void) => {
  const isStale = () => live.sourceAgeMs() > SOURCE_STALE_MS;
  let wasStale = isStale();
  return clock.every(SOURCE_CHECK_MS, () => {
    if (isStale() === wasStale) return;
    wasStale = !wasStale;
    onChange();
  });
};

/** Deliveries in one turn of the event loop, so that evaluations are not delayed by many streams. */
const SLICE = 200;

/** Returns a function that delivers until no subscriber waits for a queued event. Runs once at a time. */
const createDelivery = (subscribers: ReadonlySet<Subscriber>): (() => Promise<void>) => {
  let isRunning = false;
  return async () => {
    if (isRunning) return;
    isRunning = true;
    let delivered: number;
    do {
      delivered = 0;
      for (const subscriber of subscribers) {
        if (!subscriber.deliver()) continue;
        delivered += 1;
        if (delivered % SLICE === 0) await new Promise(resolve => setImmediate(resolve));
      }
    } while (delivered > 0);
    isRunning = false;
  };
};

/** Returns the broadcast of a live flag set, creating it for the first stream. */
export const createBroadcasts = (clock: Clock): ((live: LiveFlagSet) => Broadcast) => {
  const broadcasts = new WeakMap<LiveFlagSet, Broadcast>();
  return live => {
    const known = broadcasts.get(live);
    if (known !== undefined) return known;
    const created = createBroadcast(live, clock);
    broadcasts.set(live, created);
    return created;
  };
};
