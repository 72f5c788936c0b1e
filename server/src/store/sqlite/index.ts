import { resolve } from 'node:path';

import type { Random } from '../../random.ts';
import type { Change, LedgerKind, Store } from '../store.ts';
import {
  serializeAuditDraft,
  parseAuditEntry,
  parseDocument,
  parseRecords,
  serializeWrites,
  parseWrites,
} from '../serialization.ts';
import { createChangeFeed, type ChangeFeed } from '../change-feed.ts';
import { startThread } from './thread.ts';

export { databaseExists, databasePath } from './file.ts';

export type SqliteOptions = {
  /** Where `pennon.db` is, or is to be made. */
  readonly directory: string;
  readonly random: Random;
};

type Feeds = { readonly [Kind in LedgerKind]: ChangeFeed<Change<Kind>> };

const EPOCH_LENGTH = 12;
const NONCE_LENGTH = 8;

/** The embedded store: one SQLite database that this process owns, so its feed never leaves the process. */
export const openSqliteStore = async ({ directory, random }: SqliteOptions): Promise<Store> => {
  const feeds: Feeds = { control: createChangeFeed(), flagSet: createChangeFeed() };
  const { call, close } = await startThread(resolve(directory), () => closeAll(feeds));
  return {
    close,
    head: ledger => call('head', ledger),
    ping: () => call('ping', undefined),
    // One process owns the data, so it is the only server there is.
    heartbeat: report => Promise.resolve([{ report, ageMs: 0 }]),
    leave: () => Promise.resolve(),
    async read(ledger) {
      const found = await call('read', ledger);
      return found && { id: found.id, records: parseRecords(ledger.kind, found.documents) };
    },
    async get(ledger, collection, key) {
      const row = await call('get', { ledger, collection, key });
      return row && parseDocument(collection, row);
    },
    async page(ledger, collection, { after, limit }) {
      const rows = await call('page', { ledger, collection, after, limit });
      return rows.map(row => parseDocument(collection, row));
    },
    async commit(ledger, { expect, writes, audit, replaceAll = false }) {
      const rows = serializeWrites(writes);
      const outcome = await call('commit', {
        ledger,
        expect,
        replaceAll,
        writes: rows,
        audit: audit.map(serializeAuditDraft),
        epoch: random(EPOCH_LENGTH),
        nonce: random(NONCE_LENGTH),
      });
      if (!outcome.committed) return outcome;
      const { id, previous } = outcome;
      const change = { id, previous, writes: parseWrites(ledger.kind, rows), replaceAll };
      feeds[ledger.kind].publish(ledger.id, change);
      return { committed: true, change };
    },
    async drop(ledger) {
      await call('drop', ledger);
      feeds[ledger.kind].end(ledger.id);
    },
    // This process sees every commit, so whatever comes after the call comes after `after`.
    follow: (ledger, _after, signal) => feeds[ledger.kind].follow(ledger.id, signal),
    async audit(ledger, query) {
      return (await call('audit', { ledger, query })).map(parseAuditEntry);
    },
  };
};

const closeAll = (feeds: Feeds): void => {
  feeds.control.close();
  feeds.flagSet.close();
};
