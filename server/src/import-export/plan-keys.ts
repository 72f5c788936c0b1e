import { isDeepStrictEqual } from 'node:util';

import type { ExportedKey } from '@pennon/schema';

import { findKey, keyIdOf } from '../auth/key-id.ts';
import { PennonError } from '../errors.ts';
import type { KeyDocument, Stored } from '../store/store.ts';
import { outcomeOf, type Outcome } from './plan.ts';

export type KeyPlan = {
  id: string;
  name: string;
  outcome: Outcome;
  /** Why the key cannot be imported, even with `overwrite`. */
  conflict?: string;
};

type StoredKeys = ReadonlyMap<string, Stored<KeyDocument>>;

/**
 * Compares imported keys with the current ones. An import never changes what the holder of a secret may do:
 * of an existing key it can only replace the name, and it never adds a second key with the same hash.
 */
export const planKeys = (
  imported: readonly ExportedKey[],
  current: StoredKeys,
  overwrite: boolean,
): KeyPlan[] => {
  const idsByHash = new Map([...current.values()].map(hashAndId));
  return imported.map(key => {
    const holder = idsByHash.get(key.hash);
    if (holder === undefined) idsByHash.set(key.hash, key.id);
    return planKey(key, { holder, current: findKey(current, key.id), overwrite });
  });
};

const hashAndId = ({ document }: Stored<KeyDocument>) =>
  [document.hash, keyIdOf(document)] as const;

type Existing = {
  /** The id of the first key with the same hash, here or in the document. */
  readonly holder: string | undefined;
  /** The key with the same id. */
  readonly current: KeyDocument | undefined;
  readonly overwrite: boolean;
};

const planKey = (imported: ExportedKey, { holder, current, overwrite }: Existing): KeyPlan => {
  const { id, name } = imported;
  const conflict =
    holder !== undefined && holder !== id
      ? `key "${id}" has the same secret as key "${holder}"`
      : current && changedRight(imported, current);
  if (conflict !== undefined) return { id, name, outcome: 'refused', conflict };
  const differs = current === undefined || !isSame(imported, current, ['name', 'createdAt']);
  return { id, name, outcome: outcomeOf({ exists: current !== undefined, differs, overwrite }) };
};

const RIGHTS = [
  'hash',
  'role',
  'environment',
  'expiresAt',
  'allowedOrigins',
  'exposeOnEvaluate',
] as const;

const changedRight = (imported: ExportedKey, current: KeyDocument): string | undefined => {
  const changed = RIGHTS.find(field => !isSame(imported, current, [field]));
  if (changed === undefined) return undefined;
  return `key "${imported.id}" has another ${changed === 'hash' ? 'secret' : changed} here`;
};

/** Compares fields. An absent one is the same as null. */
const isSame = (a: KeyDocument, b: KeyDocument, fields: readonly (keyof KeyDocument)[]): boolean =>
  fields.every(field => isDeepStrictEqual(a[field] ?? null, b[field] ?? null));

const LISTED_CONFLICTS = 5;

/** Throws CONFLICT if a key would change who may do what. */
export const requireNoKeyConflicts = (keys: readonly KeyPlan[]): void => {
  const conflicts = keys.flatMap(({ conflict }) => conflict ?? []);
  if (conflicts.length === 0) return;
  const listed = conflicts.slice(0, LISTED_CONFLICTS);
  const more = conflicts.length - listed.length;
  throw new PennonError(
    'CONFLICT',
    `nothing was imported, because an import never changes what existing keys may do: ${listed.join(', ')}${more > 0 ? ` and ${more} more` : ''}. Remove these keys from the document, or revoke the existing ones first`,
    { details: listed.map(message => ({ path: 'keys', message })) },
  );
};
