import { createHash } from 'node:crypto';

import { KeyId } from '@pennon/schema';

import type { KeyDocument, Stored } from '../store/store.ts';

/** The id of the key from PENNON_ADMIN_KEY or the first start. */
export const ADMIN_KEY_ID = 'admin';

/**
 * Returns the id by which the API names a stored key. Earlier versions imported ids of any length and
 * content; such a key has a short id that is derived from the stored one, so it can be revoked.
 */
export const keyIdOf = ({ id }: Pick<KeyDocument, 'id'>): string =>
  KeyId.safeParse(id).success ? id : `legacy-${sha256(id).slice(0, 24)}`;

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** Returns the stored key that the API names by `id`. */
export const findKey = (
  keys: ReadonlyMap<string, Stored<KeyDocument>>,
  id: string,
): KeyDocument | undefined =>
  keys.get(id)?.document ??
  [...keys.values()].find(({ document }) => keyIdOf(document) === id)?.document;
