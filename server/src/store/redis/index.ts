import type { ConnectionOptions } from 'node:tls';

import type { Clock } from '../../clock.ts';
import type { Random } from '../../random.ts';
import type { ChangeId } from '../change-id.ts';
import { parseStored } from '../serialization.ts';
import type { FleetMember, Ledger, ServerReport, Store } from '../store.ts';
import type { RedisEvents } from '../events-location.ts';
import { findAudit, readAuditEntries } from './audit.ts';
import { replyOf, runScript, type RedisContext } from './commands.ts';
import { commitTo } from './commit.ts';
import { warnAboutConfig } from './config-warnings.ts';
import { openConnections } from './connections.ts';
import { isReplica, newerFormat } from './errors.ts';
import { followLedger } from './follow.ts';
import { FORMAT, keysUnder } from './keys.ts';
import { readMended } from './mend.ts';
import { recoveryOn } from './recovery.ts';
import { readDocument, readLedger } from './read.ts';
import { asList, asRows, asText, optional } from './reply.ts';
import { usageOn } from './usage.ts';
import { readVersions } from './versions.ts';
import type { RedisAddress } from './url.ts';

export type RedisOptions = {
  readonly address: RedisAddress;
  /** The Redis of the events, if it is another one. */
  readonly eventsAddress?: RedisAddress | undefined;
  /** The prefix of all keys, so that several installations can share one Redis. */
  readonly prefix: string;
  readonly random: Random;
  readonly clock: Clock;
  readonly auditMaxEntries?: number | undefined;
  /** About how large the log of the events of an environment may be. */
  readonly eventLogBytes?: number | undefined;
  readonly changeFeedLength?: number | undefined;
  /** Called for settings of Redis that can lose data. */
  readonly onWarning?: ((message: string) => void) | undefined;
  /** TLS options beyond Node's defaults, for example a certificate authority. */
  readonly tls?: ConnectionOptions | undefined;
};

/** How many changes a follower may be behind before it has to read the ledger again. */
const CHANGE_FEED_LENGTH = 1_000;
/** How long opening the store waits for Redis. After that every call fails with the reason. */
const FIRST_CONNECTION_MS = 3_000;
const EVENT_LOG_BYTES = 256 * 1_048_576;
const PING_TTL_MS = 60_000;

/** The shared store: any number of servers on one Redis, which may be a Sentinel group or a Cluster. */
export const openRedisStore = async (options: RedisOptions): Promise<Store> => {
  const { address, tls, prefix, random, clock, auditMaxEntries, onWarning } = options;
  const connections = openConnections({ address, tls, clock });
  let foreign = 0;
  const context: RedisContext = {
    connections,
    keys: keysUnder(prefix),
    clock,
    random,
    changeFeedLength: options.changeFeedLength ?? CHANGE_FEED_LENGTH,
    auditMaxEntries,
    onWarning: onWarning ?? (() => {}),
    onForeign: count => (foreign += count),
  };
  const isReady = await connections.waitUntilReady(FIRST_CONNECTION_MS);
  if (isReady && onWarning !== undefined) await warnAboutConfig(connections, onWarning);
  const events: RedisEvents = {
    type: 'redis',
    address: options.eventsAddress ?? address,
    prefix,
    tls,
    logBytes: options.eventLogBytes ?? EVENT_LOG_BYTES,
  };
  return {
    ...createStore(context),
    events: { location: events },
    foreignEntries: () => foreign,
  };
};

const createStore = (context: RedisContext): Omit<Store, 'events'> => {
  const { connections, keys } = context;
  const closing = new AbortController();
  const remove = async (all: readonly string[]) => {
    await replyOf(runScript(connections.send, 'remove', all, []));
  };
  return {
    read: ledger => readLedger(context, ledger),
    head: ledger => readHead(context, ledger),
    requirePrimary: () => requirePrimary(context),
    get: (ledger, collection, key) => readDocument(context, ledger, collection, key),
    versions: (ledger, collection, range) =>
      readMended(context, ledger, () => readVersions(context, ledger, collection, range)),
    commit: (ledger, commit) => commitTo(context, ledger, commit),
    drop: ledger =>
      remove([
        ...[keys.head, keys.audit, keys.lost].map(each => each(ledger)),
        ...contentKeys(context, ledger),
      ]),
    async clear(ledger) {
      // Otherwise what is removed here would count as lost.
      await replyOf(connections.send('hdel', [keys.head(ledger), 'documents']));
      await remove(contentKeys(context, ledger));
    },
    recovery: recoveryOn(context),
    usage: usageOn(context),
    follow: (ledger, after, signal) =>
      followLedger(context, ledger, after, AbortSignal.any([signal, closing.signal])),
    findAudit: (ledger, query) =>
      readMended(context, ledger, () => findAudit(context, ledger, query)),
    auditEntries: (ledger, ids) =>
      readMended(context, ledger, () => readAuditEntries(context, ledger, ids)),
    reportServer: (report, ttlMs) => saveReport(context, report, ttlMs),
    async leave(serverId) {
      await replyOf(connections.send('zrem', [keys.servers, serverId]));
    },
    async ping() {
      await replyOf(connections.send('set', [keys.writable, '', 'PX', PING_TTL_MS]));
    },
    close() {
      closing.abort();
      return connections.close();
    },
  };
};

/** The keys of what a ledger contains, without its last change and its audit log. */
const contentKeys = ({ keys }: RedisContext, ledger: Ledger): readonly string[] => [
  keys.changes(ledger),
  ...keys.collections(ledger),
  ...keys.versions(ledger),
];

const readHead = async (
  { connections, keys }: RedisContext,
  ledger: Ledger,
): Promise<ChangeId | undefined> => {
  const allKeys = [keys.head(ledger), ...keys.collections(ledger)];
  const reply = await replyOf(runScript(connections.send, 'head', allKeys, []));
  const [format, id] = asList(reply).map(each => optional(each, asText));
  if (format !== undefined && Number(format) > FORMAT) throw newerFormat(connections.url, format);
  return id;
};

/** A cluster redirects from replicas. A Redis that does not show its role is taken for a master. */
const requirePrimary = async ({ connections: { send, url } }: RedisContext): Promise<void> => {
  const info = await send('info', ['replication']);
  if (info.type === 'reply' && /^role:slave/m.test(asText(info.reply))) throw isReplica(url);
};

const saveReport = async (
  { connections, keys }: RedisContext,
  report: ServerReport,
  ttlMs: number,
): Promise<FleetMember[]> => {
  const args = [report.id, JSON.stringify(report), ttlMs];
  const reply = runScript(connections.send, 'reportServer', [keys.servers, keys.reports], args);
  return asRows(await replyOf(reply), 3).flatMap(([, ageMs, text = '']) => {
    const member = parseReport(text);
    return member === undefined ? [] : [{ report: member, ageMs: Number(ageMs) }];
  });
};

/** Returns undefined for what another application has written there. */
const parseReport = (text: string): ServerReport | undefined => {
  try {
    const report = parseStored<Partial<ServerReport> | null>(text, 'a report');
    if (typeof report?.revisions === 'object') return parseStored<ServerReport>(text, 'a report');
  } catch {
    // Not JSON.
  }
  return undefined;
};
