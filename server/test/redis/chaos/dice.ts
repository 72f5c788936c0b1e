/** Chance that can be had again: the same seed rolls the same. */
export type Dice = {
  /** A whole number from 0 to below `sides`. */
  roll(sides: number): number;
  pick<Item>(items: readonly Item[]): Item;
  shuffle<Item>(items: readonly Item[]): Item[];
};

/** mulberry32: small, fast and good enough to break things with. */
export const createDice = (seed: number): Dice => {
  let state = seed >>> 0;
  const roll = (sides: number): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % sides;
  };
  return {
    roll,
    pick: items => {
      const item = items[roll(items.length)];
      if (item === undefined) throw new Error('there is nothing to pick from');
      return item;
    },
    shuffle: items =>
      items
        .map(item => ({ item, rank: roll(2 ** 30) }))
        .toSorted((a, b) => a.rank - b.rank)
        .map(({ item }) => item),
  };
};
