import { workDone, type LazyFlag } from '@pennon/engine';

import { forEachInTurns, type Turns } from '../turns.ts';

/** Reading the clock costs as much as an ordinary evaluation, so it is read after this many units of work. */
const UNITS_PER_CHECK = 25_000;
/** Of an ordinary evaluation, which the engine does not count. */
const UNITS_PER_FLAG = 250;

/** Returns the units of work to compile a flag, which its first evaluation does: it takes milliseconds if it is large. */
export const unitsToCompile = (flag: LazyFlag | undefined): number =>
  flag === undefined || flag.compiled !== undefined ? 0 : UNITS_PER_CHECK;

/** The units of work of the last evaluation. */
export const unitsOf = (): number => UNITS_PER_FLAG + workDone();

/**
 * Works on each item, which takes the units of work that `work` returns. Continues in a later turn if it takes long.
 */
export const forEachByUnits = <Item extends {}>(
  turns: Turns,
  items: readonly Item[],
  work: (item: Item) => number,
): Promise<void> | undefined => {
  let units = 0;
  return forEachInTurns(turns, items, item => {
    units += work(item);
    if (units < UNITS_PER_CHECK) return false;
    units = 0;
    return true;
  });
};
