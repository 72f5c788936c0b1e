import type { ChangeId } from '../change-id.ts';
import type { AuditDraftRow, AuditRow, DocumentRow, WriteRow } from '../serialization.ts';
import type { AuditQuery, Ledger, StoreErrorCode } from '../store.ts';

/**
 * What the store asks of the thread that owns the database, and what comes back. Documents and audit
 * entries travel as JSON text, exactly as they are kept: the thread never looks inside.
 */
export type Operations = {
  read: { input: Ledger; output: { id: ChangeId; documents: DocumentRow[] } | undefined };
  head: { input: Ledger; output: ChangeId | undefined };
  get: { input: DocumentQuery; output: DocumentRow | undefined };
  page: { input: PageQuery; output: DocumentRow[] };
  commit: { input: CommitRequest; output: CommitAnswer };
  drop: { input: Ledger; output: void };
  audit: { input: { ledger: Ledger; query: AuditQuery }; output: AuditRow[] };
  ping: { input: void; output: void };
  close: { input: void; output: void };
};
export type OperationName = keyof Operations;
export type Input<Name extends OperationName> = Operations[Name]['input'];
export type Output<Name extends OperationName> = Operations[Name]['output'];

export type Request<Name extends OperationName = OperationName> = {
  [Each in Name]: { name: Each; input: Input<Each> };
}[Name];

/** Answers come in the order of the requests, so neither carries a number. */
export type Answer<Name extends OperationName = OperationName> =
  { ok: true; output: Output<Name> } | Refusal;

/** An error across the thread's border; one without `trouble` is a mistake of ours. */
export type Refusal = { ok: false; code: StoreErrorCode | undefined; message: string };

export type DocumentQuery = { ledger: Ledger; collection: string; key: string };
export type PageQuery = {
  ledger: Ledger;
  collection: string;
  after: string | undefined;
  limit: number;
};

export type CommitRequest = {
  ledger: Ledger;
  expect: ChangeId | 'none';
  replaceAll: boolean;
  writes: WriteRow[];
  audit: AuditDraftRow[];
  /** The epoch to begin, should this commit begin one. */
  epoch: string;
  nonce: string;
};
export type CommitAnswer =
  | { committed: true; id: ChangeId; previous: ChangeId | 'none' }
  | { committed: false; actual: ChangeId | 'none' };
