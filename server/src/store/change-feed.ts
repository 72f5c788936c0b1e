import { StoreError } from './store.ts';

/** Tells followers, within this process, what was published to their ledger. */
export type Feed<Item> = {
  publish(ledger: string, item: Item): void;
  /** Holds from the call on, until `signal` aborts or the feed ends. */
  follow(ledger: string, signal: AbortSignal): AsyncIterable<Item>;
  /** Lets the ledger's followers read what they have, then ends them. */
  end(ledger: string): void;
  /** Ends every follower, and those to come. */
  close(): void;
};

/**
 * What a follower may have before it. One that is further behind reads everything anew, which is no more
 * work than catching up.
 */
const INBOX_LIMIT = 1_000;

export const createFeed = <Item>(): Feed<Item> => {
  const followers = new Map<string, Set<Inbox<Item>>>();
  let closed = false;

  const end = (ledger: string) => {
    for (const inbox of followers.get(ledger) ?? []) inbox.end();
  };

  const leave = (ledger: string, inbox: Inbox<Item>) => {
    const others = followers.get(ledger);
    others?.delete(inbox);
    if (others?.size === 0) followers.delete(ledger);
  };

  const join = (ledger: string, inbox: Inbox<Item>) => {
    const others = followers.get(ledger) ?? new Set();
    followers.set(ledger, others.add(inbox));
  };

  return {
    end,
    publish(ledger, item) {
      for (const inbox of followers.get(ledger) ?? []) inbox.put(item);
    },
    follow(ledger, signal) {
      const inbox = createInbox<Item>(() => {
        signal.removeEventListener('abort', inbox.cut);
        leave(ledger, inbox);
      });
      join(ledger, inbox);
      signal.addEventListener('abort', inbox.cut, { once: true });
      if (closed || signal.aborted) inbox.cut();
      return inbox.items();
    },
    close() {
      closed = true;
      for (const ledger of followers.keys()) end(ledger);
    },
  };
};

type Inbox<Item> = {
  readonly put: (item: Item) => void;
  /** No more will come. */
  readonly end: () => void;
  /** No more will be read. */
  readonly cut: () => void;
  readonly items: () => AsyncGenerator<Item, void>;
};

/** `onEnd` is called once, as soon as nothing more can come in. */
const createInbox = <Item>(onEnd: () => void): Inbox<Item> => {
  const arrived: Item[] = [];
  let ended = false;
  let failure: StoreError | undefined;
  let wake: (() => void) | undefined;

  const end = () => {
    if (ended) return;
    ended = true;
    onEnd();
    wake?.();
  };

  const cut = () => {
    arrived.length = 0;
    end();
  };

  const overflow = () => {
    failure = new StoreError('unavailable', `a follower fell ${INBOX_LIMIT} changes behind`);
    cut();
  };

  const put = (item: Item) => {
    if (arrived.length === INBOX_LIMIT) return overflow();
    arrived.push(item);
    wake?.();
  };

  const arrival = () => new Promise<void>(resolve => (wake = resolve));

  async function* items() {
    try {
      for (;;) {
        const item = arrived.shift();
        if (item !== undefined) yield item;
        else if (!ended) await arrival();
        else if (failure !== undefined) throw failure;
        else return;
      }
    } finally {
      cut();
    }
  }

  return { put, end, cut, items };
};
