import type { DatabaseSync } from 'node:sqlite';

/** Every statement but the audit log's search, prepared once. */
export const statementsOf = (database: DatabaseSync) => ({
  ledger: database.prepare('SELECT number, head FROM ledgers WHERE kind = ? AND id = ?'),
  advance: database.prepare(
    `INSERT INTO ledgers (kind, id, head) VALUES (?, ?, ?)
     ON CONFLICT (kind, id) DO UPDATE SET head = excluded.head RETURNING number`,
  ),
  drop: database.prepare('DELETE FROM ledgers WHERE kind = ? AND id = ?'),
  everything: database.prepare(
    `SELECT collection, key, change_id, document FROM documents
     WHERE ledger = ? ORDER BY collection, key`,
  ),
  one: database.prepare(
    `SELECT collection, key, change_id, document FROM documents
     WHERE ledger = ? AND collection = ? AND key = ?`,
  ),
  firstPage: database.prepare(
    `SELECT collection, key, change_id, document FROM documents
     WHERE ledger = ? AND collection = ? ORDER BY key LIMIT ?`,
  ),
  nextPage: database.prepare(
    `SELECT collection, key, change_id, document FROM documents
     WHERE ledger = ? AND collection = ? AND key > ? ORDER BY key LIMIT ?`,
  ),
  put: database.prepare(
    `INSERT INTO documents (ledger, collection, key, change_id, document) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (ledger, collection, key)
     DO UPDATE SET change_id = excluded.change_id, document = excluded.document`,
  ),
  remove: database.prepare('DELETE FROM documents WHERE ledger = ? AND collection = ? AND key = ?'),
  clear: database.prepare('DELETE FROM documents WHERE ledger = ?'),
  log: database.prepare(
    `INSERT INTO audit (ledger, revision, at, kind, key, actor_id, actor_name, action, entry)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  ),
});

export type Statements = ReturnType<typeof statementsOf>;
