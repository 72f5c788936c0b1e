import type { Flag } from '@pennon/schema';

import { once } from '../once.ts';

/** No name or description contains it. */
const BETWEEN_TEXTS = '\0';

/** The key, name and description of a document in lower case, in which lists search. */
export const searchedText = once(
  ({ key, name, description }: Pick<Flag, 'key' | 'name' | 'description'>): string =>
    [key, name ?? '', description ?? ''].join(BETWEEN_TEXTS).toLowerCase(),
);
