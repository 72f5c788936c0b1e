import { setImmediate } from 'node:timers/promises';

/** How many items are mapped at a time: with flags of a usual size, a few milliseconds. */
const SLICE_ITEMS = 100;

/** Maps items like `Array.map`, but lets the event loop serve other requests in between. */
export const mapInSlices = async <Item, Result>(
  items: readonly Item[],
  map: (item: Item) => Result,
): Promise<Result[]> => {
  const results: Result[] = [];
  for (let start = 0; start < items.length; start += SLICE_ITEMS) {
    if (start > 0) await setImmediate();
    for (const item of items.slice(start, start + SLICE_ITEMS)) results.push(map(item));
  }
  return results;
};
