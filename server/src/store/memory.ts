import type { Random } from '../random.ts';
import { isLarge, runAtOnce, runInSlices } from '../slices.ts';
import { createLedgerFeeds } from './change-feed.ts';
import { newEpoch, newNonce, nextChangeId, revisionOf, type ChangeId } from './change-id.ts';
import {
  parseAuditEntry,
  parseDocument,
  parseVersion,
  recordSteps,
  serializeCommit,
  versionOfRow,
  parseAuditPosition,
  withinAuditBytes,
  type AuditDraftRow,
  type AuditRow,
  type DocumentRow,
  type SerializedCommit,
  type VersionRow,
} from './serialization.ts';
import type {
  AuditPosition,
  AuditQuery,
  Change,
  Commit,
  Ledger,
  LedgerKind,
  Store,
} from './store.ts';
import { createMemoryEventStore } from './memory-event-store.ts';
import type { EventStore } from './event-store.ts';
import { emptyUsage, memoryUsage, type MemoryUsage } from './memory-usage.ts';
import { CONTROL_LEDGER, fleetOfOne, StoreError } from './store.ts';

/** The ledgers of a memory store, by kind and id. */
export type MemoryData = Map<string, LedgerData>;

type LedgerData = {
  readonly head: ChangeId | 'none';
  /** By collection and key. Documents are JSON text, so no caller shares an object with the store. */
  readonly documents: ReadonlyMap<string, DocumentRow>;
  /** By collection and key, also of documents that were deleted. */
  readonly versions: ReadonlyMap<string, readonly VersionRow[]>;
  /** Oldest first. The id of an entry is its place, from 1. Later entries are appended in place. */
  readonly audit: LoggedRow[];
};

/** An entry with the fields that it can be found by. */
type LoggedRow = AuditRow & AuditDraftRow;

export type MemoryStoreOptions = {
  readonly random: Random;
  /** Existing data, to open a second store on the data of a closed one. */
  readonly data?: MemoryData;
  readonly usage?: MemoryUsage;
  readonly events?: EventStore;
};

const emptyLedger = (): LedgerData => ({
  head: 'none',
  documents: new Map(),
  versions: new Map(),
  audit: [],
});

/** Stores everything in this process. It is the shortest store, so it shows best what the others must do. */
export const openMemoryStore = ({
  random,
  data = new Map(),
  usage = emptyUsage(),
  events = createMemoryEventStore(),
}: MemoryStoreOptions): Store => {
  const feeds = createLedgerFeeds();
  let isClosed = false;

  const find = (ledger: Ledger): LedgerData | undefined => {
    if (isClosed) throw new StoreError('unavailable', 'the store is closed');
    return data.get(nameOf(ledger));
  };

  return {
    ...readsOf(find),
    ...fleetOfOne,
    usage: memoryUsage(usage, () => void find(CONTROL_LEDGER)),
    events: { store: events },
    async commit(ledger, commit) {
      const serialized = serializeCommit(ledger.kind, commit);
      const written = serialized instanceof Promise ? await serialized : serialized;
      // From here on nothing is awaited, so the commit is atomic.
      const current = find(ledger) ?? emptyLedger();
      if (current.head !== commit.expect) return { committed: false, actual: current.head };
      const { next, change } = applyCommit(current, commit, written, random);
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
      data.set(nameOf(ledger), { ...emptyLedger(), head: current.head, audit: current.audit });
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
): Pick<Store, 'read' | 'head' | 'get' | 'versions' | 'findAudit' | 'auditEntries'> => ({
  async read(ledger) {
    const found = find(ledger);
    if (found === undefined) return undefined;
    const rows = [...found.documents.values()];
    const steps = recordSteps(ledger.kind, rows);
    const records = isLarge(rows.length) ? await runInSlices(steps) : runAtOnce(steps);
    return { id: found.head, records };
  },
  head: async ledger => find(ledger)?.head,
  async get(ledger, collection, key) {
    const row = find(ledger)?.documents.get(pathOf({ collection, key }));
    return row && parseDocument(collection, row);
  },
  versions: async (ledger, collection, { key, before = Infinity, limit }) =>
    ((find(ledger) ?? emptyLedger()).versions.get(pathOf({ collection, key })) ?? [])
      .filter(({ version }) => version < before)
      .toSorted((a, b) => b.version - a.version)
      .slice(0, limit)
      .map(row => parseVersion(collection, row)),
  findAudit: async (ledger, query) => findAudit(find(ledger)?.audit ?? [], query),
  async auditEntries(ledger, ids) {
    const log = find(ledger)?.audit ?? [];
    const rows = ids.flatMap(id => log[placeOf(log, id)] ?? []);
    return withinAuditBytes(rows).map(parseAuditEntry);
  },
});

const nameOf = ({ kind, id }: Ledger): string => `${kind}/${id}`;
const pathOf = ({ collection, key }: { collection: string; key: string }) => `${collection}/${key}`;

const applyCommit = <Kind extends LedgerKind>(
  { head: previous, documents, versions, audit: log }: LedgerData,
  { replaceAll = false }: Commit<Kind>,
  { rows, writes, audit }: SerializedCommit<Kind>,
  random: Random,
): { next: LedgerData; change: Change<Kind> } => {
  const ids = { epoch: newEpoch(random), nonce: newNonce(random), replaceAll };
  const id = nextChangeId(previous, ids);
  const next = new Map(replaceAll ? [] : documents);
  for (const { collection, key, text, isWritten } of rows)
    if (!isWritten) continue;
    else if (text === null) next.delete(pathOf({ collection, key }));
    else next.set(pathOf({ collection, key }), { collection, key, text, changeId: id });
  for (const row of audit)
    log.push({
      ...row,
      id: String(log.length + 1),
      revision: revisionOf(id),
    });
  return {
    next: {
      head: id,
      documents: next,
      versions: withVersions(versions, rows.flatMap(versionOfRow)),
      audit: log,
    },
    change: { id, previous, writes, replaceAll },
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

/** Returns the index of the entry with this id, or -1. */
const placeOf = (log: readonly LoggedRow[], id: string): number => {
  const place = Number(id) - 1;
  return log[place]?.id === id ? place : -1;
};

const findAudit = (log: readonly LoggedRow[], query: AuditQuery): AuditPosition[] => {
  const found: AuditPosition[] = [];
  const end = query.before === undefined ? log.length : placeOf(log, query.before);
  for (let place = end - 1; place >= 0 && found.length < query.limit; place -= 1) {
    const row = log[place];
    if (row !== undefined && matches(query, row)) found.push(parseAuditPosition(row));
  }
  return found;
};

const matches = (
  { kind, key, environment, actor, onBehalfOf, action, from, until }: AuditQuery,
  row: LoggedRow,
): boolean =>
  (kind === undefined || row.kind === kind) &&
  (key === undefined || row.key === key) &&
  (environment === undefined || parseAuditEntry(row).environment === environment) &&
  (actor === undefined || row.actorId === actor || row.actorName === actor) &&
  (onBehalfOf === undefined || row.onBehalfOf === onBehalfOf) &&
  (action === undefined || row.action === action) &&
  (from === undefined || row.at >= from) &&
  (until === undefined || row.at < until);
