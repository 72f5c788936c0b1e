/** Reproducible random numbers: the same seed rolls the same numbers. */
export type Dice = {
  /** Returns an integer from 0 to `sides - 1`. */
  roll(sides: number): number;
  pick<Item>(items: readonly Item[]): Item;
  shuffle<Item>(items: readonly Item[]): Item[];
};

/** Uses mulberry32, which is small, fast and good enough for tests. */
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
      if (item === undefined) throw new Error('cannot pick from an empty list');
      return item;
    },
    shuffle: items =>
      items
        .map(item => ({ item, rank: roll(2 ** 30) }))
        .toSorted((a, b) => a.rank - b.rank)
        .map(({ item }) => item),
  };
};
