import type { ChangeId } from '../change-id.ts';
import { parseRecords, type DocumentRow } from '../serialization.ts';
import {
  StoreError,
  type Collection,
  type Ledger,
  type LedgerKind,
  type Snapshot,
} from '../store.ts';
import { replyOf, runScript, type RedisContext } from './commands.ts';
import { foreignData } from './errors.ts';
import { collectionsOf, FORMAT } from './keys.ts';
import { FOREIGN, mend } from './mend.ts';
import { asList, asRows, asText, optional } from './reply.ts';

type PartSize = { readonly documents: number; readonly bytes: number };

/** Redis does nothing else during a script, so a large ledger is read in parts. */
const PART: PartSize = { documents: 1_000, bytes: 4 * 1024 * 1024 };
const UNLIMITED: PartSize = {
  documents: Number.MAX_SAFE_INTEGER,
  bytes: Number.MAX_SAFE_INTEGER,
};
/** How often to read in parts if changes interrupt it, before reading everything in one call. */
const MAX_ATTEMPTS_IN_PARTS = 5;

/** The start of a part: the number of a collection, and the key to start after. */
type Position = { readonly collection: number; readonly after: string | undefined };
type Part = {
  readonly id: ChangeId | undefined;
  readonly documents: readonly DocumentRow[];
  readonly next: Position | undefined;
};

const START: Position = { collection: 1, after: undefined };

/** Returns the whole ledger as of one change. */
export const readLedger = async <Kind extends LedgerKind>(
  context: RedisContext,
  ledger: Ledger<Kind>,
): Promise<Snapshot<Kind> | undefined> => {
  for (let attempt = 1; ; attempt += 1) {
    const size = attempt <= MAX_ATTEMPTS_IN_PARTS ? PART : UNLIMITED;
    const read = await readAllParts(context, ledger, size);
    if (read === 'interrupted') continue;
    if (read.id === undefined) return undefined;
    return { id: read.id, records: parseRecords(ledger.kind, read.documents) };
  }
};

/** Reads until the end of the ledger, unless a change comes between two parts. */
const readAllParts = async (
  context: RedisContext,
  ledger: Ledger,
  size: PartSize,
): Promise<Pick<Part, 'id' | 'documents'> | 'interrupted'> => {
  const collections = collectionsOf(ledger.kind);
  const { id, ...first } = await readPart(context, { ledger, collections, from: START, size });
  const documents = [...first.documents];
  for (let from = first.next; from !== undefined;) {
    const part = await readPart(context, { ledger, collections, from, size });
    if (part.id !== id) return 'interrupted';
    documents.push(...part.documents);
    from = part.next;
  }
  return { id, documents };
};

/** Returns documents of one collection in byte order of their keys. */
export const readPage = async (
  context: RedisContext,
  ledger: Ledger,
  collection: Collection,
  { after, limit }: { after?: string | undefined; limit: number },
): Promise<readonly DocumentRow[]> => {
  const documents: DocumentRow[] = [];
  let from: Position | undefined = { collection: 1, after };
  while (from !== undefined && documents.length < limit) {
    const size = { documents: limit - documents.length, bytes: PART.bytes };
    const part: Part = await readPart(context, { ledger, collections: [collection], from, size });
    documents.push(...part.documents);
    from = part.next;
  }
  return documents;
};

type PartQuery = {
  readonly ledger: Ledger;
  readonly collections: readonly Collection[];
  readonly from: Position;
  readonly size: PartSize;
};

const readPart = async (
  context: RedisContext,
  { ledger, collections, from, size }: PartQuery,
): Promise<Part> => {
  const { connections, keys } = context;
  const collectionKeys = collections.flatMap(name => keys.collection(ledger, name));
  const start = from.after === undefined ? '-' : `(${from.after}`;
  const args = [FORMAT, from.collection, start, size.documents, size.bytes];
  const allKeys = [keys.head(ledger), ...collectionKeys];
  const send = async () =>
    asList(await replyOf(runScript(connections.send, 'documents', allKeys, args)));
  let [id, rows, next] = await send();
  if (id === FOREIGN) {
    await mend(context, ledger);
    [id, rows, next] = await send();
    if (id === FOREIGN) throw foreignData(connections.url);
  }
  return {
    id: optional(id, asText),
    documents: asRows(rows, 3).map(([number, key = '', text = '']) =>
      documentRow(collections[Number(number) - 1], key, text),
    ),
    next: optional(next, asPosition),
  };
};

const asPosition = (reply: unknown): Position => {
  const [collection = '', after = ''] = asList(reply).map(asText);
  return { collection: Number(collection), after };
};

/** The start of a document as the commit script writes it. */
const STORED_PREFIX = /^\{"changeId":"([^"]*)","document":/;

export const documentRow = (
  collection: Collection | undefined,
  key: string,
  stored: string,
): DocumentRow => {
  const [prefix = '', changeId] = STORED_PREFIX.exec(stored) ?? [];
  if (collection === undefined || changeId === undefined)
    throw new StoreError('corrupt', `the value of "${key}" in Redis is not a document of Pennon`);
  return { collection, key, changeId, text: stored.slice(prefix.length, -1) };
};
