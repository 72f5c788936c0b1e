import { resolve } from 'node:path';

import type { Random } from '../../random.ts';
import { isLarge, runInSlices, type Steps } from '../../slices.ts';
import { createLedgerFeeds } from '../change-feed.ts';
import { newEpoch, newNonce } from '../change-id.ts';
import {
  auditSteps,
  commitRows,
  countDocuments,
  parseAuditEntry,
  parseAuditPosition,
  parseDocument,
  parseVersion,
  recordSteps,
  serializeCommit,
  type CommitRow,
  type SerializedCommit,
} from '../serialization.ts';
import type { Commit, CommitOutcome, Ledger, LedgerKind, Store } from '../store.ts';
import { fleetOfOne } from '../store.ts';
import type { UsageStore } from '../usage-store.ts';
import { startIntegrityCheck } from './integrity.ts';
import type { Output } from './protocol.ts';
import { startDatabaseThread, type DatabaseThread } from './thread.ts';

export { backUp, requireIntactData, restore } from './backup.ts';
export { databaseExists, databasePath } from './file.ts';

export type SqliteOptions = {
  /** The directory of `pennon.db`. Both are created if they do not exist. */
  readonly directory: string;
  readonly random: Random;
  /** Called if the check in the background finds damage. */
  readonly onWarning?: ((message: string) => void) | undefined;
  /** How large the log of the events of an environment may be. */
  readonly eventLogBytes?: number | undefined;
};

const EVENT_LOG_BYTES = 2_048 * 1_048_576;

/** The embedded store: a SQLite database that only this process uses. */
export const openSqliteStore = async ({
  directory,
  random,
  onWarning = () => {},
  eventLogBytes = EVENT_LOG_BYTES,
}: SqliteOptions): Promise<Store> => {
  const feeds = createLedgerFeeds();
  const thread = await startDatabaseThread(resolve(directory), feeds.close);
  const { call } = thread;
  const integrity = startIntegrityCheck(resolve(directory), onWarning);
  return {
    ...readsOf(thread),
    ...fleetOfOne,
    usage: usageOn(thread),
    events: {
      location: { type: 'sqlite', directory: resolve(directory), logBytes: eventLogBytes },
    },
    isDamaged: integrity.isDamaged,
    async close() {
      // From now on, operations are rejected.
      const closed = thread.close();
      await integrity.close();
      await closed;
    },
    ping: () => call('ping', undefined),
    async commit(ledger, commit) {
      const outcome = await commitIn(thread, ledger, commit, random);
      if (outcome.committed) feeds.publish(ledger, outcome.change);
      return outcome;
    },
    async drop(ledger) {
      await call('drop', ledger);
      feeds.end(ledger);
    },
    async clear(ledger) {
      await call('clear', ledger);
      feeds.end(ledger);
    },
    // Every commit happens in this process, so the feed has all changes after the call.
    follow: (ledger, _after, signal) => feeds.follow(ledger, signal),
  };
};

/** How often to read in parts if commits interrupt it, before reading everything at once. */
const MAX_ATTEMPTS_IN_PARTS = 5;

/** Reads a whole ledger as of one change. */
const readParts = async (call: DatabaseThread['call'], ledger: Ledger): Promise<Output<'read'>> => {
  for (let attempt = 1; ; attempt += 1) {
    const maxLength = attempt <= MAX_ATTEMPTS_IN_PARTS ? PART_LENGTH : Number.MAX_SAFE_INTEGER;
    const first = await call('read', { ledger, maxLength, after: undefined });
    const documents = [...(first?.documents ?? [])];
    let last = first;
    while (last?.next !== undefined && last.id === first?.id) {
      last = await call('read', { ledger, maxLength, after: last.next });
      documents.push(...(last?.documents ?? []));
    }
    if (last?.id === first?.id) return first && { ...first, documents };
  }
};

const readsOf = ({
  call,
}: DatabaseThread): Pick<
  Store,
  'read' | 'head' | 'get' | 'versions' | 'findAudit' | 'auditEntries'
> => ({
  head: ledger => call('head', ledger),
  async read(ledger) {
    const found = await readParts(call, ledger);
    if (found === undefined) return undefined;
    return { id: found.id, records: await runInSlices(recordSteps(ledger.kind, found.documents)) };
  },
  async get(ledger, collection, key) {
    const row = await call('get', { ledger, collection, key });
    return row && parseDocument(collection, row);
  },
  async versions(ledger, collection, { key, before = Number.MAX_SAFE_INTEGER, limit }) {
    const rows = await call('versions', { ledger, collection, key, before, limit });
    return rows.map(row => parseVersion(collection, row));
  },
  async findAudit(ledger, query) {
    return (await call('findAudit', { ledger, query })).map(parseAuditPosition);
  },
  async auditEntries(ledger, ids) {
    return (await call('auditEntries', { ledger, ids })).map(parseAuditEntry);
  },
});

const usageOn = ({ call }: DatabaseThread): UsageStore => ({
  add: flush => call('addUsage', flush),
  claim: claim => call('claimUsage', claim),
  read: (ledger, query) => call('readUsage', { ledger, query }),
  lastEvaluated: ledger => call('lastEvaluated', ledger),
  unknownFlags: (ledger, since) => call('unknownFlags', { ledger, since }),
  clear: ledger => call('clearUsage', ledger),
});

/** Characters of text in one message, which is copied while both threads wait. */
const PART_LENGTH = 1_000_000;

/** Sends the rows of a large commit ahead of it, in parts. Nothing is written before the commit. */
const stageRows = async <Kind extends LedgerKind>(
  { call }: DatabaseThread,
  nonce: string,
  { kind, commit }: { readonly kind: Kind; readonly commit: Commit<Kind> },
): Promise<SerializedCommit<Kind>> => {
  const rows = commitRows(kind, commit);
  for (;;) {
    const { part, writes } = await runInSlices(nextPart(rows));
    if (writes !== undefined)
      return { rows: part, writes, audit: await runInSlices(auditSteps(commit.audit)) };
    await call('stage', { nonce, rows: part });
  }
};

/** Returns the next rows, of about `PART_LENGTH`, and with the last ones the result. */
function* nextPart<Result>(
  rows: Generator<CommitRow, Result, void>,
): Steps<{ part: CommitRow[]; writes: Result | undefined }> {
  const part: CommitRow[] = [];
  for (let length = 0; length < PART_LENGTH;) {
    const { done, value } = rows.next();
    if (done === true) return { part, writes: value };
    part.push(value);
    length += value.text?.length ?? 0;
    yield;
  }
  return { part, writes: undefined };
}

const commitIn = async <Kind extends LedgerKind>(
  thread: DatabaseThread,
  ledger: Ledger<Kind>,
  commit: Commit<Kind>,
  random: Random,
): Promise<CommitOutcome<Kind>> => {
  const nonce = newNonce(random);
  const { kind } = ledger;
  const { expect, replaceAll = false } = commit;
  const serialized = isLarge(countDocuments(commit.writes))
    ? stageRows(thread, nonce, { kind, commit })
    : serializeCommit(kind, commit);
  const { rows, writes, audit } = serialized instanceof Promise ? await serialized : serialized;
  const outcome = await thread.call('commit', {
    ledger,
    expect,
    replaceAll,
    rows,
    audit,
    epoch: newEpoch(random),
    nonce,
  });
  if (!outcome.committed) return outcome;
  const { id, previous } = outcome;
  return { committed: true, change: { id, previous, writes, replaceAll } };
};
