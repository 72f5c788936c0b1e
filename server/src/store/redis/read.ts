import { runInSlices } from '../../slices.ts';
import type { ChangeId } from '../change-id.ts';
import { parseDocument, recordSteps } from '../serialization.ts';
import type { Collection, Documents, Ledger, LedgerKind, Snapshot, Stored } from '../store.ts';
import { replyOf, runScript, type RedisContext } from './commands.ts';
import { foreignData } from './errors.ts';
import { collectionsOf, FORMAT } from './keys.ts';
import { FOREIGN, mend } from './mend.ts';
import { parseOrRepair, type StoredRow } from './repair.ts';
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
  readonly documents: readonly StoredRow[];
  readonly next: Position | undefined;
};

const START: Position = { collection: 1, after: undefined };

/** Returns the whole ledger as of one change. */
export const readLedger = async <Kind extends LedgerKind>(
  context: RedisContext,
  ledger: Ledger<Kind>,
): Promise<Snapshot<Kind> | undefined> => {
  let id: ChangeId | undefined;
  const read = async () => {
    const whole = await readWhole(context, ledger);
    ({ id } = whole);
    return whole.documents;
  };
  const records = await parseOrRepair(context, ledger, read, rows =>
    runInSlices(recordSteps(ledger.kind, rows)),
  );
  return id === undefined ? undefined : { id, records };
};

const readWhole = async (
  context: RedisContext,
  ledger: Ledger,
): Promise<Pick<Part, 'id' | 'documents'>> => {
  for (let attempt = 1; ; attempt += 1) {
    const size = attempt <= MAX_ATTEMPTS_IN_PARTS ? PART : UNLIMITED;
    const read = await readAllParts(context, ledger, size);
    if (read !== 'interrupted') return read;
  }
};

/** Returns one document. */
export const readDocument = async <Name extends Collection>(
  context: RedisContext,
  ledger: Ledger,
  collection: Name,
  key: string,
): Promise<Stored<Documents[Name]> | undefined> => {
  const [documents] = context.keys.collection(ledger, collection);
  const read = async () => {
    const reply = await replyOf(context.connections.send('hget', [documents, key]));
    const stored = optional(reply, asText);
    return stored === undefined ? [] : [{ collection, key, stored }];
  };
  return parseOrRepair(context, ledger, read, ([row]) => row && parseDocument(collection, row));
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
    documents: asRows(rows, 3).flatMap(([number, key = '', stored = '']) => {
      const collection = collections[Number(number) - 1];
      return collection === undefined ? [] : { collection, key, stored };
    }),
    next: optional(next, asPosition),
  };
};

const asPosition = (reply: unknown): Position => {
  const [collection = '', after = ''] = asList(reply).map(asText);
  return { collection: Number(collection), after };
};
