import type { AuditEntry } from '@pennon/schema';

import { parseAuditEntry, parseAuditPosition } from '../serialization.ts';
import { AUDIT_BYTES, type AuditPosition, type AuditQuery, type Ledger } from '../store.ts';
import { replyOf, runScript, type RedisContext } from './commands.ts';
import { asList, asRows, asText, optional } from './reply.ts';

/** The ids of entries are a revision and a number. No entry is older than any other text. */
const ENTRY_ID = /^(0|[1-9][0-9]{0,15})-(0|[1-9][0-9]{0,8})$/;

/** How much one script call reads, so that it blocks Redis for a few milliseconds only. */
const MAX_ENTRIES_PER_CALL = 2_000;
const MAX_BYTES_PER_CALL = 4 * 1024 * 1024;

/** Finds audit entries, newest first. Reads the log backwards until there are enough. */
export const findAudit = async (
  context: RedisContext,
  ledger: Ledger,
  query: AuditQuery,
): Promise<AuditPosition[]> => {
  const found: AuditPosition[] = [];
  let before = query.before;
  if (before !== undefined && !ENTRY_ID.test(before)) return found;
  do {
    const limit = query.limit - found.length;
    const part = await findPart(context, ledger, { ...query, before, limit });
    found.push(...part.positions);
    before = part.before;
  } while (before !== undefined && found.length < query.limit);
  return found;
};

const findPart = async (
  { connections, keys }: RedisContext,
  ledger: Ledger,
  query: AuditQuery,
): Promise<{ positions: AuditPosition[]; before: string | undefined }> => {
  const args = [
    query.before === undefined ? '+' : `(${query.before}`,
    query.limit,
    MAX_ENTRIES_PER_CALL,
    MAX_BYTES_PER_CALL,
    filter(query.kind),
    filter(query.key),
    filter(query.actor),
    filter(query.action),
    filter(query.onBehalfOf),
    query.from ?? '',
    query.until ?? '',
    filter(query.environment),
  ];
  const reply = await replyOf(runScript(connections.send, 'findAudit', [keys.audit(ledger)], args));
  const [rows, next] = asList(reply);
  return {
    positions: asRows(rows, 2).map(([id = '', at]) => parseAuditPosition({ id, at: Number(at) })),
    before: optional(next, asText),
  };
};

/** Returns audit entries by their ids, as many as fit into the limit of bytes. */
export const readAuditEntries = async (
  { connections, keys }: RedisContext,
  ledger: Ledger,
  ids: readonly string[],
): Promise<AuditEntry[]> => {
  const args = [AUDIT_BYTES, ...ids.filter(id => ENTRY_ID.test(id))];
  const reply = runScript(connections.send, 'auditEntries', [keys.audit(ledger)], args);
  return asRows(await replyOf(reply), 2).map(([id = '', text = '']) =>
    parseAuditEntry({ id, revision: Number.parseInt(id, 10), text }),
  );
};

/** `=` distinguishes a filter for the empty text from no filter. */
const filter = (value: string | undefined): string => (value === undefined ? '' : `=${value}`);
