import type { AuditAction, AuditEntry } from '@pennon/schema';
import { ALL_ENVIRONMENTS } from '@pennon/schema';
import { z } from 'zod';

import type { Caller } from '../auth/caller.ts';
import { environmentOf } from '../auth/caller.ts';
import type { Registry } from '../flag-set/registry.ts';
import type { Page, PageQuery } from '../page.ts';
import { cursorsFor } from '../page.ts';
import { cursorSecret } from '../replication/cursor-secret.ts';
import type { Replica } from '../replication/replica.ts';
import type { AuditQuery, Ledger, Store } from '../store/store.ts';
import { CONTROL_LEDGER, requireLedger } from '../store/store.ts';

export type AuditParts = {
  readonly store: Store;
  readonly registry: Registry;
  readonly control: Replica<'control'>;
};

export type AuditInput = PageQuery & {
  readonly environment?: string | undefined;
  readonly flag?: string | undefined;
  readonly segment?: string | undefined;
  readonly actor?: string | undefined;
  readonly action?: AuditAction | undefined;
  readonly from?: string | undefined;
  readonly until?: string | undefined;
};

/**
 * The audit log of one environment with what happened to its keys, or with `*` that of all environments
 * and keys; newest first. Flags and keys have logs of their own: a page merges both, and its cursor
 * holds how far it got in each.
 */
export const listAudit = async (
  parts: AuditParts,
  caller: Caller,
  { environment: asked, limit, cursor, ...filter }: AuditInput,
): Promise<Page<AuditEntry>> => {
  const environment = environmentOf(caller, asked);
  const sources = sourcesOf(parts, environment);
  const cursors = cursorsFor(cursorSecret(parts.control), ['audit', environment, filter]);
  const { places, at } = positionOf(cursors.read(cursor), sources.length);
  const logs = await Promise.all(
    sources.map(({ ledger, wanted }, index) => {
      const before = places[index] ?? undefined;
      const known = before === undefined ? notNewerThan(at) : () => true;
      const source = { ledger, wanted: (entry: AuditEntry) => known(entry) && wanted(entry) };
      return entriesOf(parts.store, source, { ...queryOf(filter), before }, limit + 1);
    }),
  );
  const items: AuditEntry[] = [];
  for (let log = newest(logs); log !== undefined && items.length < limit; log = newest(logs)) {
    const entry = logs[log]?.shift();
    if (entry === undefined) break;
    items.push(entry);
    places[log] = entry.id;
  }
  const more = logs.some(log => log.length > 0);
  const reached: Position = { places, at: items.at(-1)?.at ?? at };
  return { items, nextCursor: more ? cursors.write(JSON.stringify(reached)) : null };
};

/** A log, and which of its entries belong to the answer. */
type Source = { readonly ledger: Ledger; readonly wanted: (entry: AuditEntry) => boolean };

const sourcesOf = ({ registry }: AuditParts, environment: string): readonly Source[] =>
  environment === ALL_ENVIRONMENTS
    ? [{ ledger: CONTROL_LEDGER, wanted: () => true }]
    : [
        { ledger: registry.find(environment).replica.ledger, wanted: () => true },
        {
          ledger: CONTROL_LEDGER,
          wanted: entry => entry.kind === 'key' && entry.environment === environment,
        },
      ];

/** The last entry told of each log, null where none was, and when the last one of all was made. */
const Position = z.strictObject({
  places: z.array(z.string().nullable()),
  at: z.string().nullable(),
});
type Position = z.infer<typeof Position>;

const positionOf = (position: string | undefined, logs: number): Position =>
  position === undefined
    ? { places: Array.from({ length: logs }, () => null), at: null }
    : Position.parse(JSON.parse(position));

/** Of a log of which nothing was told yet: what came to it since the page before is no part of this list. */
const notNewerThan = (at: string | null): ((entry: AuditEntry) => boolean) => {
  let reached = at === null;
  return entry => (reached ||= at === null || entry.at <= at);
};

const CHUNK = 200;

/** At most `most` wanted entries of a log, read on until there are so many or no more. */
const entriesOf = async (
  store: Store,
  { ledger, wanted }: Source,
  query: Omit<AuditQuery, 'limit'>,
  most: number,
): Promise<AuditEntry[]> => {
  const found: AuditEntry[] = [];
  let { before } = query;
  for (;;) {
    const chunk = await store.audit(ledger, { ...query, before, limit: CHUNK });
    if (chunk.length === 0 && before === undefined) await requireLedger(store, ledger);
    found.push(...chunk.filter(wanted));
    if (found.length >= most || chunk.length < CHUNK) return found.slice(0, most);
    before = chunk.at(-1)?.id;
  }
};

/** Which log goes on with the newest entry; the first where two are of one moment. */
const newest = (logs: readonly AuditEntry[][]): number | undefined => {
  let found: number | undefined;
  for (const [index, [entry]] of logs.entries()) {
    const best = found === undefined ? undefined : logs[found]?.[0];
    if (entry !== undefined && (best === undefined || entry.at > best.at)) found = index;
  }
  return found;
};

const queryOf = ({
  flag,
  segment,
  actor,
  action,
  from,
  until,
}: Omit<AuditInput, keyof PageQuery>) => ({
  ...(flag === undefined ? {} : { kind: 'flag' as const, key: flag }),
  ...(segment === undefined ? {} : { kind: 'segment' as const, key: segment }),
  actor,
  action,
  from: from === undefined ? undefined : Date.parse(from),
  until: until === undefined ? undefined : Date.parse(until),
});
