import { StoreError, type Change, type Ledger, type LedgerKind } from './store.ts';

/** Delivers the changes of each ledger to followers within this process. */
export type ChangeFeed<Item> = {
  publish(ledgerId: string, item: Item): void;
  /** Yields what is published after the call, until `signal` aborts or the feed ends. */
  follow(ledgerId: string, signal: AbortSignal): AsyncIterable<Item>;
  /** Ends the followers of a ledger once they have read what was published. */
  end(ledgerId: string): void;
  /** Ends all followers, and those that follow later. */
  close(): void;
};

/**
 * Changes that a follower may be behind. Beyond this it loses the feed and reads the whole ledger, which
 * costs no more than catching up.
 */
const MAX_QUEUED = 1_000;

export const createChangeFeed = <Item>(): ChangeFeed<Item> => {
  const followers = new Map<string, Set<Queue<Item>>>();
  let isClosed = false;

  const end = (ledgerId: string) => {
    for (const queue of followers.get(ledgerId) ?? []) queue.end();
  };

  const add = (ledgerId: string, queue: Queue<Item>) => {
    const queues = followers.get(ledgerId) ?? new Set();
    followers.set(ledgerId, queues.add(queue));
  };

  const remove = (ledgerId: string, queue: Queue<Item>) => {
    const queues = followers.get(ledgerId);
    queues?.delete(queue);
    if (queues?.size === 0) followers.delete(ledgerId);
  };

  return {
    end,
    publish(ledgerId, item) {
      for (const queue of followers.get(ledgerId) ?? []) queue.push(item);
    },
    follow(ledgerId, signal) {
      const queue = createQueue<Item>(() => {
        signal.removeEventListener('abort', queue.discard);
        remove(ledgerId, queue);
      });
      add(ledgerId, queue);
      signal.addEventListener('abort', queue.discard, { once: true });
      if (isClosed || signal.aborted) queue.discard();
      return queue.items();
    },
    close() {
      isClosed = true;
      for (const ledgerId of followers.keys()) end(ledgerId);
    },
  };
};

type Queue<Item> = {
  readonly push: (item: Item) => void;
  /** Ends the queue once its items are read. */
  readonly end: () => void;
  /** Ends the queue now, without its unread items. */
  readonly discard: () => void;
  readonly items: () => AsyncGenerator<Item, void>;
};

/** `onEnd` is called once, as soon as the queue accepts no more items. */
const createQueue = <Item>(onEnd: () => void): Queue<Item> => {
  const queued: Item[] = [];
  let isEnded = false;
  let failure: StoreError | undefined;
  let wake = () => {};

  const end = () => {
    if (isEnded) return;
    isEnded = true;
    onEnd();
    wake();
  };

  const discard = () => {
    queued.length = 0;
    end();
  };

  const push = (item: Item) => {
    if (queued.length < MAX_QUEUED) {
      queued.push(item);
      return wake();
    }
    failure = new StoreError('unavailable', `a follower fell ${MAX_QUEUED} changes behind`);
    discard();
  };

  async function* items() {
    try {
      for (;;) {
        const item = queued.shift();
        if (item !== undefined) yield item;
        else if (!isEnded) await new Promise<void>(resolve => (wake = resolve));
        else if (failure !== undefined) throw failure;
        else return;
      }
    } finally {
      discard();
    }
  }

  return { push, end, discard, items };
};

/** The change feeds of a store whose commits all happen in this process. */
export type LedgerFeeds = {
  publish<Kind extends LedgerKind>(ledger: Ledger<Kind>, change: Change<Kind>): void;
  follow<Kind extends LedgerKind>(
    ledger: Ledger<Kind>,
    signal: AbortSignal,
  ): AsyncIterable<Change<Kind>>;
  end(ledger: Ledger): void;
  readonly close: () => void;
};

export const createLedgerFeeds = (): LedgerFeeds => {
  const feeds: { readonly [Kind in LedgerKind]: ChangeFeed<Change<Kind>> } = {
    control: createChangeFeed(),
    flagSet: createChangeFeed(),
    workflow: createChangeFeed(),
  };
  return {
    publish: ({ kind, id }, change) => feeds[kind].publish(id, change),
    follow: ({ kind, id }, signal) => feeds[kind].follow(id, signal),
    end: ({ kind, id }) => feeds[kind].end(id),
    close() {
      feeds.control.close();
      feeds.flagSet.close();
      feeds.workflow.close();
    },
  };
};
