import type { ChangeId } from '../change-id.ts';
import type {
  AuditDraftRow,
  AuditPositionRow,
  AuditRow,
  CommitRow,
  DocumentRow,
  VersionRow,
} from '../serialization.ts';
import type {
  UsageClaim,
  UsageCount,
  UsageFlush,
  UsageLedger,
  UsageQuery,
} from '../usage-store.ts';
import type { AuditQuery, Ledger, StoreErrorCode, VersionedCollection } from '../store.ts';

/**
 * The operations of the thread that owns the database. Documents and audit entries are passed as the JSON
 * text that is stored; the thread never parses them.
 */
export type Operations = {
  read: { input: ReadQuery; output: LedgerPart | undefined };
  head: { input: Ledger; output: ChangeId | undefined };
  get: { input: DocumentQuery; output: DocumentRow | undefined };
  versions: { input: VersionQuery; output: VersionRow[] };
  stage: { input: StagedRows; output: void };
  commit: { input: CommitInput; output: CommitOutput };
  drop: { input: Ledger; output: void };
  clear: { input: Ledger; output: void };
  findAudit: { input: { ledger: Ledger; query: AuditQuery }; output: AuditPositionRow[] };
  auditEntries: { input: { ledger: Ledger; ids: readonly string[] }; output: AuditRow[] };
  addUsage: { input: UsageFlush; output: void };
  claimUsage: { input: UsageClaim; output: readonly boolean[] };
  readUsage: { input: { ledger: UsageLedger; query: UsageQuery }; output: readonly UsageCount[] };
  lastEvaluated: { input: UsageLedger; output: ReadonlyMap<string, number> };
  unknownFlags: { input: { ledger: UsageLedger; since: number }; output: readonly string[] };
  clearUsage: { input: UsageLedger; output: void };
  ping: { input: void; output: void };
  close: { input: void; output: void };
};
export type OperationName = keyof Operations;
export type Input<Name extends OperationName> = Operations[Name]['input'];
export type Output<Name extends OperationName> = Operations[Name]['output'];

export type ThreadRequest<Name extends OperationName = OperationName> = {
  [Each in Name]: { name: Each; input: Input<Each> };
}[Name];

/** Replies are sent in the order of the requests, so they need no id. */
export type ThreadReply<Name extends OperationName = OperationName> =
  { ok: true; output: Output<Name> } | ThreadError;

/** An error in the thread. Without a `code` it is a bug, not a StoreError. */
export type ThreadError = { ok: false; code: StoreErrorCode | undefined; message: string };

/** Documents after a position, until their text has this length. */
export type ReadQuery = { ledger: Ledger; after: Position | undefined; maxLength: number };
export type Position = { collection: string; key: string };

/** A part of a ledger as of a change. `next` is set if more documents follow after it. */
export type LedgerPart = { id: ChangeId; documents: DocumentRow[]; next: Position | undefined };

export type DocumentQuery = { ledger: Ledger; collection: string; key: string };

export type VersionQuery = {
  ledger: Ledger;
  collection: VersionedCollection;
  key: string;
  before: number;
  limit: number;
};

/** A part of what the commit with this nonce writes. */
export type StagedRows = { nonce: string; rows: readonly CommitRow[] };

/** A commit. It writes its own rows after those that were staged for it. */
export type CommitInput = {
  ledger: Ledger;
  expect: ChangeId | 'none';
  replaceAll: boolean;
  rows: readonly CommitRow[];
  audit: AuditDraftRow[];
  /** The new epoch, if this commit starts one. */
  epoch: string;
  nonce: string;
};
export type CommitOutput =
  | { committed: true; id: ChangeId; previous: ChangeId | 'none' }
  | { committed: false; actual: ChangeId | 'none' };
