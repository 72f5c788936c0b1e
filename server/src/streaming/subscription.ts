import type { FlagSetEvent, FlagSetView } from '../flag-set/live-flag-set.ts';

/** What a stream receives: each change of a flag set, and heartbeats between them. */
export type StreamEvent = FlagSetEvent | Heartbeat;

export type Heartbeat = {
  readonly type: 'heartbeat';
  readonly view: FlagSetView;
  /** How old the data of this server are. */
  readonly sourceAgeMs: number;
};

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

const DONE: IteratorReturnResult<void> = { done: true, value: undefined };

/** Creates both ends. `first` are the events to read before any that is pushed; `onClose` is called once. */
export const createSubscription = <First>(
  first: readonly First[],
  onClose: () => void,
): { subscriber: Subscriber; subscription: Subscription<StreamEvent | First> } => {
  type Result = IteratorResult<StreamEvent | First, void>;
  const queue = createQueue(first);
  let resolveNext: ((result: Result) => void) | undefined;
  let isClosed = false;

  const next = (): Promise<Result> => {
    if (isClosed) return Promise.resolve(DONE);
    const value = queue.shift();
    if (value !== undefined) return Promise.resolve({ value });
    return new Promise(resolve => {
      resolveNext = resolve;
    });
  };
  const resolveWith = (result: Result) => {
    resolveNext?.(result);
    resolveNext = undefined;
  };
  const deliver = () => {
    const value = resolveNext && queue.shift();
    if (value === undefined) return false;
    resolveWith({ value });
    return true;
  };
  const close = () => {
    if (isClosed) return;
    isClosed = true;
    resolveWith(DONE);
    onClose();
  };
  return { subscriber: { push: queue.push, deliver, close }, subscription: iterator(next, close) };
};

/**
 * Returns an iterator that is written by hand: thousands of streams wait in one, and an async generator costs
 * twice as much for each event.
 */
const iterator = <Event>(
  next: () => Promise<IteratorResult<Event, void>>,
  close: () => void,
): Subscription<Event> => {
  const subscription: Subscription<Event> = {
    next,
    async return() {
      close();
      return DONE;
    },
    [Symbol.asyncIterator]: () => subscription,
  };
  return subscription;
};

/** A reader that is this many events behind receives the whole flag set in their place. */
const MAX_QUEUED = 100;

const createQueue = <First>(first: readonly First[]) => {
  let events: (StreamEvent | First)[] = [...first];
  return {
    shift: () => events.shift(),
    push: (event: StreamEvent) => {
      // A queued event already shows that the stream is alive.
      if (event.type === 'heartbeat' && events.length > 0) return;
      events.push(event);
      if (events.length > MAX_QUEUED) events = [{ type: 'set', view: event.view }];
    },
  };
};
