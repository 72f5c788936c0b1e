import { systemClock } from './clock.ts';
import { createTurns } from './turns.ts';

/** Work in steps: at each `yield` other work may be done. Returns its result at the end. */
export type Steps<Result> = Generator<void, Result, void>;

/** All work in slices takes turns. Their length is real time, also in tests, because it is what they take. */
const turns = createTurns(systemClock);

/** Works until the end. */
export const runAtOnce = <Result>(steps: Steps<Result>): Result => {
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
};

/** Resolves in a later turn of the event loop if the current one has taken long; otherwise undefined. */
export const nextTurn = (): Promise<void> | undefined =>
  turns.isOver() ? turns.next() : undefined;

/** Resolves in a later turn of the event loop, which has all of its time. */
export const laterTurn = (): Promise<void> => turns.next();

/** Works until the end, but lets the event loop serve other requests in between. */
export const runInSlices = async <Result>(steps: Steps<Result>): Promise<Result> => {
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
    if (turns.isOver()) await turns.next();
  }
};

/** Maps items like `Array.map`, in one step each. */
export function* mapSteps<Item, Result>(
  items: Iterable<Item>,
  map: (item: Item) => Result,
): Steps<Result[]> {
  const results: Result[] = [];
  for (const item of items) {
    results.push(map(item));
    yield;
  }
  return results;
}

/** Maps items like `Array.map`, but lets the event loop serve other requests in between. */
export const mapInSlices = <Item, Result>(
  items: Iterable<Item>,
  map: (item: Item) => Result,
): Promise<Result[]> => runInSlices(mapSteps(items, map));

/** Work on more documents than these is done in slices. Each may have hundreds of kilobytes. */
const MAX_AT_ONCE = 1;

/** Whether work on so many documents must be done in slices. Less is done at once, as callers expect. */
export const isLarge = (documents: number): boolean => documents > MAX_AT_ONCE;
