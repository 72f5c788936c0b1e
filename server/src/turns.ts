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
