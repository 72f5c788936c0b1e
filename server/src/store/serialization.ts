import { PersistentMap } from '@pennon/engine/persistent-map';
import type { AuditAction, AuditEntry } from '@pennon/schema';

import { formatInstant } from '../clock.ts';
import type { ChangeId } from './change-id.ts';
import {
  AUDIT_BYTES,
  StoreError,
  type AuditDraft,
  type AuditPosition,
  type Collection,
  type Copies,
  type Documents,
  type LedgerKind,
  type NewVersions,
  type Snapshot,
  type Stored,
  type Version,
  type VersionedCollection,
  type Writes,
} from './store.ts';

/** A stored document: JSON text, with the collection and key to find it by. */
export type DocumentRow = { collection: string; key: string; text: string; changeId: ChangeId };

/** A written document. `text` null deletes it. */
export type WriteRow = { collection: string; key: string; text: string | null };

/** A version of a document as JSON text. */
export type VersionRow = {
  collection: VersionedCollection;
  key: string;
  version: number;
  text: string;
};

/** An audit entry as JSON text, with the fields that the audit log can be filtered by. */
export type AuditDraftRow = {
  at: number;
  kind: AuditEntry['kind'];
  key: string;
  actorId: string;
  actorName: string;
  onBehalfOf: string | null;
  action: AuditAction;
  text: string;
};
export type AuditRow = { id: string; revision: number; text: string };

/** `at` is in milliseconds since 1970. */
export type AuditPositionRow = { id: string; at: number };

export const parseDocument = <Name extends Collection>(
  _collection: Name,
  row: DocumentRow,
): Stored<Documents[Name]> => ({
  document: parseStored(row.text, nameOf(row)),
  changeId: row.changeId,
});

const nameOf = ({ collection, key }: WriteRow): string => `${collection}/${key}`;

export const parseRecords = <Kind extends LedgerKind>(
  kind: Kind,
  rows: readonly DocumentRow[],
): Snapshot<Kind>['records'] => RECORD_PARSERS[kind](rows);

const RECORD_PARSERS: {
  [Kind in LedgerKind]: (rows: readonly DocumentRow[]) => Snapshot<Kind>['records'];
} = {
  control: rows => ({
    environments: parseCollection('environments', rows),
    keys: parseCollection('keys', rows),
    deletedEnvironments: parseCollection('deletedEnvironments', rows),
  }),
  flagSet: rows => ({
    flags: parseCollection('flags', rows),
    segments: parseCollection('segments', rows),
  }),
};

const parseCollection = <Name extends Collection>(
  collection: Name,
  rows: readonly DocumentRow[],
): PersistentMap<Stored<Documents[Name]>> =>
  PersistentMap.from(
    rows
      .filter(row => row.collection === collection)
      .map(row => [row.key, parseDocument(collection, row)] as const),
  );

export const serializeRecords = <Kind extends LedgerKind>(
  _kind: Kind,
  records: Snapshot<Kind>['records'],
): DocumentRow[] => {
  const byCollection: Readonly<Record<string, ReadonlyMap<string, Stored<unknown>>>> = records;
  return Object.entries(byCollection).flatMap(([collection, documents]) =>
    [...documents].map(([key, { document, changeId }]) => ({
      collection,
      key,
      text: JSON.stringify(document),
      changeId,
    })),
  );
};

/**
 * Parses the writes of a change. Followers receive these, so they get what a read would return and never
 * an object that the writer still holds. Collections without writes are left out.
 */
export const parseWrites = <Kind extends LedgerKind>(
  kind: Kind,
  rows: readonly WriteRow[],
): Writes<Kind> => WRITE_PARSERS[kind](rows);

const WRITE_PARSERS: { [Kind in LedgerKind]: (rows: readonly WriteRow[]) => Writes<Kind> } = {
  control: rows => ({
    ...(hasWritesTo('environments', rows) && {
      environments: parseCollectionWrites('environments', rows),
    }),
    ...(hasWritesTo('keys', rows) && { keys: parseCollectionWrites('keys', rows) }),
    ...(hasWritesTo('deletedEnvironments', rows) && {
      deletedEnvironments: parseCollectionWrites('deletedEnvironments', rows),
    }),
  }),
  flagSet: rows => ({
    ...(hasWritesTo('flags', rows) && { flags: parseCollectionWrites('flags', rows) }),
    ...(hasWritesTo('segments', rows) && { segments: parseCollectionWrites('segments', rows) }),
  }),
};

const hasWritesTo = (collection: Collection, rows: readonly WriteRow[]): boolean =>
  rows.some(row => row.collection === collection);

const parseCollectionWrites = <Name extends Collection>(
  collection: Name,
  rows: readonly WriteRow[],
): ReadonlyMap<string, Documents[Name] | null> =>
  new Map(
    rows
      .filter(row => row.collection === collection)
      .map(row => [row.key, row.text === null ? null : parseStored(row.text, nameOf(row))]),
  );

export const serializeWrites = <Kind extends LedgerKind>(writes: Writes<Kind>): WriteRow[] => {
  const byCollection: Readonly<Record<string, ReadonlyMap<string, unknown> | undefined>> = writes;
  return Object.entries(byCollection).flatMap(([collection, documents]) =>
    [...(documents ?? [])].map(([key, document]) => ({
      collection,
      key,
      text: document === null ? null : JSON.stringify(document),
    })),
  );
};

type SnapshotRows = { readonly id: ChangeId; readonly documents: DocumentRow[] };

const serializeSnapshot = <Kind extends LedgerKind>(
  kind: Kind,
  { id, records }: Snapshot<Kind>,
): SnapshotRows => ({ id, documents: serializeRecords(kind, records) });

const parseSnapshot = <Kind extends LedgerKind>(
  kind: Kind,
  { id, documents }: SnapshotRows,
): Snapshot<Kind> => ({ id, records: parseRecords(kind, documents) });

export const serializeCopies = ({ control, flagSets }: Copies): string =>
  JSON.stringify({
    control: control && serializeSnapshot('control', control),
    flagSets: [...flagSets].map(([id, each]) => [id, serializeSnapshot('flagSet', each)]),
  });

type CopiesRows = {
  readonly control?: SnapshotRows;
  readonly flagSets: readonly (readonly [ledger: string, rows: SnapshotRows])[];
};

export const parseCopies = (text: string): Copies => {
  const { control, flagSets } = parseStored<CopiesRows>(text, 'copies of ledgers');
  return {
    control: control && parseSnapshot('control', control),
    flagSets: new Map(flagSets.map(([id, rows]) => [id, parseSnapshot('flagSet', rows)])),
  };
};

export const serializeVersions = ({
  flags = [],
  segments = [],
}: NewVersions = {}): VersionRow[] => [
  ...flags.map(version => versionRow('flags', version)),
  ...segments.map(version => versionRow('segments', version)),
];

const versionRow = <Name extends VersionedCollection>(
  collection: Name,
  version: Version<Documents[Name]>,
): VersionRow => ({
  collection,
  key: version.document.key,
  version: version.document.version,
  text: JSON.stringify(version),
});

export const parseVersion = <Name extends VersionedCollection>(
  collection: Name,
  { key, text }: { readonly key: string; readonly text: string },
): Version<Documents[Name]> => parseStored(text, `a version of ${collection}/${key}`);

export const serializeAuditDraft = (draft: AuditDraft): AuditDraftRow => ({
  at: Date.parse(draft.at),
  kind: draft.kind,
  key: draft.key,
  actorId: draft.actor.id,
  actorName: draft.actor.name,
  onBehalfOf: draft.actor.onBehalfOf ?? null,
  action: draft.action,
  text: JSON.stringify(draft),
});

export const parseAuditPosition = ({ id, at }: AuditPositionRow): AuditPosition => ({
  id,
  at: formatInstant(at),
});

/** Returns the first rows, as many as have `AUDIT_BYTES` together; at least one. */
export const withinAuditBytes = <Row extends Pick<AuditRow, 'text'>>(
  rows: Iterable<Row>,
): Row[] => {
  const taken: Row[] = [];
  let length = 0;
  for (const row of rows) {
    length += row.text.length;
    if (taken.length > 0 && length > AUDIT_BYTES) break;
    taken.push(row);
  }
  return taken;
};

export const parseAuditEntry = (row: AuditRow): AuditEntry => {
  const draft = parseStored<AuditDraft>(row.text, `audit/${row.id}`);
  return { id: row.id, ...draft, revision: row.revision };
};

/**
 * Parses JSON that this or an earlier version stored, and trusts its type. Stores refuse newer formats
 * before they get here, so only damage can make the text invalid.
 */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the caller names the stored type
export const parseStored = <Value>(text: string, what: string): Value => {
  try {
    // oxlint-disable-next-line typescript/no-unsafe-return -- see above
    return JSON.parse(text);
  } catch {
    throw new StoreError(
      'corrupt',
      `the stored data of ${what} is damaged: it is not JSON. Restore a backup of the data`,
    );
  }
};
