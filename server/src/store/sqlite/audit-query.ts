import type { SQLInputValue } from 'node:sqlite';

import type { AuditQuery } from '../store.ts';

type Condition = readonly [sql: string, value: SQLInputValue];

/** The ids of entries are their numbers. Anything else is treated as 0, and no entry is older than that. */
const ENTRY_ID = /^[1-9][0-9]{0,14}$/;

export const entryNumber = (id: string): number => (ENTRY_ID.test(id) ? Number(id) : 0);

/** Returns the statement, with its values, that finds a ledger's entries newest first, without reading them. */
export const auditStatement = (
  ledger: number,
  query: AuditQuery,
): { sql: string; values: SQLInputValue[] } => {
  const searches = actorConditions(query).map(actor =>
    newestNumbers([...conditions(ledger, query), ...actor], query.limit),
  );
  return {
    sql: `SELECT number, at FROM audit
      WHERE number IN (${searches.map(search => search.sql).join(' UNION ')})
      ORDER BY number DESC LIMIT ?`,
    values: [...searches.flatMap(search => search.values), query.limit],
  };
};

/** An actor is an id or a name: two searches, because each uses its own index. */
const actorConditions = ({ actor }: AuditQuery): Condition[][] =>
  actor === undefined ? [[]] : [[['actor_id = ?', actor]], [['actor_name = ?', actor]]];

const newestNumbers = (all: readonly Condition[], limit: number) => ({
  sql: `SELECT number FROM (
    SELECT number FROM audit WHERE ${all.map(([sql]) => sql).join(' AND ')} ORDER BY number DESC LIMIT ?
  )`,
  values: [...all.map(([, value]) => value), limit],
});

const conditions = (ledger: number, query: AuditQuery): Condition[] => [
  ['ledger = ?', ledger],
  ...ifSet('number < ?', query.before === undefined ? undefined : entryNumber(query.before)),
  ...ifSet('kind = ?', query.kind),
  ...ifSet('key = ?', query.key),
  ...ifSet("entry ->> '$.environment' = ?", query.environment),
  ...ifSet('on_behalf_of = ?', query.onBehalfOf),
  ...ifSet('action = ?', query.action),
  ...ifSet('at >= ?', query.from),
  ...ifSet('at < ?', query.until),
];

const ifSet = (sql: string, value: SQLInputValue | undefined): Condition[] =>
  value === undefined ? [] : [[sql, value]];
