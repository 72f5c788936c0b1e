import type { SQLInputValue } from 'node:sqlite';

import type { AuditQuery } from '../store.ts';

type Condition = readonly [sql: string, value: SQLInputValue];

/** Our entries' ids are their numbers. No entry is older than one that never was. */
const ENTRY_ID = /^[1-9][0-9]{0,14}$/;

const numberOf = (id: string): number => (ENTRY_ID.test(id) ? Number(id) : 0);

/** The statement, and its values, that finds a ledger's entries newest first. */
export const auditStatement = (
  ledger: number,
  query: AuditQuery,
): { sql: string; values: SQLInputValue[] } => {
  const arms = actorConditions(query).map(actor =>
    newest([...conditions(ledger, query), ...actor], query.limit),
  );
  return {
    sql: `SELECT number, revision, entry FROM audit
      WHERE number IN (${arms.map(arm => arm.sql).join(' UNION ')})
      ORDER BY number DESC LIMIT ?`,
    values: [...arms.flatMap(arm => arm.values), query.limit],
  };
};

/** An actor is named by id or by name: two searches, each along an index of its own. */
const actorConditions = ({ actor }: AuditQuery): Condition[][] =>
  actor === undefined ? [[]] : [[['actor_id = ?', actor]], [['actor_name = ?', actor]]];

const newest = (all: readonly Condition[], limit: number) => ({
  sql: `SELECT number FROM (
    SELECT number FROM audit WHERE ${all.map(([sql]) => sql).join(' AND ')} ORDER BY number DESC LIMIT ?
  )`,
  values: [...all.map(([, value]) => value), limit],
});

const conditions = (ledger: number, query: AuditQuery): Condition[] => [
  ['ledger = ?', ledger],
  ...given('number < ?', query.before === undefined ? undefined : numberOf(query.before)),
  ...given('kind = ?', query.kind),
  ...given('key = ?', query.key),
  ...given('action = ?', query.action),
  ...given('at >= ?', query.from),
  ...given('at < ?', query.until),
];

const given = (sql: string, value: SQLInputValue | undefined): Condition[] =>
  value === undefined ? [] : [[sql, value]];
