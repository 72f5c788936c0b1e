import type { Subscription } from './subscription.ts';

/*
 * Async generators and `for await` keep the previous event while they wait for the next one. An event of a stream
 * can have the values of thousands of flags, so these functions wait without it.
 */

/** Uses each event until `use` returns false, like `for await` until `break`. */
export const forEachEvent = async <Event>(
  events: AsyncIterable<Event, void>,
  use: (event: Event) => Promise<boolean>,
): Promise<void> => {
  const iterator = events[Symbol.asyncIterator]();
  const useNext = async (): Promise<boolean> => {
    const next = await iterator.next();
    return next.done !== true && use(next.value);
  };
  try {
    while (await useNext());
  } finally {
    await iterator.return?.();
  }
};

/** Maps each event, and leaves out those for which `map` returns undefined. */
export const mapEvents = <From, To extends {}>(
  events: AsyncIterable<From, void>,
  map: (event: From) => Promise<To | undefined>,
): Subscription<To> => {
  const iterator = events[Symbol.asyncIterator]();
  const close = async (): Promise<IteratorReturnResult<void>> => {
    await iterator.return?.();
    return { done: true, value: undefined };
  };
  const mapNext = async (): Promise<IteratorResult<To, void> | undefined> => {
    const next = await iterator.next();
    if (next.done === true) return next;
    const value = await map(next.value);
    return value === undefined ? undefined : { value };
  };
  const next = async (): Promise<IteratorResult<To, void>> => {
    try {
      for (;;) {
        const result = await mapNext();
        if (result !== undefined) return result;
      }
    } catch (thrown) {
      await close();
      throw thrown;
    }
  };
  const mapped: Subscription<To> = {
    next,
    return: close,
    [Symbol.asyncIterator]: () => mapped,
  };
  return mapped;
};
