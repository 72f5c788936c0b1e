import type { AuditAction } from '@pennon/schema';
import { ALL_ENVIRONMENTS, AuditEntry } from '@pennon/schema';
import { z } from 'zod';

import type { Caller } from '../auth/caller.ts';
import { canAccess, environmentOf } from '../auth/caller.ts';
import { flagSetLedger, type Registry } from '../flag-set/registry.ts';
import type { Page, PageQuery } from '../page.ts';
import { cursorsFor } from '../page.ts';
import { cursorSecret } from '../replication/cursor-secret.ts';
import type { Replica } from '../replication/replica.ts';
import type { AuditPosition, AuditQuery, Ledger, Store } from '../store/store.ts';
import { CONTROL_LEDGER, requireLedger } from '../store/store.ts';

export type AuditServices = {
  readonly store: Store;
  readonly registry: Registry;
  readonly control: Replica<'control'>;
};

/** What the changes of one can be listed of, by its key. */
export const FILTERED_KINDS = ['flag', 'segment', 'experiment', 'ramp'] as const;
type FilteredKind = (typeof FILTERED_KINDS)[number];

export type AuditFilter = { readonly [kind in FilteredKind]?: string | undefined } & {
  readonly actor?: string | undefined;
  readonly onBehalfOf?: string | undefined;
  readonly action?: AuditAction | undefined;
  readonly from?: string | undefined;
  readonly until?: string | undefined;
};

export type AuditInput = PageQuery & AuditFilter & { readonly environment?: string | undefined };

/**
 * Returns a page of the audit log, newest first: of one environment and its keys, or with `*` of everything.
 * Each ledger has a log of its own, so a page merges several, and its cursor holds a position in each. Entries can
 * be large, so only those of the page are read.
 */
export const listAudit = async (
  services: AuditServices,
  caller: Caller,
  { environment: requested, limit, cursor, ...filter }: AuditInput,
): Promise<Page<AuditEntry>> => {
  const { store, control } = services;
  const environment = environmentOf(caller, requested);
  const cursors = cursorsFor(cursorSecret(control), ['audit', environment, filter]);
  const position = parsePosition(cursors.read(cursor));
  const logs = logsOf(services, caller, environment, filter);
  // One entry more than a page holds shows whether another page follows.
  const found = await Promise.all(logs.map(log => positionsIn(store, log, position, limit + 1)));
  const newest = takeNewest(found, limit + 1);
  const entries = await readEntries(store, newest.slice(0, limit));
  const hasMore = newest.length > entries.length;
  return {
    items: entries.flatMap(({ entry }) =>
      entry === undefined || !isKnown(entry) ? [] : [visibleTo(caller, entry)],
    ),
    nextCursor: hasMore ? cursors.write(JSON.stringify(positionAfter(position, entries))) : null,
  };
};

/** Servers of a later version may have recorded what this one has no name for. They list it. */
const isKnown = (entry: AuditEntry): boolean =>
  AuditEntry.safeParse({ ...entry, before: null, after: null }).success;

/** Leaves out the name of an environment that the caller may not know. */
const visibleTo = (caller: Caller, { from, ...entry }: AuditEntry): AuditEntry =>
  from === undefined || !canAccess(caller, from) ? entry : { ...entry, from };

/** The audit log of a ledger, and the query that finds its entries of the list. */
type Log = { readonly ledger: Ledger; readonly query: Omit<AuditQuery, 'limit' | 'before'> };

/** Short, because a cursor may have hundreds of them. Ids of ledgers are random. */
const nameOf = ({ ledger }: Log): string => ledger.id.slice(0, 8);

const logsOf = (
  { registry, control }: AuditServices,
  caller: Caller,
  environment: string,
  filter: AuditFilter,
): readonly Log[] => {
  const { records } = control.current();
  const query = queryOf(filter);
  const whole = (ledger: Ledger): Log => ({ ledger, query });
  const deleted = [...records.deletedEnvironments.values()].map(({ document }) => document);
  if (environment === ALL_ENVIRONMENTS) {
    const existing = [...records.environments.values()].map(({ document }) => document);
    const all = [...existing, ...deleted.map(each => each.environment)];
    return [...all.map(flagSetLedger), CONTROL_LEDGER].map(whole);
  }
  // The key of an environment that was created again must not show the changes of the deleted one.
  const former =
    caller.everywhere !== undefined
      ? deleted.map(each => each.environment).filter(({ key }) => key === environment)
      : [];
  const exists = records.environments.has(environment) || former.length === 0;
  const ledgers = [
    ...(exists ? [registry.find(environment).replica.ledger] : []),
    ...former.map(flagSetLedger),
  ];
  const keys = { ledger: CONTROL_LEDGER, query: { ...query, kind: 'key' as const, environment } };
  return [...ledgers.map(whole), ...(query.kind === undefined ? [keys] : [])];
};

/** The end of a page: the last entry from each log that has had one, and the time of the last entry of all. */
const Position = z.strictObject({
  lastIds: z.record(z.string(), z.string()),
  lastAt: z.string().nullable(),
});
type Position = z.infer<typeof Position>;

const parsePosition = (position: string | undefined): Position =>
  position === undefined ? { lastIds: {}, lastAt: null } : Position.parse(JSON.parse(position));

/** An entry that was found, with the log that it is in. */
type Found = AuditPosition & { readonly log: Log };

/** Returns the positions of the newest entries of a log after a page that ended at `position`. */
const positionsIn = async (
  store: Store,
  log: Log,
  { lastIds, lastAt }: Position,
  count: number,
): Promise<Found[]> => {
  const { ledger, query } = log;
  const start = lastIds[nameOf(log)];
  const found: AuditPosition[] = [];
  // Entries that were added to the log after the previous page would break the order.
  let isSkipping = start === undefined && lastAt !== null;
  for (let before = start; ;) {
    const chunk = await store.findAudit(ledger, { ...query, before, limit: count });
    if (chunk.length === 0 && before === undefined) await requireLedger(store, ledger);
    for (const position of chunk) {
      isSkipping &&= lastAt !== null && position.at > lastAt;
      if (!isSkipping) found.push(position);
    }
    if (found.length >= count || chunk.length < count) break;
    before = chunk.at(-1)?.id;
  }
  return found.slice(0, count).map(position => ({ ...position, log }));
};

/** Returns the newest entries of all logs, each of which is in order. Of equal times, the first log comes first. */
const takeNewest = (logs: readonly Found[][], count: number): readonly Found[] => {
  const next = logs.map(() => 0);
  const taken: Found[] = [];
  while (taken.length < count) {
    const index = newestLog(logs.map((log, at) => log[next[at] ?? 0]));
    const found = index === undefined ? undefined : logs[index]?.[next[index] ?? 0];
    if (index === undefined || found === undefined) break;
    taken.push(found);
    next[index] = (next[index] ?? 0) + 1;
  }
  return taken;
};

/** Returns the index of the newest of the next entries. */
const newestLog = (candidates: readonly (Found | undefined)[]): number | undefined => {
  let found: number | undefined;
  for (const [index, candidate] of candidates.entries()) {
    const best = found === undefined ? undefined : candidates[found];
    if (candidate !== undefined && (best === undefined || candidate.at > best.at)) found = index;
  }
  return found;
};

/** An entry of a page; undefined if it was removed from the store after it was found. */
type Read = Found & { readonly entry: AuditEntry | undefined };

/** Reads the first of some entries, as many as the store reads at a time. */
const readEntries = async (store: Store, page: readonly Found[]): Promise<readonly Read[]> => {
  const byLog = Map.groupBy(page, ({ log }) => log);
  const read = new Map(
    await Promise.all(
      Array.from(byLog, async ([log, found]) => {
        const ids = found.map(({ id }) => id);
        return [log, await store.auditEntries(log.ledger, ids)] as const;
      }),
    ),
  );
  const entryOf = ({ log, id }: Found) => read.get(log)?.find(entry => entry.id === id);
  const isTooFar = ({ log, id }: Found) => {
    const ids = byLog.get(log)?.map(each => each.id) ?? [];
    const last = read.get(log)?.at(-1);
    return last !== undefined && ids.indexOf(id) > ids.indexOf(last.id);
  };
  const end = page.findIndex(isTooFar);
  return page
    .slice(0, end === -1 ? page.length : end)
    .map(found => ({ ...found, entry: entryOf(found) }));
};

const positionAfter = ({ lastIds, lastAt }: Position, page: readonly Found[]): Position => ({
  lastIds: { ...lastIds, ...Object.fromEntries(page.map(({ log, id }) => [nameOf(log), id])) },
  lastAt: page.at(-1)?.at ?? lastAt,
});

const queryOf = ({ actor, onBehalfOf, action, from, until, ...keys }: AuditFilter) => {
  const kind = FILTERED_KINDS.find(each => keys[each] !== undefined);
  return {
    ...(kind !== undefined && { kind, key: keys[kind] }),
    actor,
    onBehalfOf,
    action,
    from: from === undefined ? undefined : Date.parse(from),
    until: until === undefined ? undefined : Date.parse(until),
  };
};
