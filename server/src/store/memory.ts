import type { AuditEntry } from '@pennon/schema';

import type { Random } from '../random.ts';
import { createLedgerFeeds } from './change-feed.ts';
import { newEpoch, newNonce, nextChangeId, revisionOf, type ChangeId } from './change-id.ts';
import {
  parseAuditEntry,
  parseDocument,
  parseRecords,
  parseWrites,
  serializeAuditDraft,
  serializeWrites,
  type AuditRow,
  type DocumentRow,
  type WriteRow,
} from './serialization.ts';
import type { AuditDraft, AuditQuery, Collection, Ledger, Store } from './store.ts';
import { CONTROL_LEDGER, StoreError } from './store.ts';

/** The ledgers of a memory store, by kind and id. */
export type MemoryData = Map<string, LedgerData>;

type LedgerData = {
  readonly head: ChangeId | 'none';
  /** By collection and key. Documents are JSON text, so no caller shares an object with the store. */
  readonly documents: ReadonlyMap<string, DocumentRow>;
  /** Oldest first. */
  readonly audit: readonly AuditRow[];
};

export type MemoryStoreOptions = {
  readonly random: Random;
  /** Existing data, to open a second store on the data of a closed one. */
  readonly data?: MemoryData;
};

const EMPTY: LedgerData = { head: 'none', documents: new Map(), audit: [] };

/** Stores everything in this process. The shortest implementation of the store port: its specification. */
export const openMemoryStore = ({ random, data = new Map() }: MemoryStoreOptions): Store => {
  const feeds = createLedgerFeeds();
  let closed = false;

  const find = (ledger: Ledger): LedgerData | undefined => {
    if (closed) throw new StoreError('unavailable', 'the store is closed');
    return data.get(nameOf(ledger));
  };

  return {
    async read(ledger) {
      const found = find(ledger);
      if (found === undefined) return undefined;
      return { id: found.head, records: parseRecords(ledger.kind, [...found.documents.values()]) };
    },
    head: async ledger => find(ledger)?.head,
    async get(ledger, collection, key) {
      const row = find(ledger)?.documents.get(pathOf({ collection, key }));
      return row && parseDocument(collection, row);
    },
    async page(ledger, collection, { after, limit }) {
      const rows = rowsOf(find(ledger) ?? EMPTY, collection);
      return rows
        .filter(({ key }) => after === undefined || compareBytes(key, after) > 0)
        .slice(0, limit)
        .map(row => parseDocument(collection, row));
    },
    async commit(ledger, { expect, writes, audit, replaceAll = false }) {
      const found = find(ledger) ?? EMPTY;
      const previous = found.head;
      if (previous !== expect) return { committed: false, actual: previous };
      const ids = { epoch: newEpoch(random), nonce: newNonce(random), replaceAll };
      const id = nextChangeId(previous, ids);
      const written = serializeWrites(writes);
      data.set(nameOf(ledger), {
        head: id,
        documents: documentsAfter(replaceAll ? EMPTY : found, id, written),
        audit: [...found.audit, ...auditRows(audit, revisionOf(id), found.audit.length)],
      });
      const change = { id, previous, writes: parseWrites(ledger.kind, written), replaceAll };
      feeds.publish(ledger, change);
      return { committed: true, change };
    },
    async drop(ledger) {
      if (find(ledger) === undefined) return;
      data.delete(nameOf(ledger));
      feeds.end(ledger);
    },
    // Every commit happens in this process, so the feed has all changes after the call.
    follow: (ledger, _after, signal) => feeds.follow(ledger, signal),
    async audit(ledger, query) {
      const entries = (find(ledger) ?? EMPTY).audit.map(parseAuditEntry).toReversed();
      const before = entries.findIndex(({ id }) => id === query.before);
      if (query.before !== undefined && before === -1) return [];
      return entries
        .slice(before + 1)
        .filter(matches(query))
        .slice(0, query.limit);
    },
    // No other server can use this store.
    heartbeat: async report => [{ report, ageMs: 0 }],
    leave: async () => {},
    async ping() {
      find(CONTROL_LEDGER);
    },
    async close() {
      closed = true;
      feeds.close();
    },
  };
};

const nameOf = ({ kind, id }: Ledger): string => `${kind}/${id}`;
const pathOf = ({ collection, key }: { collection: string; key: string }) => `${collection}/${key}`;

const documentsAfter = (
  { documents }: LedgerData,
  changeId: ChangeId,
  written: readonly WriteRow[],
): LedgerData['documents'] => {
  const next = new Map(documents);
  for (const { collection, key, text } of written)
    if (text === null) next.delete(pathOf({ collection, key }));
    else next.set(pathOf({ collection, key }), { collection, key, text, changeId });
  return next;
};

/** Entries are numbered within their ledger; `count` is how many there are. */
const auditRows = (drafts: readonly AuditDraft[], revision: number, count: number): AuditRow[] =>
  drafts.map((draft, i) => ({
    id: String(count + i + 1),
    revision,
    text: serializeAuditDraft(draft).text,
  }));

const compareBytes = (a: string, b: string): number =>
  Buffer.compare(Buffer.from(a), Buffer.from(b));

const rowsOf = ({ documents }: LedgerData, collection: Collection): DocumentRow[] =>
  [...documents.values()]
    .filter(row => row.collection === collection)
    .toSorted((a, b) => compareBytes(a.key, b.key));

const matches =
  ({ kind, key, actor, action, from, until }: AuditQuery) =>
  (entry: AuditEntry): boolean => {
    const at = Date.parse(entry.at);
    return (
      (kind === undefined || entry.kind === kind) &&
      (key === undefined || entry.key === key) &&
      (actor === undefined || entry.actor.id === actor || entry.actor.name === actor) &&
      (action === undefined || entry.action === action) &&
      (from === undefined || at >= from) &&
      (until === undefined || at < until)
    );
  };
