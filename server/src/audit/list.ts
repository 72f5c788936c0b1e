import type { AuditAction, AuditEntry } from '@pennon/schema';
import { ALL_ENVIRONMENTS } from '@pennon/schema';
import { z } from 'zod';

import type { Caller } from '../auth/caller.ts';
import { environmentOf } from '../auth/caller.ts';
import { flagSetLedger, type Registry } from '../flag-set/registry.ts';
import type { Page, PageQuery } from '../page.ts';
import { cursorsFor } from '../page.ts';
import { cursorSecret } from '../replication/cursor-secret.ts';
import type { Replica } from '../replication/replica.ts';
import type { AuditQuery, Ledger, Store } from '../store/store.ts';
import { CONTROL_LEDGER, requireLedger } from '../store/store.ts';

export type AuditServices = {
  readonly store: Store;
  readonly registry: Registry;
  readonly control: Replica<'control'>;
};

export type AuditFilter = {
  readonly flag?: string | undefined;
  readonly segment?: string | undefined;
  readonly actor?: string | undefined;
  readonly onBehalfOf?: string | undefined;
  readonly action?: AuditAction | undefined;
  readonly from?: string | undefined;
  readonly until?: string | undefined;
};

export type AuditInput = PageQuery & AuditFilter & { readonly environment?: string | undefined };

/**
 * Returns a page of the audit log, newest first: of one environment and its keys, or with `*` of everything.
 * Each ledger has a log of its own, so a page merges several, and its cursor holds a position in each.
 */
export const listAudit = async (
  services: AuditServices,
  caller: Caller,
  { environment: requested, limit, cursor, ...filter }: AuditInput,
): Promise<Page<AuditEntry>> => {
  const { store, control } = services;
  const environment = environmentOf(caller, requested);
  const logs = logsOf(services, caller, environment);
  const cursors = cursorsFor(cursorSecret(control), ['audit', environment, filter]);
  const { lastIds, lastAt } = parsePosition(cursors.read(cursor));
  const remaining = await Promise.all(
    logs.map(log => {
      const before = lastIds[nameOf(log)];
      const query = { ...queryOf(filter), before };
      // One entry more than a page holds shows whether another page follows.
      return readLog(store, before === undefined ? skipNewer(log, lastAt) : log, query, limit + 1);
    }),
  );
  const items = takeNewest(remaining, limit, (entry, index) => {
    const log = logs[index];
    if (log !== undefined) lastIds[nameOf(log)] = entry.id;
  });
  const next: Position = { lastIds, lastAt: items.at(-1)?.at ?? lastAt };
  const hasMore = remaining.some(entries => entries.length > 0);
  return { items, nextCursor: hasMore ? cursors.write(JSON.stringify(next)) : null };
};

/** The audit log of a ledger, and which of its entries are part of the list. */
type Log = { readonly ledger: Ledger; readonly includes: (entry: AuditEntry) => boolean };

/** Short, because a cursor may have hundreds of them. Ids of ledgers are random. */
const nameOf = ({ ledger }: Log): string => ledger.id.slice(0, 8);

const logsOf = (
  { registry, control }: AuditServices,
  caller: Caller,
  environment: string,
): readonly Log[] => {
  const { records } = control.current();
  const deleted = [...records.deletedEnvironments.values()].map(({ document }) => document);
  if (environment === ALL_ENVIRONMENTS) {
    const existing = [...records.environments.values()].map(({ document }) => document);
    const all = [...existing, ...deleted.map(each => each.environment)];
    return [...all.map(flagSetLedger), CONTROL_LEDGER].map(wholeLog);
  }
  // The key of an environment that was created again must not show the changes of the deleted one.
  const former =
    caller.environment === ALL_ENVIRONMENTS
      ? deleted.map(each => each.environment).filter(({ key }) => key === environment)
      : [];
  const exists = records.environments.has(environment) || former.length === 0;
  const ledgers = [
    ...(exists ? [registry.find(environment).replica.ledger] : []),
    ...former.map(flagSetLedger),
  ];
  const includes = (entry: AuditEntry) => entry.kind === 'key' && entry.environment === environment;
  return [...ledgers.map(wholeLog), { ledger: CONTROL_LEDGER, includes }];
};

const wholeLog = (ledger: Ledger): Log => ({ ledger, includes: () => true });

/** The end of a page: the last entry from each log that has had one, and the time of the last entry of all. */
const Position = z.strictObject({
  lastIds: z.record(z.string(), z.string()),
  lastAt: z.string().nullable(),
});
type Position = z.infer<typeof Position>;

const parsePosition = (position: string | undefined): Position =>
  position === undefined ? { lastIds: {}, lastAt: null } : Position.parse(JSON.parse(position));

/**
 * Leaves out the newest entries of a log that has not contributed to the list yet: those added after the
 * previous page, which ended at `lastAt`, would break the order.
 */
const skipNewer = ({ ledger, includes }: Log, lastAt: string | null): Log => {
  let isSkipping = lastAt !== null;
  return {
    ledger,
    includes(entry) {
      isSkipping &&= lastAt !== null && entry.at > lastAt;
      return !isSkipping && includes(entry);
    },
  };
};

const CHUNK_SIZE = 200;

/** Reads a log in chunks until `count` entries are found or it ends. */
const readLog = async (
  store: Store,
  { ledger, includes }: Log,
  query: Omit<AuditQuery, 'limit'>,
  count: number,
): Promise<AuditEntry[]> => {
  const found: AuditEntry[] = [];
  let { before } = query;
  for (;;) {
    const chunk = await store.audit(ledger, { ...query, before, limit: CHUNK_SIZE });
    if (chunk.length === 0 && before === undefined) await requireLedger(store, ledger);
    found.push(...chunk.filter(includes));
    if (found.length >= count || chunk.length < CHUNK_SIZE) return found.slice(0, count);
    before = chunk.at(-1)?.id;
  }
};

/** Removes up to `count` entries from the front of the logs, the newest first, and reports each with its log. */
const takeNewest = (
  logs: readonly AuditEntry[][],
  count: number,
  onTake: (entry: AuditEntry, log: number) => void,
): AuditEntry[] => {
  const taken: AuditEntry[] = [];
  while (taken.length < count) {
    const index = newestLog(logs);
    const entry = index === undefined ? undefined : logs[index]?.shift();
    if (index === undefined || entry === undefined) break;
    taken.push(entry);
    onTake(entry, index);
  }
  return taken;
};

/** Returns the index of the log with the newest first entry; of several, the first one. */
const newestLog = (logs: readonly AuditEntry[][]): number | undefined => {
  let found: number | undefined;
  for (const [index, [entry]] of logs.entries()) {
    const best = found === undefined ? undefined : logs[found]?.[0];
    if (entry !== undefined && (best === undefined || entry.at > best.at)) found = index;
  }
  return found;
};

const queryOf = ({ flag, segment, actor, onBehalfOf, action, from, until }: AuditFilter) => ({
  ...(flag === undefined ? {} : { kind: 'flag' as const, key: flag }),
  ...(segment === undefined ? {} : { kind: 'segment' as const, key: segment }),
  actor,
  onBehalfOf,
  action,
  from: from === undefined ? undefined : Date.parse(from),
  until: until === undefined ? undefined : Date.parse(until),
});
