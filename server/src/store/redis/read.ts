import type { ChangeId } from '../change-id.ts';
import { parseRecords, type DocumentRow } from '../serialization.ts';
import {
  StoreError,
  type Collection,
  type Ledger,
  type LedgerKind,
  type Snapshot,
} from '../store.ts';
import { collectionsOf, FORMAT } from './keys.ts';
import { replyOf, run, type RedisContext } from './context.ts';
import { listOf, orNothing, rowsOf, textOf } from './reply.ts';

/** Redis does nothing else while it answers, so a large ledger is read in parts. */
const PART = { documents: 1_000, bytes: 4 * 1024 * 1024 };
const EVERYTHING = { documents: Number.MAX_SAFE_INTEGER, bytes: Number.MAX_SAFE_INTEGER };
/** How often parts are tried that a change has come between; after that, all is read in one. */
const ATTEMPTS_IN_PARTS = 5;

type Size = typeof PART;
type Place = { readonly collection: number; readonly after: string | undefined };
type Part = {
  readonly id: ChangeId | undefined;
  readonly documents: readonly DocumentRow[];
  readonly next: Place | undefined;
};

const BEGINNING: Place = { collection: 1, after: undefined };

/** Everything in a ledger, of one revision. */
export const readLedger = async <Kind extends LedgerKind>(
  parts: RedisContext,
  ledger: Ledger<Kind>,
): Promise<Snapshot<Kind> | undefined> => {
  for (let attempt = 1; ; attempt += 1) {
    const size = attempt <= ATTEMPTS_IN_PARTS ? PART : EVERYTHING;
    const { id, documents, unbroken } = await readParts(parts, ledger, size);
    if (!unbroken) continue;
    return id === undefined ? undefined : { id, records: parseRecords(ledger.kind, documents) };
  }
};

const readParts = async (parts: RedisContext, ledger: Ledger, size: Size) => {
  const collections = collectionsOf(ledger.kind);
  const documents: DocumentRow[] = [];
  const first = await readPart(parts, ledger, collections, BEGINNING, size);
  documents.push(...first.documents);
  for (let next = first.next; next !== undefined;) {
    const part = await readPart(parts, ledger, collections, next, size);
    if (part.id !== first.id) return { id: first.id, documents, unbroken: false };
    documents.push(...part.documents);
    next = part.next;
  }
  return { id: first.id, documents, unbroken: true };
};

/** Documents of one collection in the byte order of their keys. */
export const readPage = async (
  parts: RedisContext,
  ledger: Ledger,
  collection: Collection,
  { after, limit }: { after?: string | undefined; limit: number },
): Promise<readonly DocumentRow[]> => {
  const documents: DocumentRow[] = [];
  let next: Place | undefined = { collection: 1, after };
  while (next !== undefined && documents.length < limit) {
    const size = { documents: limit - documents.length, bytes: PART.bytes };
    const part: Part = await readPart(parts, ledger, [collection], next, size);
    documents.push(...part.documents);
    next = part.next;
  }
  return documents;
};

const readPart = async (
  { connections, keys }: RedisContext,
  ledger: Ledger,
  collections: readonly Collection[],
  from: Place,
  size: Size,
): Promise<Part> => {
  const pairs = collections.flatMap(name => keys.collection(ledger, name));
  const begin = from.after === undefined ? '-' : `(${from.after}`;
  const args = [FORMAT, from.collection, begin, size.documents, size.bytes];
  const reply = run(connections.send, 'documents', [keys.head(ledger), ...pairs], args);
  const [id, rows, next] = listOf(await replyOf(reply));
  return {
    id: orNothing(id, textOf),
    documents: rowsOf(rows, 3).map(([number, key = '', text = '']) =>
      documentRow(collections[Number(number) - 1], key, text),
    ),
    next: orNothing(next, placeOf),
  };
};

const placeOf = (reply: unknown): Place => {
  const [collection = '', after = ''] = listOf(reply).map(textOf);
  return { collection: Number(collection), after };
};

/** A document as the commit script writes it. */
const STORED = /^\{"changeId":"([^"]*)","document":/;

export const documentRow = (
  collection: Collection | undefined,
  key: string,
  stored: string,
): DocumentRow => {
  const [prefix = '', changeId] = STORED.exec(stored) ?? [];
  if (collection === undefined || changeId === undefined)
    throw new StoreError('corrupt', `what Redis holds as "${key}" is no document of Pennon`);
  return { collection, key, changeId, text: stored.slice(prefix.length, -1) };
};
