import type { Clock } from './clock.ts';

/**
 * Shares the event loop: work that can wait, such as the rest of a large bulk evaluation, continues in a later
 * turn once the current one has taken long. Requests are read between turns.
 */
export type Turns = {
  /** Whether the current turn has taken long enough. */
  isOver(): boolean;
  /** Resolves in a later turn, in the order of the calls and one of them per turn. */
  next(): Promise<void>;
};

const MAX_TURN_MS = 8;

export const createTurns = ({ monotonic }: Pick<Clock, 'monotonic'>): Turns => {
  const waiting: (() => void)[] = [];
  let startedAt: number | undefined;

  /** Runs at the end of a turn in which `isOver` was called or something waits. */
  const begin = () => {
    startedAt = undefined;
    const resume = waiting.shift();
    if (resume === undefined) return;
    start();
    resume();
  };
  const start = (): number => {
    if (startedAt === undefined) {
      startedAt = monotonic();
      setImmediate(begin);
    }
    return startedAt;
  };

  return {
    isOver: () => monotonic() - start() > MAX_TURN_MS,
    next: () =>
      new Promise(resolve => {
        start();
        waiting.push(resolve);
      }),
  };
};

/**
 * Works on each item. If `work` returns true and the current turn has taken long, continues in a later one. Returns a
 * promise only then, because most work is short.
 */
export const forEachInTurns = <Item extends {}>(
  turns: Turns,
  items: readonly Item[],
  work: (item: Item) => boolean,
  start = 0,
): Promise<void> | undefined => {
  for (let at = start; at < items.length; at += 1) {
    const item = items[at];
    if (item !== undefined && work(item) && turns.isOver())
      return turns.next().then(() => forEachInTurns(turns, items, work, at + 1));
  }
  return undefined;
};

/** Passes a value on: at once, unless it is a promise. */
export const andThen = <Value, Result>(
  value: Value | Promise<Value>,
  use: (value: Value) => Result | Promise<Result>,
): Result | Promise<Result> => (value instanceof Promise ? value.then(use) : use(value));
