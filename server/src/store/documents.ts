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
): Stored<Documents[Name]> => ({
  document: parseStored(row.text, nameOf(row)),
  changeId: row.changeId,
});

const nameOf = ({ collection, key }: WriteRow): string => `${collection}/${key}`;

/** The documents of each kind of ledger, by collection. */
export const RECORDS: {
  [Kind in LedgerKind]: (rows: readonly DocumentRow[]) => Snapshot<Kind>['records'];
} = {
  control: rows => ({ environments: collect('environments', rows), keys: collect('keys', rows) }),
  flagSet: rows => ({ flags: collect('flags', rows), segments: collect('segments', rows) }),
};

/** And back: the rows that a ledger's documents come to. */
export const ROWS: {
  [Kind in LedgerKind]: (records: Snapshot<Kind>['records']) => DocumentRow[];
} = {
  control: ({ environments, keys }) => [
    ...documentRows('environments', environments),
    ...documentRows('keys', keys),
  ],
  flagSet: ({ flags, segments }) => [
    ...documentRows('flags', flags),
    ...documentRows('segments', segments),
  ],
};

const documentRows = (
  collection: Collection,
  documents: ReadonlyMap<string, Stored<unknown>>,
): DocumentRow[] =>
  [...documents].map(([key, { document, changeId }]) => ({
    collection,
    key,
    text: JSON.stringify(document),
    changeId,
  }));

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
      .map(row => [row.key, row.text === null ? null : parseStored(row.text, nameOf(row))]),
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
  const draft = parseStored<AuditDraft>(row.text, `audit/${row.id}`);
  return { id: row.id, ...draft, revision: row.revision };
};

/**
 * JSON that this or an earlier version wrote, as what it was then. The one place where stored data is
 * taken for what it says: a newer format never gets this far, and damage shows as text that is no JSON.
 */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- what was stored is what is asked for
export const parseStored = <Value>(text: string, what: string): Value => {
  try {
    // oxlint-disable-next-line typescript/no-unsafe-return -- see above
    return JSON.parse(text);
  } catch {
    throw new StoreError(
      'corrupt',
      `what is stored as ${what} is damaged: it is no JSON. Restore a backup of the data`,
    );
  }
};
