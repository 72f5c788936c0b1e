import { PersistentMap } from '@pennon/engine/persistent-map';
import type { Actor, AuditAction, AuditEntry, Flag, Segment } from '@pennon/schema';

import { formatInstant } from '../clock.ts';
import { isLarge, mapSteps, runAtOnce, runInSlices, type Steps } from '../slices.ts';
import type { ChangeId } from './change-id.ts';
import {
  AUDIT_BYTES,
  CONTROL_LEDGER,
  StoreError,
  type AuditDraft,
  type AuditPosition,
  type Collection,
  type Commit,
  type Copies,
  type Documents,
  type Ledger,
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
  collection: string;
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

/** Returns the documents of a ledger. Takes time with many of them, so it can be done in slices. */
export const recordSteps = <Kind extends LedgerKind>(
  kind: Kind,
  rows: readonly DocumentRow[],
): Steps<Snapshot<Kind>['records']> => RECORD_PARSERS[kind](rows);

const RECORD_PARSERS: {
  [Kind in LedgerKind]: (rows: readonly DocumentRow[]) => Steps<Snapshot<Kind>['records']>;
} = {
  *control(rows) {
    return {
      environments: yield* collectionSteps('environments', rows),
      keys: yield* collectionSteps('keys', rows),
      deletedEnvironments: yield* collectionSteps('deletedEnvironments', rows),
      sessions: yield* collectionSteps('sessions', rows),
      people: yield* collectionSteps('people', rows),
      groups: yield* collectionSteps('groups', rows),
      invitations: yield* collectionSteps('invitations', rows),
      tokens: yield* collectionSteps('tokens', rows),
      secrets: yield* collectionSteps('secrets', rows),
    };
  },
  *flagSet(rows) {
    return {
      flags: yield* collectionSteps('flags', rows),
      segments: yield* collectionSteps('segments', rows),
      metrics: yield* collectionSteps('metrics', rows),
      experiments: yield* collectionSteps('experiments', rows),
      layers: yield* collectionSteps('layers', rows),
      ramps: yield* collectionSteps('ramps', rows),
    };
  },
  *workflow(rows) {
    return {
      contexts: yield* collectionSteps('contexts', rows),
      results: yield* collectionSteps('results', rows),
    };
  },
};

function* collectionSteps<Name extends Collection>(
  collection: Name,
  rows: readonly DocumentRow[],
): Steps<PersistentMap<Stored<Documents[Name]>>> {
  const documents = new Map<string, Stored<Documents[Name]>>();
  for (const row of rows) {
    if (row.collection !== collection) continue;
    documents.set(row.key, parseDocument(collection, row));
    yield;
  }
  return PersistentMap.from(documents);
}

/** Serializes the documents of a ledger one by one. */
export function* rowsOfRecords<Kind extends LedgerKind>(
  records: Snapshot<Kind>['records'],
): Generator<DocumentRow, void, void> {
  const byCollection: Readonly<Record<string, ReadonlyMap<string, Stored<unknown>>>> = records;
  for (const [collection, documents] of Object.entries(byCollection))
    for (const [key, { document, changeId }] of documents)
      yield { collection, key, text: JSON.stringify(document), changeId };
}

/**
 * Parses the writes of a change. Followers receive these, so they get what a read would return and never
 * an object that the writer still holds. Collections without writes are left out.
 */
export const parseWrites = <Kind extends LedgerKind>(
  kind: Kind,
  rows: readonly WriteRow[],
): Writes<Kind> => runAtOnce(writeSteps(kind, rows));

export const writeSteps = <Kind extends LedgerKind>(
  kind: Kind,
  rows: readonly WriteRow[],
): Steps<Writes<Kind>> => WRITE_PARSERS[kind](rows);

const WRITE_PARSERS: {
  [Kind in LedgerKind]: (rows: readonly WriteRow[]) => Steps<Writes<Kind>>;
} = {
  *control(rows) {
    return {
      ...(hasWritesTo('environments', rows) && {
        environments: yield* collectionWriteSteps('environments', rows),
      }),
      ...(hasWritesTo('keys', rows) && { keys: yield* collectionWriteSteps('keys', rows) }),
      ...(hasWritesTo('deletedEnvironments', rows) && {
        deletedEnvironments: yield* collectionWriteSteps('deletedEnvironments', rows),
      }),
      ...(hasWritesTo('sessions', rows) && {
        sessions: yield* collectionWriteSteps('sessions', rows),
      }),
      ...(hasWritesTo('people', rows) && {
        people: yield* collectionWriteSteps('people', rows),
      }),
      ...(hasWritesTo('groups', rows) && {
        groups: yield* collectionWriteSteps('groups', rows),
      }),
      ...(hasWritesTo('invitations', rows) && {
        invitations: yield* collectionWriteSteps('invitations', rows),
      }),
      ...(hasWritesTo('tokens', rows) && {
        tokens: yield* collectionWriteSteps('tokens', rows),
      }),
      ...(hasWritesTo('secrets', rows) && {
        secrets: yield* collectionWriteSteps('secrets', rows),
      }),
    };
  },
  *flagSet(rows) {
    return {
      ...(hasWritesTo('flags', rows) && { flags: yield* collectionWriteSteps('flags', rows) }),
      ...(hasWritesTo('segments', rows) && {
        segments: yield* collectionWriteSteps('segments', rows),
      }),
      ...(hasWritesTo('metrics', rows) && {
        metrics: yield* collectionWriteSteps('metrics', rows),
      }),
      ...(hasWritesTo('experiments', rows) && {
        experiments: yield* collectionWriteSteps('experiments', rows),
      }),
      ...(hasWritesTo('layers', rows) && {
        layers: yield* collectionWriteSteps('layers', rows),
      }),
      ...(hasWritesTo('ramps', rows) && { ramps: yield* collectionWriteSteps('ramps', rows) }),
    };
  },
  *workflow(rows) {
    return {
      ...(hasWritesTo('contexts', rows) && {
        contexts: yield* collectionWriteSteps('contexts', rows),
      }),
      ...(hasWritesTo('results', rows) && {
        results: yield* collectionWriteSteps('results', rows),
      }),
    };
  },
};

const hasWritesTo = (collection: Collection, rows: readonly WriteRow[]): boolean =>
  rows.some(row => row.collection === collection);

function* collectionWriteSteps<Name extends Collection>(
  collection: Name,
  rows: readonly WriteRow[],
): Steps<ReadonlyMap<string, Documents[Name] | null>> {
  const written = new Map<string, Documents[Name] | null>();
  for (const row of rows) {
    if (row.collection !== collection) continue;
    written.set(row.key, row.text === null ? null : parseStored(row.text, nameOf(row)));
    yield;
  }
  return written;
}

/** Returns how many documents there are in all collections. */
export const countDocuments = (
  collections: Readonly<Record<string, ReadonlyMap<string, unknown> | undefined>>,
): number => Object.values(collections).reduce((sum, each) => sum + (each?.size ?? 0), 0);

/** A document that a commit writes, or only adds a version of. */
export type CommitRow = WriteRow & {
  readonly isWritten: boolean;
  readonly version: NewVersion | undefined;
};

/** The number of a version, and what its JSON has before the document. */
type NewVersion = { readonly number: number; readonly start: string };

const newVersion = ({ document, ...others }: Version<Flag | Segment>): NewVersion => ({
  number: document.version,
  start: `${JSON.stringify(withStoredActor(others)).slice(0, -1)},"document":`,
});

/** Returns the version that a row adds, as it is stored. */
export const versionOfRow = ({ collection, key, text, version }: CommitRow): VersionRow[] =>
  version === undefined
    ? []
    : [{ collection, key, version: version.number, text: `${version.start}${text}}` }];

type Rows<Result> = Generator<CommitRow, Result, void>;

/**
 * Serializes what a commit writes, one document after the other, so that not all texts need to be in memory.
 * Returns the writes that its followers receive.
 */
export const commitRows = <Kind extends LedgerKind>(
  kind: Kind,
  commit: Written<Kind>,
): Rows<Writes<Kind>> => COMMIT_ROWS[kind](commit);

type Written<Kind extends LedgerKind> = Pick<Commit<Kind>, 'writes' | 'versions'>;

const COMMIT_ROWS: {
  [Kind in LedgerKind]: (commit: Written<Kind>) => Rows<Writes<Kind>>;
} = {
  *control({ writes }) {
    const environments = yield* rowsOf('environments', writes.environments);
    const keys = yield* rowsOf('keys', writes.keys);
    const deletedEnvironments = yield* rowsOf('deletedEnvironments', writes.deletedEnvironments);
    const sessions = yield* rowsOf('sessions', writes.sessions);
    const people = yield* rowsOf('people', writes.people);
    const groups = yield* rowsOf('groups', writes.groups);
    const invitations = yield* rowsOf('invitations', writes.invitations);
    const tokens = yield* rowsOf('tokens', writes.tokens);
    const secrets = yield* rowsOf('secrets', writes.secrets);
    return {
      ...(environments && { environments }),
      ...(keys && { keys }),
      ...(deletedEnvironments && { deletedEnvironments }),
      ...(sessions && { sessions }),
      ...(people && { people }),
      ...(groups && { groups }),
      ...(invitations && { invitations }),
      ...(tokens && { tokens }),
      ...(secrets && { secrets }),
    };
  },
  *flagSet({ writes, versions }) {
    const flags = yield* rowsOf('flags', writes.flags, versions?.flags);
    const segments = yield* rowsOf('segments', writes.segments, versions?.segments);
    const metrics = yield* rowsOf('metrics', writes.metrics);
    const experiments = yield* rowsOf('experiments', writes.experiments);
    const layers = yield* rowsOf('layers', writes.layers);
    const ramps = yield* rowsOf('ramps', writes.ramps);
    yield* otherVersions('flags', writes.flags, versions?.flags);
    yield* otherVersions('segments', writes.segments, versions?.segments);
    return {
      ...(flags && { flags }),
      ...(segments && { segments }),
      ...(metrics && { metrics }),
      ...(experiments && { experiments }),
      ...(layers && { layers }),
      ...(ramps && { ramps }),
    };
  },
  *workflow({ writes }) {
    const contexts = yield* rowsOf('contexts', writes.contexts);
    const results = yield* rowsOf('results', writes.results);
    return { ...(contexts && { contexts }), ...(results && { results }) };
  },
};

function* rowsOf<Name extends Collection>(
  collection: Name,
  documents: ReadonlyMap<string, Documents[Name] | null> | undefined,
  versions: readonly Version<Flag | Segment>[] = [],
): Rows<ReadonlyMap<string, Documents[Name] | null> | undefined> {
  if (documents === undefined || documents.size === 0) return undefined;
  const byDocument = new Map<unknown, Version<Flag | Segment>>();
  for (const version of versions) byDocument.set(version.document, version);
  const received = new Map<string, Documents[Name] | null>();
  for (const [key, document] of documents) {
    const text = document && JSON.stringify(document);
    const row = { collection, key, text };
    received.set(key, text === null ? null : parseStored(text, nameOf(row)));
    const version = byDocument.get(document);
    yield { ...row, isWritten: true, version: version && newVersion(version) };
  }
  return received;
}

/** The versions of documents that the commit does not write. */
function* otherVersions<Document extends Flag | Segment>(
  collection: VersionedCollection,
  documents: ReadonlyMap<string, Document | null> | undefined,
  versions: readonly Version<Document>[] = [],
): Rows<void> {
  for (const version of versions) {
    const { document } = version;
    if (documents?.get(document.key) === document) continue;
    const row = { collection, key: document.key, text: JSON.stringify(document) };
    yield { ...row, isWritten: false, version: newVersion(version) };
  }
}

/** A commit as it is stored, and the writes that its followers receive. */
export type SerializedCommit<Kind extends LedgerKind> = {
  readonly rows: readonly CommitRow[];
  readonly writes: Writes<Kind>;
  readonly audit: AuditDraftRow[];
};

function* serializeSteps<Kind extends LedgerKind>(
  kind: Kind,
  commit: Written<Kind> & Pick<Commit<Kind>, 'audit'>,
): Steps<SerializedCommit<Kind>> {
  const rows: CommitRow[] = [];
  for (const all = commitRows(kind, commit); ;) {
    const { done, value } = all.next();
    if (done === true) return { rows, writes: value, audit: yield* auditSteps(commit.audit) };
    rows.push(value);
    yield;
  }
}

/** Serializes a commit: in slices if it is large, otherwise before this returns. */
export const serializeCommit = <Kind extends LedgerKind>(
  kind: Kind,
  commit: Written<Kind> & Pick<Commit<Kind>, 'audit'>,
): Promise<SerializedCommit<Kind>> | SerializedCommit<Kind> => {
  const steps = serializeSteps(kind, commit);
  return isLarge(countDocuments(commit.writes)) ? runInSlices(steps) : runAtOnce(steps);
};

/** Documents of a copy of one ledger. */
type CopyPart = {
  readonly kind: LedgerKind;
  readonly ledger: string;
  readonly id: ChangeId;
  readonly documents: DocumentRow[];
};

/** Serializes copies in parts, each of which takes a few milliseconds. */
export function* copyParts({ control, flagSets }: Copies): Generator<string, void> {
  if (control !== undefined) yield* partsOfCopy(CONTROL_LEDGER, control);
  for (const [id, snapshot] of flagSets) yield* partsOfCopy({ kind: 'flagSet', id }, snapshot);
}

const COPY_PART_LENGTH = 262_144;

function* partsOfCopy<Kind extends LedgerKind>(
  { kind, id: ledger }: Ledger<Kind>,
  { id, records }: Snapshot<Kind>,
): Generator<string, void> {
  let documents: DocumentRow[] = [];
  let length = 0;
  const part = () => JSON.stringify({ kind, ledger, id, documents } satisfies CopyPart);
  for (const row of rowsOfRecords<Kind>(records)) {
    documents.push(row);
    length += row.text.length;
    if (length < COPY_PART_LENGTH) continue;
    yield part();
    [documents, length] = [[], 0];
  }
  // A ledger without documents has one part.
  yield part();
}

/** Parses copies from all of their parts. */
export function* copySteps(parts: Iterable<string>): Steps<Copies> {
  const ledgers = new Map<string, CopyPart>();
  for (const text of parts) {
    const part = parseStored<CopyPart>(text, 'copies of ledgers');
    const known = ledgers.get(part.ledger);
    if (known === undefined) ledgers.set(part.ledger, part);
    else known.documents.push(...part.documents);
    yield;
  }
  let control: Snapshot<'control'> | undefined;
  const flagSets = new Map<string, Snapshot<'flagSet'>>();
  for (const { kind, ledger, id, documents } of ledgers.values())
    if (kind === 'control') control = { id, records: yield* recordSteps(kind, documents) };
    else flagSets.set(ledger, { id, records: yield* recordSteps(kind, documents) });
  return { control, flagSets };
}

export function* versionSteps({ flags = [], segments = [] }: NewVersions): Steps<VersionRow[]> {
  return [
    ...(yield* mapSteps(flags, version => versionRow('flags', version))),
    ...(yield* mapSteps(segments, version => versionRow('segments', version))),
  ];
}

const versionRow = <Name extends VersionedCollection>(
  collection: Name,
  version: Version<Documents[Name]>,
): VersionRow => ({
  collection,
  key: version.document.key,
  version: version.document.version,
  text: JSON.stringify(withStoredActor(version)),
});

export const parseVersion = <Name extends VersionedCollection>(
  collection: Name,
  { key, text }: { readonly key: string; readonly text: string },
): Version<Documents[Name]> => {
  const what = `a version of ${collection}/${key}`;
  const version = parseStored<StoredVersion<Documents[Name]>>(text, what);
  return { ...version, actor: actorOf(version.actor) };
};

type StoredVersion<Document> = WithStoredActor<Omit<Version<unknown>, 'document'>> & {
  readonly document: Document;
};

/** An entry with an actor as it is stored: only people have a kind, so that earlier versions can read the others. */
type StoredActor = Omit<Actor, 'kind'> & Partial<Pick<Actor, 'kind'>>;
type WithStoredActor<Entry> = Omit<Entry, 'actor'> & { readonly actor: StoredActor };

const withStoredActor = <Entry extends { readonly actor: Actor }>(
  entry: Entry,
): WithStoredActor<Entry> => {
  const { kind, ...others } = entry.actor;
  return kind === 'person' ? entry : { ...entry, actor: others };
};

/** Returns an actor with the kind that it was stored without. */
const actorOf = (stored: StoredActor): Actor => ({
  kind: isSystem(stored.id) ? 'system' : 'key',
  ...stored,
});

/** No key has such an id. */
const isSystem = (id: string): boolean => id === 'system' || id.startsWith('pennon:');

/** Serializes audit entries one by one: each has a document before and after a change. */
export const auditSteps = (audit: readonly AuditDraft[]): Steps<AuditDraftRow[]> =>
  mapSteps(audit, serializeAuditDraft);

export const serializeAuditDraft = (draft: AuditDraft): AuditDraftRow => ({
  at: Date.parse(draft.at),
  kind: draft.kind,
  key: draft.key,
  actorId: draft.actor.id,
  actorName: draft.actor.name,
  onBehalfOf: draft.actor.onBehalfOf ?? null,
  action: draft.action,
  text: JSON.stringify(withStoredActor(draft)),
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
  const draft = parseStored<WithStoredActor<AuditDraft>>(row.text, `audit/${row.id}`);
  return { id: row.id, ...draft, actor: actorOf(draft.actor), revision: row.revision };
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
