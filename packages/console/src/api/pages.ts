type Page<Item> = { readonly items: readonly Item[]; readonly nextCursor: string | null };

/** The server sends at most this many items at a time. */
export const PAGE_SIZE = 200;

/** Reads all pages of a list. */
export const readAll = async <Item>(
  readPage: (page: {
    readonly limit: number;
    readonly cursor: string | undefined;
  }) => Promise<Page<Item>>,
): Promise<readonly Item[]> => {
  const all: Item[] = [];
  for (let cursor: string | undefined; ;) {
    const { items, nextCursor } = await readPage({ limit: PAGE_SIZE, cursor });
    all.push(...items);
    if (nextCursor === null) return all;
    cursor = nextCursor;
  }
};
