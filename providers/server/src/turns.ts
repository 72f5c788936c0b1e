/** Resolves in the next turn of the event loop: whatever else waits comes first. */
export const turn = (): Promise<void> => new Promise(resolve => void setImmediate(resolve));

/** Works on one after the other, so many in one turn that the application does not wait for long. */
export const inTurns = async <Item>(
  items: readonly Item[],
  inOneTurn: number,
  work: (item: Item) => void,
): Promise<void> => {
  for (const [at, item] of items.entries()) {
    if (at % inOneTurn === inOneTurn - 1) await turn();
    work(item);
  }
};
