import { resolve } from 'node:path';

import type { Random } from '../../random.ts';
import { createLedgerFeeds } from '../change-feed.ts';
import { newEpoch, newNonce } from '../change-id.ts';
import {
  parseAuditEntry,
  parseAuditPosition,
  parseDocument,
  parseRecords,
  parseVersion,
  parseWrites,
  serializeAuditDraft,
  serializeVersions,
  serializeWrites,
} from '../serialization.ts';
import type { Commit, CommitOutcome, Ledger, LedgerKind, Store } from '../store.ts';
import { fleetOfOne } from '../store.ts';
import { startIntegrityCheck } from './integrity.ts';
import { startDatabaseThread, type DatabaseThread } from './thread.ts';

export { backUp, requireIntactData, restore } from './backup.ts';
export { databaseExists, databasePath } from './file.ts';

export type SqliteOptions = {
  /** The directory of `pennon.db`. Both are created if they do not exist. */
  readonly directory: string;
  readonly random: Random;
  /** Called if the check in the background finds damage. */
  readonly onWarning?: ((message: string) => void) | undefined;
};

/** The embedded store: a SQLite database that only this process uses. */
export const openSqliteStore = async ({
  directory,
  random,
  onWarning = () => {},
}: SqliteOptions): Promise<Store> => {
  const feeds = createLedgerFeeds();
  const thread = await startDatabaseThread(resolve(directory), feeds.close);
  const { call } = thread;
  const integrity = startIntegrityCheck(resolve(directory), onWarning);
  return {
    ...readsOf(thread),
    ...fleetOfOne,
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

const readsOf = ({
  call,
}: DatabaseThread): Pick<
  Store,
  'read' | 'head' | 'get' | 'versions' | 'findAudit' | 'auditEntries'
> => ({
  head: ledger => call('head', ledger),
  async read(ledger) {
    const found = await call('read', ledger);
    return found && { id: found.id, records: parseRecords(ledger.kind, found.documents) };
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

const commitIn = async <Kind extends LedgerKind>(
  { call }: DatabaseThread,
  ledger: Ledger<Kind>,
  { expect, writes, versions, audit, replaceAll = false }: Commit<Kind>,
  random: Random,
): Promise<CommitOutcome<Kind>> => {
  const rows = serializeWrites(writes);
  const outcome = await call('commit', {
    ledger,
    expect,
    replaceAll,
    writes: rows,
    versions: serializeVersions(versions),
    audit: audit.map(serializeAuditDraft),
    epoch: newEpoch(random),
    nonce: newNonce(random),
  });
  if (!outcome.committed) return outcome;
  const { id, previous } = outcome;
  return {
    committed: true,
    change: { id, previous, writes: parseWrites(ledger.kind, rows), replaceAll },
  };
};
