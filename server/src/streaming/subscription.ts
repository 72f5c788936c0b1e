import type { FlagSetEvent, FlagSetView } from '../flag-set/live-flag-set.ts';

/** What a stream receives: each change of a flag set, and heartbeats between them. */
export type StreamEvent = FlagSetEvent | { readonly type: 'heartbeat'; readonly view: FlagSetView };

/** The reading end: events in order and without gaps. Ends when it is closed or its reader returns. */
export type Subscription<Event> = AsyncIterableIterator<Event, void>;

/** The sending end: a queue of events for one reader. */
export type Subscriber = {
  /** Queues an event. A waiting reader receives it at the next `deliver`. */
  push(event: StreamEvent): void;
  /** Hands the next event to the reader if it is waiting. Returns whether it did. */
  deliver(): boolean;
  /** Ends the subscription at once, without the events still queued. */
  readonly close: () => void;
};

/** A reader that is this many events behind receives the whole flag set in their place. */
const MOST_QUEUED = 100;

/**
 * Creates both ends. `first` are the events to read before any that is pushed; `onClose` is called once.
 *
 * The iterator is written by hand: thousands of streams wait in one of these, and an async generator costs
 * twice as much for each event.
 */
export const createSubscription = <First>(
  first: readonly First[],
  onClose: () => void,
): { subscriber: Subscriber; subscription: Subscription<StreamEvent | First> } => {
  type Result = IteratorResult<StreamEvent | First, void>;
  const done: Result = { done: true, value: undefined };
  let queue: (StreamEvent | First)[] = [...first];
  let resolveNext: ((result: Result) => void) | undefined;
  let isClosed = false;

  const resolveWith = (result: Result) => {
    resolveNext?.(result);
    resolveNext = undefined;
  };
  const close = () => {
    if (isClosed) return;
    isClosed = true;
    queue = [];
    resolveWith(done);
    onClose();
  };

  const subscriber: Subscriber = {
    push(event) {
      if (isClosed) return;
      // A queued event already shows that the stream is alive.
      if (event.type === 'heartbeat' && queue.length > 0) return;
      queue.push(event);
      if (queue.length > MOST_QUEUED) queue = [{ type: 'set', view: event.view }];
    },
    deliver() {
      const value = resolveNext && queue.shift();
      if (value === undefined) return false;
      resolveWith({ value });
      return true;
    },
    close,
  };
  const subscription: Subscription<StreamEvent | First> = {
    next() {
      const value = queue.shift();
      if (value !== undefined) return Promise.resolve({ value });
      if (isClosed) return Promise.resolve(done);
      return new Promise(resolve => {
        resolveNext = resolve;
      });
    },
    async return() {
      close();
      return done;
    },
    [Symbol.asyncIterator]: () => subscription,
  };
  return { subscriber, subscription };
};
