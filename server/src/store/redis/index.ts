import type { ConnectionOptions } from 'node:tls';

import type { Clock } from '../../clock.ts';
import type { Random } from '../../random.ts';
import type { ChangeId } from '../change-id.ts';
import { parseDocument } from '../serialization.ts';
import type { Ledger, Store } from '../store.ts';
import { searchAudit } from './audit.ts';
import { commitTo } from './commit.ts';
import { openConnections } from './connections.ts';
import { followLedger } from './follow.ts';
import { FORMAT, keysUnder } from './keys.ts';
import { replyOf, run, type RedisContext } from './context.ts';
import { documentRow, readLedger, readPage } from './read.ts';
import { listOf, orNothing, textOf } from './reply.ts';
import { newer } from './errors.ts';
import { heartbeat, leave } from './servers.ts';
import { warnOfSettings } from './settings.ts';
import type { RedisAddress } from './url.ts';

export type RedisOptions = {
  readonly address: RedisAddress;
  /** What all keys begin with: several installations can share one Redis. */
  readonly prefix: string;
  readonly random: Random;
  readonly clock: Clock;
  readonly auditMaxEntries?: number | undefined;
  readonly changeFeedLength?: number | undefined;
  /** Told of settings of Redis that will lose data one day. */
  readonly onWarning?: ((message: string) => void) | undefined;
  /** More about TLS than what Node trusts by itself, such as a certificate authority. */
  readonly tls?: ConnectionOptions | undefined;
};

/** Changes that a follower may fall behind before it reads everything anew. */
const CHANGE_FEED_LENGTH = 1_000;
/** How long opening the store waits for Redis. After that every call says what is wrong. */
const FIRST_CONNECTION_MS = 3_000;
const PING_LASTS_MS = 60_000;

/** The shared store: any number of servers on one Redis, be it single, watched by Sentinels or a Cluster. */
export const openRedisStore = async (options: RedisOptions): Promise<Store> => {
  const { address, tls, prefix, random, clock, auditMaxEntries } = options;
  const connections = openConnections({ address, tls, clock });
  const parts: RedisContext = {
    connections,
    keys: keysUnder(prefix),
    clock,
    random,
    changeFeedLength: options.changeFeedLength ?? CHANGE_FEED_LENGTH,
    auditMaxEntries,
  };
  const there = await connections.reachable(FIRST_CONNECTION_MS);
  if (there && options.onWarning !== undefined)
    await warnOfSettings(connections, options.onWarning);
  return storeOn(parts);
};

const storeOn = (parts: RedisContext): Store => {
  const { connections, keys } = parts;
  const closing = new AbortController();
  return {
    read: ledger => readLedger(parts, ledger),
    head: ledger => readHead(parts, ledger),
    async get(ledger, collection, key) {
      const [documents] = keys.collection(ledger, collection);
      const reply = await replyOf(connections.send('hget', [documents, key]));
      const stored = orNothing(reply, textOf);
      return stored === undefined
        ? undefined
        : parseDocument(collection, documentRow(collection, key, stored));
    },
    async page(ledger, collection, range) {
      const rows = await readPage(parts, ledger, collection, range);
      return rows.map(row => parseDocument(collection, row));
    },
    commit: (ledger, commit) => commitTo(parts, ledger, commit),
    async drop(ledger) {
      const all = [keys.head(ledger), keys.changes(ledger), keys.audit(ledger)];
      await replyOf(run(connections.send, 'drop', [...all, ...keys.collections(ledger)], []));
    },
    follow: (ledger, after, signal) =>
      followLedger(parts, ledger, after, AbortSignal.any([signal, closing.signal])),
    audit: (ledger, query) => searchAudit(parts, ledger, query),
    heartbeat: (report, lastsMs) => heartbeat(parts, report, lastsMs),
    leave: id => leave(parts, id),
    async ping() {
      await replyOf(connections.send('set', [keys.writable, '', 'PX', PING_LASTS_MS]));
    },
    close() {
      closing.abort();
      return connections.close();
    },
  };
};

const readHead = async (
  { connections, keys }: RedisContext,
  ledger: Ledger,
): Promise<ChangeId | undefined> => {
  const reply = await replyOf(connections.send('hmget', [keys.head(ledger), 'format', 'id']));
  const [format, id] = listOf(reply).map(each => orNothing(each, textOf));
  if (format !== undefined && Number(format) > FORMAT) throw newer(connections.place, format);
  return id;
};
