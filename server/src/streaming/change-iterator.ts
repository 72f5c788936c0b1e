import type { FlagSetStep, LiveFlagSet } from '../flag-set/live-flag-set.ts';

/** A reader that is this many steps behind is told the whole flag set instead. */
const MOST_WAITING = 100;

/**
 * A live flag set's steps as they happen, from the call on, until `signal` aborts. Nothing is lost: a
 * reader that falls far behind gets one `set` step in place of those that it missed.
 */
export const iterateChanges = (
  live: LiveFlagSet,
  signal: AbortSignal,
): AsyncIterable<FlagSetStep> => {
  let waiting: FlagSetStep[] = [];
  let wake: () => void = () => undefined;
  const stop = live.subscribe(step => {
    waiting.push(step);
    if (waiting.length > MOST_WAITING) waiting = [{ type: 'set', view: step.view }];
    wake();
  });
  const ended = AbortSignal.any([signal, live.closed]);
  ended.addEventListener('abort', () => wake(), { once: true });
  ended.addEventListener('abort', stop, { once: true });
  return drain();

  async function* drain(): AsyncGenerator<FlagSetStep> {
    try {
      while (!ended.aborted) {
        const step = waiting.shift();
        if (step !== undefined) yield step;
        else {
          await new Promise<void>(resolve => {
            wake = resolve;
          });
        }
      }
    } finally {
      stop();
    }
  }
};
