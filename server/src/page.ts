import { createHmac, timingSafeEqual } from 'node:crypto';

import { PennonError } from './errors.ts';

/** One page of a list, and the cursor of the next page. */
export type Page<Item> = { readonly items: Item[]; readonly nextCursor: string | null };

/**
 * Opaque cursors: a position, signed for one list with its filters. A cursor of another list, or one that
 * this server did not sign, is a BAD_REQUEST.
 */
export type Cursors = {
  write(position: string): string;
  read(cursor: string | undefined | null): string | undefined;
};

const TAG_BYTES = 9;

/** `list` identifies the list with its filters; `secret` is known to the servers of one installation only. */
export const cursorsFor = (secret: string, list: unknown): Cursors => {
  const tagOf = (position: string): Buffer =>
    createHmac('sha256', secret)
      .update(JSON.stringify([list, position]))
      .digest()
      .subarray(0, TAG_BYTES);
  return {
    write: position =>
      Buffer.concat([tagOf(position), Buffer.from(position)]).toString('base64url'),
    read(cursor) {
      if (cursor == null) return undefined;
      const bytes = Buffer.from(cursor, 'base64url');
      const position = bytes.subarray(TAG_BYTES).toString();
      const tag = bytes.subarray(0, TAG_BYTES);
      const isOurs = tag.length === TAG_BYTES && timingSafeEqual(tag, tagOf(position));
      if (isOurs && bytes.toString('base64url') === cursor) return position;
      throw new PennonError(
        'BAD_REQUEST',
        'cursor is not a cursor of this list: use the nextCursor of the previous page',
        {
          details: [
            {
              path: 'cursor',
              message: 'is not a cursor of this list: use the nextCursor of the previous page',
            },
          ],
        },
      );
    },
  };
};

export type PageQuery = { readonly limit: number; readonly cursor?: string | undefined };

/** Returns a page of a list in memory, in the order of the positions, which are unique texts. */
export const pageOf = <Item>(
  all: readonly Item[],
  positionOf: (item: Item) => string,
  cursors: Cursors,
  { limit, cursor }: PageQuery,
): Page<Item> => {
  const after = cursors.read(cursor);
  const rest = all
    .map(item => ({ item, position: positionOf(item) }))
    .filter(({ position }) => after === undefined || position > after)
    .toSorted((a, b) => (a.position < b.position ? -1 : 1));
  const last = rest[limit - 1];
  return {
    items: rest.slice(0, limit).map(({ item }) => item),
    nextCursor: last !== undefined && rest.length > limit ? cursors.write(last.position) : null,
  };
};
