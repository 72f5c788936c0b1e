import { parseAuditEntry } from '../serialization.ts';
import type { AuditEntry } from '@pennon/schema';

import type { AuditQuery, Ledger } from '../store.ts';
import { replyOf, run, type RedisContext } from './context.ts';
import { listOf, orNothing, rowsOf, textOf } from './reply.ts';

/** Our entries' ids are the revision and a number. No entry is older than one that never was. */
const ENTRY_ID = /^(0|[1-9][0-9]{0,15})-(0|[1-9][0-9]{0,8})$/;

/** What Redis looks at in one go: a few milliseconds' work. */
const ENTRIES_AT_ONCE = 2_000;
const BYTES_AT_ONCE = 4 * 1024 * 1024;

/** Audit entries, newest first: the log is read backwards until there are enough. */
export const searchAudit = async (
  parts: RedisContext,
  ledger: Ledger,
  query: AuditQuery,
): Promise<AuditEntry[]> => {
  const found: AuditEntry[] = [];
  let before = query.before;
  if (before !== undefined && !ENTRY_ID.test(before)) return found;
  do {
    const part = await searchPart(parts, ledger, query, before, query.limit - found.length);
    found.push(...part.entries);
    before = part.before;
  } while (before !== undefined && found.length < query.limit);
  return found;
};

const searchPart = async (
  { connections, keys }: RedisContext,
  ledger: Ledger,
  query: AuditQuery,
  before: string | undefined,
  limit: number,
) => {
  const args = [
    before === undefined ? '+' : `(${before}`,
    limit,
    ENTRIES_AT_ONCE,
    BYTES_AT_ONCE,
    given(query.kind),
    given(query.key),
    given(query.actor),
    given(query.action),
    query.from ?? '',
    query.until ?? '',
  ];
  const reply = await replyOf(run(connections.send, 'audit', [keys.audit(ledger)], args));
  const [rows, next] = listOf(reply);
  return {
    entries: rowsOf(rows, 2).map(([id = '', text = '']) =>
      parseAuditEntry({ id, revision: Number.parseInt(id, 10), text }),
    ),
    before: orNothing(next, textOf),
  };
};

const given = (value: string | undefined): string => (value === undefined ? '' : `=${value}`);
