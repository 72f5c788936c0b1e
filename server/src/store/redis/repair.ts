import { parseDocument, type DocumentRow } from '../serialization.ts';
import {
  storeErrorCode,
  StoreError,
  VERSIONED_COLLECTIONS,
  type Collection,
  type Ledger,
} from '../store.ts';
import { replyOf, runScript, type RedisContext } from './commands.ts';
import { reportForeign } from './mend.ts';
import { readVersions } from './versions.ts';

/** The value of a document in Redis, as it is there. */
export type StoredRow = {
  readonly collection: Collection;
  readonly key: string;
  readonly stored: string;
};

/**
 * Parses the documents that `read` returns. Replaces values that are not documents of Pennon by the last version of
 * the flag or segment, which is the same document, so that one of them does not hide the others.
 */
export const parseOrRepair = async <Result>(
  context: RedisContext,
  ledger: Ledger,
  read: () => Promise<readonly StoredRow[]>,
  parse: (rows: readonly DocumentRow[]) => Result | Promise<Result>,
): Promise<Result> => {
  const rows = await read();
  try {
    return await parse(rows.map(documentRow));
  } catch (error) {
    if (storeErrorCode(error) !== 'corrupt') throw error;
    for (const row of rows.filter(isDamaged)) await repair(context, ledger, row);
    return parse((await read()).map(documentRow));
  }
};

/** The start of a document as the commit script writes it. */
const STORED_PREFIX = /^\{"changeId":"([^"]*)","document":(?=\{)/;

const documentRow = ({ collection, key, stored }: StoredRow): DocumentRow => {
  const [prefix = '', changeId] = STORED_PREFIX.exec(stored) ?? [];
  if (changeId === undefined)
    throw new StoreError('corrupt', `the value of "${key}" in Redis is not a document of Pennon`);
  return { collection, key, changeId, text: stored.slice(prefix.length, -1) };
};

const isDamaged = (row: StoredRow): boolean => {
  try {
    parseDocument(row.collection, documentRow(row));
    return false;
  } catch {
    return true;
  }
};

const repair = async (
  context: RedisContext,
  ledger: Ledger,
  { collection, key, stored }: StoredRow,
): Promise<void> => {
  const { connections, keys } = context;
  const versioned = VERSIONED_COLLECTIONS.find(name => name === collection);
  if (versioned === undefined) return;
  const [version] = await readVersions(context, ledger, versioned, { key, limit: 1 });
  if (version === undefined) return;
  const [documents] = keys.collection(ledger, collection);
  const args = [key, stored, JSON.stringify(version.document)];
  const script = runScript(connections.send, 'repair', [keys.head(ledger), documents], args);
  if ((await replyOf(script)) === 1) reportForeign(context, 'replaced', documents, [key]);
};
