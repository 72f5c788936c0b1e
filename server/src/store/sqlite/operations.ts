import type { DatabaseSync } from 'node:sqlite';

import { formatChangeId, parseChangeId, revisionOf, type ChangeId } from '../change-id.ts';
import type { AuditRow, DocumentRow } from '../serialization.ts';
import { StoreError, type Ledger } from '../store.ts';
import { auditStatement } from './audit-query.ts';
import { proveWritable } from './file.ts';
import type {
  CommitAnswer,
  CommitRequest,
  Input,
  OperationName,
  Output,
  PageQuery,
} from './protocol.ts';
import { text, whole, type Row } from './row.ts';
import { statementsOf, type Statements } from './statements.ts';
import { atomically } from './transaction.ts';

export type OperationTable = {
  readonly [Name in OperationName]: (input: Input<Name>) => Output<Name>;
};

/** What can be asked of a database. Each is done whole, and before the next one begins. */
export const operationsOn = (database: DatabaseSync): OperationTable => {
  const statements = statementsOf(database);
  const find = (ledger: Ledger) => findLedger(statements, ledger);
  return {
    read(ledger) {
      const found = find(ledger);
      if (found === undefined) return undefined;
      return {
        id: found.head,
        documents: statements.everything.all(found.number).map(documentRow),
      };
    },
    head: ledger => find(ledger)?.head,
    get({ ledger, collection, key }) {
      const found = find(ledger);
      const row = found && statements.one.get(found.number, collection, key);
      return row && documentRow(row);
    },
    page(query) {
      const found = find(query.ledger);
      return found === undefined ? [] : pageRows(statements, found.number, query).map(documentRow);
    },
    commit: request => atomically(database, () => commit(statements, request)),
    drop: ({ kind, id }) => void statements.drop.run(kind, id),
    audit({ ledger, query }) {
      const found = find(ledger);
      if (found === undefined) return [];
      const { sql, values } = auditStatement(found.number, query);
      return database
        .prepare(sql)
        .all(...values)
        .map(auditRow);
    },
    ping: () => proveWritable(database),
    close: () => database.close(),
  };
};

const findLedger = (statements: Statements, { kind, id }: Ledger) => {
  const row = statements.ledger.get(kind, id);
  return row && { number: whole(row, 'number'), head: text(row, 'head') };
};

const pageRows = (statements: Statements, ledger: number, query: PageQuery) =>
  query.after === undefined
    ? statements.firstPage.all(ledger, query.collection, query.limit)
    : statements.nextPage.all(ledger, query.collection, query.after, query.limit);

const commit = (statements: Statements, request: CommitRequest): CommitAnswer => {
  const previous = findLedger(statements, request.ledger)?.head ?? 'none';
  if (previous !== request.expect) return { committed: false, actual: previous };
  const id = nextId(previous, request);
  const { kind, id: name } = request.ledger;
  const ledger = whole(statements.advance.get(kind, name, id), 'number');
  writeDocuments(statements, ledger, id, request);
  log(statements, ledger, id, request);
  return { committed: true, id, previous };
};

const nextId = (previous: ChangeId | 'none', request: CommitRequest): ChangeId => {
  if (previous === 'none') return formatChangeId(request.epoch, 1, request.nonce);
  const last = parseChangeId(previous);
  if (last === undefined) throw new StoreError('corrupt', `"${previous}" is no id of a change`);
  const epoch = request.replaceAll ? request.epoch : last.epoch;
  return formatChangeId(epoch, last.revision + 1, request.nonce);
};

const writeDocuments = (
  { clear, put, remove }: Statements,
  ledger: number,
  id: ChangeId,
  { replaceAll, writes }: CommitRequest,
): void => {
  if (replaceAll) clear.run(ledger);
  for (const { collection, key, text: document } of writes)
    if (document === null) remove.run(ledger, collection, key);
    else put.run(ledger, collection, key, id, document);
};

const log = (
  statements: Statements,
  ledger: number,
  id: ChangeId,
  { audit }: CommitRequest,
): void => {
  const revision = revisionOf(id);
  for (const { at, kind, key, actorId, actorName, action, text: entry } of audit)
    statements.log.run(ledger, revision, at, kind, key, actorId, actorName, action, entry);
};

const documentRow = (row: Row): DocumentRow => ({
  collection: text(row, 'collection'),
  key: text(row, 'key'),
  changeId: text(row, 'change_id'),
  text: text(row, 'document'),
});

const auditRow = (row: Row): AuditRow => ({
  id: String(whole(row, 'number')),
  revision: whole(row, 'revision'),
  text: text(row, 'entry'),
});
