import type { AuditAction, AuditEntry } from '@pennon/schema';

import type { ChangeId } from './change-id.ts';
import {
  StoreError,
  type AuditDraft,
  type Collection,
  type Documents,
  type LedgerKind,
  type Snapshot,
  type Stored,
  type Writes,
} from './store.ts';

/** A document as every store keeps it: JSON text, beside what it is found by. */
export type DocumentRow = { collection: string; key: string; text: string; changeId: ChangeId };

/** `text` null removes the document. */
export type WriteRow = { collection: string; key: string; text: string | null };

/** What the audit log is filtered by, and the whole entry as text. */
export type AuditDraftRow = {
  at: number;
  kind: AuditEntry['kind'];
  key: string;
  actorId: string;
  actorName: string;
  action: AuditAction;
  text: string;
};
export type AuditRow = { id: string; revision: number; text: string };

/** Between the port's documents and the JSON text that is kept. What was written by us is trusted. */
export const documentOf = <Name extends Collection>(
  _collection: Name,
  row: DocumentRow,
): Stored<Documents[Name]> => ({ document: parse(row.text, row), changeId: row.changeId });

/** The documents of each kind of ledger, by collection. */
export const RECORDS: {
  [Kind in LedgerKind]: (rows: readonly DocumentRow[]) => Snapshot<Kind>['records'];
} = {
  control: rows => ({ environments: collect('environments', rows), keys: collect('keys', rows) }),
  flagSet: rows => ({ flags: collect('flags', rows), segments: collect('segments', rows) }),
};

const collect = <Name extends Collection>(
  collection: Name,
  rows: readonly DocumentRow[],
): ReadonlyMap<string, Stored<Documents[Name]>> =>
  new Map(
    rows
      .filter(row => row.collection === collection)
      .map(row => [row.key, documentOf(collection, row)]),
  );

/**
 * A change's writes as every follower gets them: what a read would answer, and no object that the
 * writer still holds. Collections without writes are left out.
 */
export const WRITES: { [Kind in LedgerKind]: (rows: readonly WriteRow[]) => Writes<Kind> } = {
  control: rows => ({
    ...(touches('environments', rows) && { environments: written('environments', rows) }),
    ...(touches('keys', rows) && { keys: written('keys', rows) }),
  }),
  flagSet: rows => ({
    ...(touches('flags', rows) && { flags: written('flags', rows) }),
    ...(touches('segments', rows) && { segments: written('segments', rows) }),
  }),
};

const touches = (collection: Collection, rows: readonly WriteRow[]): boolean =>
  rows.some(row => row.collection === collection);

const written = <Name extends Collection>(
  collection: Name,
  rows: readonly WriteRow[],
): ReadonlyMap<string, Documents[Name] | null> =>
  new Map(
    rows
      .filter(row => row.collection === collection)
      .map(row => [row.key, row.text === null ? null : parse(row.text, row)]),
  );

/** The rows that a change's writes come to. */
export const rowsOf = <Kind extends LedgerKind>(writes: Writes<Kind>): WriteRow[] => {
  const byCollection: Readonly<Record<string, ReadonlyMap<string, unknown> | undefined>> = writes;
  return Object.entries(byCollection).flatMap(([collection, documents]) =>
    [...(documents ?? [])].map(([key, document]) => ({
      collection,
      key,
      text: document === null ? null : JSON.stringify(document),
    })),
  );
};

export const auditDraftRow = (draft: AuditDraft): AuditDraftRow => ({
  at: Date.parse(draft.at),
  kind: draft.kind,
  key: draft.key,
  actorId: draft.actor.id,
  actorName: draft.actor.name,
  action: draft.action,
  text: JSON.stringify(draft),
});

export const auditEntryOf = (row: AuditRow): AuditEntry => {
  const draft: AuditDraft = parse(row.text, { collection: 'audit', key: row.id });
  return { id: row.id, ...draft, revision: row.revision };
};

/** What JSON.parse answers: the type of whatever it is assigned to. */
const parse = (text: string, { collection, key }: { collection: string; key: string }) => {
  try {
    return JSON.parse(text);
  } catch {
    throw new StoreError(
      'corrupt',
      `what is stored as ${collection}/${key} is damaged: it is no JSON. Restore a backup of the data`,
    );
  }
};
