import type { DatabaseSync } from 'node:sqlite';

import { nextChangeId, revisionOf, type ChangeId } from '../change-id.ts';
import {
  versionOfRow,
  withinAuditBytes,
  type AuditPositionRow,
  type AuditRow,
  type DocumentRow,
  type VersionRow,
} from '../serialization.ts';
import type { Ledger } from '../store.ts';
import { auditStatement, entryNumber } from './audit-query.ts';
import { checkWritable, type OwnedDatabase } from './file.ts';
import type {
  CommitInput,
  CommitOutput,
  Input,
  LedgerPart,
  OperationName,
  Output,
  StagedRows,
} from './protocol.ts';
import { integerColumn, textColumn, transaction, type Row } from './sql.ts';
import type { usageOperationsIn } from './usage-operations.ts';

export type OperationTable = {
  readonly [Name in OperationName]: (input: Input<Name>) => Output<Name>;
};

/** Returns the operations on a database. Each is synchronous, so they never overlap. */
export const operationsOn = (
  { database, close }: OwnedDatabase,
  { closeUsage, ...usage }: UsageOperations,
): OperationTable => {
  const statements = prepareStatements(database);
  const find = (ledger: Ledger) => findLedger(statements, ledger);
  const staged = new Map<string, StagedRows[]>();
  return {
    read(query) {
      const found = find(query.ledger);
      return found && { id: found.head, ...readDocuments(statements, found.number, query) };
    },
    head: ledger => find(ledger)?.head,
    get({ ledger, collection, key }) {
      const found = find(ledger);
      const row = found && statements.document.get(found.number, collection, key);
      return row && documentRow(row);
    },
    versions({ ledger, collection, key, before, limit }) {
      const found = find(ledger);
      if (found === undefined) return [];
      const rows = statements.versions.all(found.number, collection, key, before, limit);
      return rows.map(row => ({ collection, ...versionColumns(row) }));
    },
    stage: part => void staged.set(part.nonce, [...(staged.get(part.nonce) ?? []), part]),
    commit(input) {
      const parts = [...(staged.get(input.nonce) ?? []), input];
      staged.delete(input.nonce);
      return transaction(database, () => commit(statements, input, parts));
    },
    drop: ({ kind, id }) => void statements.dropLedger.run(kind, id),
    clear(ledger) {
      const found = find(ledger);
      if (found !== undefined) transaction(database, () => clear(statements, found.number));
    },
    findAudit({ ledger, query }) {
      const found = find(ledger);
      if (found === undefined) return [];
      const { sql, values } = auditStatement(found.number, query);
      return database
        .prepare(sql)
        .all(...values)
        .map(auditPositionRow);
    },
    auditEntries({ ledger, ids }) {
      const found = find(ledger);
      return found === undefined ? [] : withinAuditBytes(entriesOf(statements, found.number, ids));
    },
    ...usage,
    ping: () => checkWritable(database),
    close() {
      closeUsage();
      close();
    },
  };
};

type UsageOperations = ReturnType<typeof usageOperationsIn>;

type Statements = ReturnType<typeof prepareStatements>;

/** Prepares every statement except the audit search, which depends on the query. */
const prepareStatements = (database: DatabaseSync) => ({
  ledger: database.prepare('SELECT number, head FROM ledgers WHERE kind = ? AND id = ?'),
  setHead: database.prepare(
    `INSERT INTO ledgers (kind, id, head) VALUES (?, ?, ?)
     ON CONFLICT (kind, id) DO UPDATE SET head = excluded.head RETURNING number`,
  ),
  dropLedger: database.prepare('DELETE FROM ledgers WHERE kind = ? AND id = ?'),
  allDocuments: database.prepare(
    `SELECT collection, key, change_id, document FROM documents
     WHERE ledger = ? AND (collection, key) > (?, ?) ORDER BY collection, key`,
  ),
  document: database.prepare(
    `SELECT collection, key, change_id, document FROM documents
     WHERE ledger = ? AND collection = ? AND key = ?`,
  ),
  putDocument: database.prepare(
    `INSERT INTO documents (ledger, collection, key, change_id, document) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (ledger, collection, key)
     DO UPDATE SET change_id = excluded.change_id, document = excluded.document`,
  ),
  deleteDocument: database.prepare(
    'DELETE FROM documents WHERE ledger = ? AND collection = ? AND key = ?',
  ),
  deleteAllDocuments: database.prepare('DELETE FROM documents WHERE ledger = ?'),
  versions: database.prepare(
    `SELECT key, version, entry FROM versions
     WHERE ledger = ? AND collection = ? AND key = ? AND version < ?
     ORDER BY version DESC LIMIT ?`,
  ),
  addVersion: database.prepare(
    `INSERT INTO versions (ledger, collection, key, version, entry) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (ledger, collection, key, version) DO UPDATE SET entry = excluded.entry`,
  ),
  deleteAllVersions: database.prepare('DELETE FROM versions WHERE ledger = ?'),
  auditEntry: database.prepare(
    'SELECT number, revision, entry FROM audit WHERE ledger = ? AND number = ?',
  ),
  appendAudit: database.prepare(
    `INSERT INTO audit
     (ledger, revision, at, kind, key, actor_id, actor_name, on_behalf_of, action, entry)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  ),
});

const findLedger = (statements: Statements, { kind, id }: Ledger) => {
  const row = statements.ledger.get(kind, id);
  return row && { number: integerColumn(row, 'number'), head: textColumn(row, 'head') };
};

/** Reads one entry at a time, so that reading can stop after any of them. */
function* entriesOf(
  { auditEntry }: Statements,
  ledger: number,
  ids: readonly string[],
): Generator<AuditRow> {
  for (const id of ids) {
    const row = auditEntry.get(ledger, entryNumber(id));
    if (row !== undefined) yield auditRow(row);
  }
}

const readDocuments = (
  { allDocuments }: Statements,
  ledger: number,
  { after = { collection: '', key: '' }, maxLength }: Input<'read'>,
): Pick<LedgerPart, 'documents' | 'next'> => {
  const documents: DocumentRow[] = [];
  let length = 0;
  for (const row of allDocuments.iterate(ledger, after.collection, after.key)) {
    const document = documentRow(row);
    documents.push(document);
    length += document.text.length;
    if (length >= maxLength) return { documents, next: document };
  }
  return { documents, next: undefined };
};

type Part = Pick<CommitInput, 'rows'>;

const commit = (
  statements: Statements,
  input: CommitInput,
  parts: readonly Part[],
): CommitOutput => {
  const previous = findLedger(statements, input.ledger)?.head ?? 'none';
  if (previous !== input.expect) return { committed: false, actual: previous };
  const id = nextChangeId(previous, input);
  const { kind, id: ledgerId } = input.ledger;
  const ledger = integerColumn(statements.setHead.get(kind, ledgerId, id), 'number');
  if (input.replaceAll) statements.deleteAllDocuments.run(ledger);
  for (const part of parts) writeRows(statements, ledger, id, part);
  appendAudit(statements, ledger, revisionOf(id), input);
  return { committed: true, id, previous };
};

const writeRows = (
  { putDocument, deleteDocument, addVersion }: Statements,
  ledger: number,
  id: ChangeId,
  { rows }: Part,
): void => {
  for (const row of rows) {
    const { collection, key, text } = row;
    if (row.isWritten && text === null) deleteDocument.run(ledger, collection, key);
    else if (row.isWritten) putDocument.run(ledger, collection, key, id, text);
    for (const { version, text: versionText } of versionOfRow(row))
      addVersion.run(ledger, collection, key, version, versionText);
  }
};

const clear = ({ deleteAllDocuments, deleteAllVersions }: Statements, ledger: number): void => {
  deleteAllDocuments.run(ledger);
  deleteAllVersions.run(ledger);
};

const appendAudit = (
  statements: Statements,
  ledger: number,
  revision: number,
  { audit }: CommitInput,
): void => {
  for (const row of audit) {
    const { at, kind, key, actorId, actorName, onBehalfOf, action, text } = row;
    const actor = [actorId, actorName, onBehalfOf] as const;
    statements.appendAudit.run(ledger, revision, at, kind, key, ...actor, action, text);
  }
};

const documentRow = (row: Row): DocumentRow => ({
  collection: textColumn(row, 'collection'),
  key: textColumn(row, 'key'),
  changeId: textColumn(row, 'change_id'),
  text: textColumn(row, 'document'),
});

const versionColumns = (row: Row): Omit<VersionRow, 'collection'> => ({
  key: textColumn(row, 'key'),
  version: integerColumn(row, 'version'),
  text: textColumn(row, 'entry'),
});

const auditRow = (row: Row): AuditRow => ({
  id: String(integerColumn(row, 'number')),
  revision: integerColumn(row, 'revision'),
  text: textColumn(row, 'entry'),
});

const auditPositionRow = (row: Row): AuditPositionRow => ({
  id: String(integerColumn(row, 'number')),
  at: integerColumn(row, 'at'),
});
