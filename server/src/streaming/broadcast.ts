import type { Clock } from '../clock.ts';
import type { FlagSetStep, FlagSetView, LiveFlagSet } from '../flag-set/live-flag-set.ts';

/** Something to tell the readers of one flag set. */
export type StreamEvent = FlagSetStep | { readonly type: 'heartbeat'; readonly view: FlagSetView };

export type Reader = { readonly tell: (news: StreamEvent) => void };

/** Tells each reader every step after it joined, in order, and a heartbeat between them. */
export type Broadcast = {
  /** The view that the reader starts from; every later step is told. */
  join(reader: Reader): { readonly view: FlagSetView; readonly leave: () => void };
  readonly close: () => void;
};

/** The contract with followers: silence of 2.5 of these means that the stream is dead. */
export const HEARTBEAT_MS = 15_000;

/** Readers told in one go, before evaluations get a turn again. */
const SLICE = 200;

export const createBroadcast = (live: LiveFlagSet, clock: Clock): Broadcast => {
  const readers = new Map<Reader, number>();
  const waiting: { sequence: number; news: StreamEvent }[] = [];
  let sequence = 0;
  let telling = false;

  const enqueue = (news: StreamEvent) => {
    sequence += 1;
    if (readers.size === 0) return;
    waiting.push({ sequence, news });
    if (!telling) void tellAll();
  };

  const tellAll = async () => {
    telling = true;
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      let told = 0;
      for (const [reader, joined] of readers) {
        if (joined >= next.sequence) continue;
        reader.tell(next.news);
        told += 1;
        if (told % SLICE === 0) await new Promise(resolve => setImmediate(resolve));
      }
    }
    telling = false;
  };

  const stop = live.subscribe(enqueue);
  const stopHeart = clock.every(HEARTBEAT_MS, () =>
    enqueue({ type: 'heartbeat', view: live.view() }),
  );

  return {
    join(reader) {
      readers.set(reader, sequence);
      return { view: live.view(), leave: () => readers.delete(reader) };
    },
    close() {
      stop();
      stopHeart();
      readers.clear();
    },
  };
};

/** One broadcast for each live flag set, made when its first reader comes. */
export const createBroadcasts = (clock: Clock): ((live: LiveFlagSet) => Broadcast) => {
  const broadcasts = new WeakMap<LiveFlagSet, Broadcast>();
  return live => {
    const known = broadcasts.get(live);
    if (known !== undefined) return known;
    const made = createBroadcast(live, clock);
    broadcasts.set(live, made);
    live.closed.addEventListener('abort', made.close, { once: true });
    return made;
  };
};
