import { parseVersion } from '../serialization.ts';
import type { Documents, Ledger, Version, VersionedCollection, VersionRange } from '../store.ts';
import { replyOf, type RedisContext } from './commands.ts';
import { asList, asText } from './reply.ts';

/** How many versions one command reads, so that it blocks Redis for a few milliseconds only. */
const CHUNK_SIZE = 20;
const DIGITS = 16;

/**
 * Returns the field of a version. Sorted sets are read in ascending order, and newer versions come first,
 * so its number counts down. Keys contain no slash.
 */
export const versionField = (key: string, version: number): string =>
  `${key}/${String(Number.MAX_SAFE_INTEGER - version).padStart(DIGITS, '0')}`;

/** Returns the versions of a document before a number, newest first. */
export const readVersions = async <Name extends VersionedCollection>(
  { connections, keys }: RedisContext,
  ledger: Ledger,
  collection: Name,
  { key, before = Number.MAX_SAFE_INTEGER, limit }: VersionRange,
): Promise<Version<Documents[Name]>[]> => {
  const [versions, fieldSet] = keys.version(ledger, collection);
  const range = [`(${versionField(key, before)}`, `(${key}0`, 'LIMIT', 0, limit];
  const found = await replyOf(connections.send('zrangebylex', [fieldSet, ...range]));
  const fields = asList(found).map(asText);
  const rows: Version<Documents[Name]>[] = [];
  for (let start = 0; start < fields.length; start += CHUNK_SIZE) {
    const chunk = fields.slice(start, start + CHUNK_SIZE);
    const texts = asList(await replyOf(connections.send('hmget', [versions, ...chunk])));
    // A version is missing only if the ledger was cleared or dropped in between.
    for (const text of texts)
      if (text != null) rows.push(parseVersion(collection, { key, text: asText(text) }));
  }
  return rows;
};
