import type { AuditEntry } from '@pennon/schema';

import type { Random } from '../random.ts';
import { createLedgerFeeds } from './change-feed.ts';
import { newEpoch, newNonce, nextChangeId, revisionOf, type ChangeId } from './change-id.ts';
import {
  parseAuditEntry,
  parseDocument,
  parseRecords,
  parseWrites,
  parseVersion,
  serializeAuditDraft,
  serializeVersions,
  serializeWrites,
  type AuditRow,
  type DocumentRow,
  type VersionRow,
} from './serialization.ts';
import type { AuditQuery, Change, Collection, Commit, Ledger, LedgerKind, Store } from './store.ts';
import { CONTROL_LEDGER, fleetOfOne, StoreError } from './store.ts';

/** The ledgers of a memory store, by kind and id. */
export type MemoryData = Map<string, LedgerData>;

type LedgerData = {
  readonly head: ChangeId | 'none';
  /** By collection and key. Documents are JSON text, so no caller shares an object with the store. */
  readonly documents: ReadonlyMap<string, DocumentRow>;
  /** By collection and key, also of documents that were deleted. */
  readonly versions: ReadonlyMap<string, readonly VersionRow[]>;
  /** Oldest first. */
  readonly audit: readonly AuditRow[];
};

export type MemoryStoreOptions = {
  readonly random: Random;
  /** Existing data, to open a second store on the data of a closed one. */
  readonly data?: MemoryData;
};

const EMPTY: LedgerData = { head: 'none', documents: new Map(), versions: new Map(), audit: [] };

/** Stores everything in this process. It is the shortest store, so it shows best what the others must do. */
export const openMemoryStore = ({ random, data = new Map() }: MemoryStoreOptions): Store => {
  const feeds = createLedgerFeeds();
  let isClosed = false;

  const find = (ledger: Ledger): LedgerData | undefined => {
    if (isClosed) throw new StoreError('unavailable', 'the store is closed');
    return data.get(nameOf(ledger));
  };

  return {
    ...readsOf(find),
    ...fleetOfOne,
    async commit(ledger, commit) {
      const current = find(ledger) ?? EMPTY;
      if (current.head !== commit.expect) return { committed: false, actual: current.head };
      const { next, change } = applyCommit(ledger.kind, current, commit, random);
      data.set(nameOf(ledger), next);
      feeds.publish(ledger, change);
      return { committed: true, change };
    },
    async drop(ledger) {
      if (find(ledger) === undefined) return;
      data.delete(nameOf(ledger));
      feeds.end(ledger);
    },
    async clear(ledger) {
      const current = find(ledger);
      if (current === undefined) return;
      data.set(nameOf(ledger), { ...EMPTY, head: current.head, audit: current.audit });
      feeds.end(ledger);
    },
    // Every commit happens in this process, so the feed has all changes after the call.
    follow: (ledger, _after, signal) => feeds.follow(ledger, signal),
    async ping() {
      find(CONTROL_LEDGER);
    },
    async close() {
      isClosed = true;
      feeds.close();
    },
  };
};

const readsOf = (
  find: (ledger: Ledger) => LedgerData | undefined,
): Pick<Store, 'read' | 'head' | 'get' | 'page' | 'versions' | 'audit'> => ({
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
  page: async (ledger, collection, range) =>
    rowsAfter(find(ledger) ?? EMPTY, collection, range.after)
      .slice(0, range.limit)
      .map(row => parseDocument(collection, row)),
  versions: async (ledger, collection, { key, before = Infinity, limit }) =>
    ((find(ledger) ?? EMPTY).versions.get(pathOf({ collection, key })) ?? [])
      .filter(({ version }) => version < before)
      .toSorted((a, b) => b.version - a.version)
      .slice(0, limit)
      .map(row => parseVersion(collection, row)),
  audit: async (ledger, query) => searchAudit(find(ledger) ?? EMPTY, query),
});

const nameOf = ({ kind, id }: Ledger): string => `${kind}/${id}`;
const pathOf = ({ collection, key }: { collection: string; key: string }) => `${collection}/${key}`;

const applyCommit = <Kind extends LedgerKind>(
  kind: Kind,
  { head: previous, documents, versions, audit: log }: LedgerData,
  { writes, versions: newVersions, audit, replaceAll = false }: Commit<Kind>,
  random: Random,
): { next: LedgerData; change: Change<Kind> } => {
  const ids = { epoch: newEpoch(random), nonce: newNonce(random), replaceAll };
  const id = nextChangeId(previous, ids);
  const rows = serializeWrites(writes);
  const next = new Map(replaceAll ? [] : documents);
  for (const { collection, key, text } of rows)
    if (text === null) next.delete(pathOf({ collection, key }));
    else next.set(pathOf({ collection, key }), { collection, key, text, changeId: id });
  const entries = audit.map((draft, i) => ({
    id: String(log.length + i + 1),
    revision: revisionOf(id),
    text: serializeAuditDraft(draft).text,
  }));
  return {
    next: {
      head: id,
      documents: next,
      versions: withVersions(versions, serializeVersions(newVersions)),
      audit: [...log, ...entries],
    },
    change: { id, previous, writes: parseWrites(kind, rows), replaceAll },
  };
};

const withVersions = (
  versions: LedgerData['versions'],
  added: readonly VersionRow[],
): LedgerData['versions'] => {
  if (added.length === 0) return versions;
  const next = new Map(versions);
  for (const row of added) {
    const others = (next.get(pathOf(row)) ?? []).filter(({ version }) => version !== row.version);
    next.set(pathOf(row), [...others, row]);
  }
  return next;
};

const compareBytes = (a: string, b: string): number =>
  Buffer.compare(Buffer.from(a), Buffer.from(b));

/** The documents of a collection with greater keys than `after`, in byte order of their keys. */
const rowsAfter = (
  { documents }: LedgerData,
  collection: Collection,
  after: string | undefined,
): DocumentRow[] =>
  [...documents.values()]
    .filter(row => row.collection === collection)
    .filter(({ key }) => after === undefined || compareBytes(key, after) > 0)
    .toSorted((a, b) => compareBytes(a.key, b.key));

const searchAudit = ({ audit }: LedgerData, query: AuditQuery): AuditEntry[] => {
  const newestFirst = audit.map(parseAuditEntry).toReversed();
  const before = newestFirst.findIndex(({ id }) => id === query.before);
  if (query.before !== undefined && before === -1) return [];
  return newestFirst
    .slice(before + 1)
    .filter(matches(query))
    .slice(0, query.limit);
};

const matches =
  ({ kind, key, actor, onBehalfOf, action, from, until }: AuditQuery) =>
  (entry: AuditEntry): boolean => {
    const at = Date.parse(entry.at);
    return (
      (kind === undefined || entry.kind === kind) &&
      (key === undefined || entry.key === key) &&
      (actor === undefined || entry.actor.id === actor || entry.actor.name === actor) &&
      (onBehalfOf === undefined || entry.actor.onBehalfOf === onBehalfOf) &&
      (action === undefined || entry.action === action) &&
      (from === undefined || at >= from) &&
      (until === undefined || at < until)
    );
  };
