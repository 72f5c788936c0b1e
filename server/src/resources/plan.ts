import { AuditAction, type Warning } from '@pennon/schema';

import { auditDraft } from '../audit/record.ts';
import { canAccess, type Caller } from '../auth/caller.ts';
import { formatInstant } from '../clock.ts';
import type { WritePlan } from '../replication/writer.ts';
import { mapInSlices, runInSlices } from '../slices.ts';
import {
  VERSIONED_COLLECTIONS,
  type AuditDraft,
  type Collection,
  type Documents,
  type Ledger,
  type Store,
  type Stored,
  type Version,
} from '../store/store.ts';
import { recordsOf, withEtag, type WithEtag } from './read.ts';
import type { ResourceContext, ResourceName, ResourceType, ServerFields } from './resource-type.ts';

/** A document after a write: with its new entity tag, and warnings if there are any. */
export type WriteResult<Document> = WithEtag<Document> & Warnings;

/** Who writes, and in which environment. */
export type WriteScope = { readonly caller: Caller; readonly environment: string };

type Warnings = { warnings?: Warning[] | undefined };

/** What changes the state of an experiment. */
type RunAction = 'start' | 'restart' | 'stop' | 'decide';

/** Who writes what, where and when: for the audit log and the version. */
export type AuditInfo = WriteScope & {
  readonly action:
    | 'create'
    | 'replace'
    | 'update'
    | 'copy'
    | 'revert'
    | 'delete'
    | 'claim'
    | 'release'
    | RunAction;
  /** The environment of the document that a copy was made of. */
  readonly from?: string;
  /** In milliseconds since 1970. */
  readonly at: number;
};

/** Returns the warnings about a document in this environment, compared with others that the caller may read. */
export const warningsOf = async <Name extends ResourceName>(
  { type, registry }: ResourceContext<Name>,
  document: Documents[Name],
  { caller, environment }: WriteScope,
): Promise<Warnings> => {
  const all = registry.all().filter(live => canAccess(caller, live.environment));
  const elsewhere = all.flatMap(live => {
    const found = recordsOf(type, live.replica.current()).get(document.key);
    return live.environment === environment || found === undefined
      ? []
      : [[live.environment, found.document] as const];
  });
  const { flagSet } = all.find(live => live.environment === environment)?.view() ?? {};
  const warnings = await runInSlices(type.warnings(document, new Map(elsewhere), flagSet));
  return warnings.length === 0 ? {} : { warnings: [...warnings] };
};

/** Plans a commit that stores `document` in place of `current`. */
export const planPut = async <Name extends ResourceName>(
  context: ResourceContext<Name>,
  auditInfo: AuditInfo,
  document: Documents[Name],
  current: Documents[Name] | null,
): Promise<WritePlan<'flagSet', WriteResult<Documents[Name]>>> => ({
  ...(await putsOf(context, auditInfo, [{ document, current }])),
  result: changeId => writeResultOf(context, { document, changeId }, auditInfo),
});

/** A document to store, and the one that it replaces. */
export type Put<Document> = { readonly document: Document; readonly current: Document | null };

/** Returns the plan to store documents, without its result. Each gets a version and an audit entry. */
export const putsOf = async <Name extends ResourceName>(
  { type }: ResourceContext<Name>,
  auditInfo: AuditInfo,
  puts: readonly Put<Documents[Name]>[],
): Promise<Omit<WritePlan<'flagSet', unknown>, 'result'>> => {
  const entries = await mapInSlices(puts, ({ document, current }) => ({
    document,
    entry: auditOf(type, auditInfo, { key: document.key, before: current, after: document }),
  }));
  return {
    writes: type.writes(new Map(puts.map(({ document }) => [document.key, document]))),
    versions: type.versions(entries.map(({ document, entry }) => versionOf(entry, document))),
    audit: entries.map(({ entry }) => entry),
  };
};

/** Returns the version that a change makes of a document. */
export const versionOf = <Document>(
  { at, actor, action, comment }: AuditDraft,
  document: Document,
): Version<Document> => ({
  at,
  actor,
  action,
  ...(comment === undefined ? {} : { comment }),
  document,
});

/** Plans a commit that deletes the current document. */
export const planDelete = async <Name extends ResourceName>(
  context: ResourceContext<Name>,
  auditInfo: AuditInfo,
  current: Documents[Name],
): Promise<WritePlan<'flagSet', void>> => ({
  ...(await deletesOf(context, auditInfo, [current])),
  result: () => undefined,
});

/** Returns the plan to delete documents, without its result. Each gets an audit entry. */
export const deletesOf = async <Name extends ResourceName>(
  { type }: ResourceContext<Name>,
  auditInfo: AuditInfo,
  documents: readonly Documents[Name][],
): Promise<Omit<WritePlan<'flagSet', unknown>, 'result'>> => ({
  writes: type.writes(new Map(documents.map(({ key }) => [key, null]))),
  audit: await mapInSlices(documents, document =>
    auditOf(type, auditInfo, { key: document.key, before: document, after: null }),
  ),
});

/** Plans to commit nothing, because the stored document is already as it should be. */
export const planNothing = <Name extends ResourceName>(
  context: ResourceContext<Name>,
  stored: Stored<Documents[Name]>,
  scope: WriteScope,
): WritePlan<'flagSet', WriteResult<Documents[Name]>> => ({
  writes: {},
  audit: [],
  result: () => writeResultOf(context, stored, scope),
});

const writeResultOf = async <Name extends ResourceName>(
  context: ResourceContext<Name>,
  stored: Stored<Documents[Name]>,
  scope: WriteScope,
): Promise<WriteResult<Documents[Name]>> => ({
  ...withEtag(stored),
  ...(await warningsOf(context, stored.document, scope)),
});

const auditOf = (
  { kind }: Pick<ResourceType, 'kind'>,
  { caller, at, action, environment, from }: AuditInfo,
  change: { key: string; before: object | null; after: object | null },
) =>
  auditDraft(caller, at, {
    action: AuditAction.parse(`${kind}.${action}`),
    environment,
    from,
    ...change,
  });

/**
 * Returns the server fields of a document that replaces `current`, or that does not exist (null). A document
 * that existed before continues its versions, so each version of a key has one content.
 */
export const nextServerFields = async <Name extends ResourceName>(
  { store, type }: Pick<ResourceContext<Name>, 'store' | 'type'>,
  { ledger, key, current, at }: NextDocument<Documents[Name]>,
): Promise<ServerFields> => {
  if (current !== null) return serverFieldsAfter(current, at);
  const instant = formatInstant(at);
  const version = (await lastVersion(store, ledger, type.collection, key)) + 1;
  return { version, createdAt: instant, updatedAt: instant };
};

type NextDocument<Document> = {
  readonly ledger: Ledger;
  readonly key: string;
  readonly current: Document | null;
  readonly at: number;
};

/**
 * Returns the number of a document's last version, also if it was deleted; 0 if it never existed, or has no
 * versions.
 */
export const lastVersion = async (
  store: Pick<Store, 'versions'>,
  ledger: Ledger,
  collection: Collection,
  key: string,
): Promise<number> => {
  const versioned = VERSIONED_COLLECTIONS.find(name => name === collection);
  if (versioned === undefined) return 0;
  const [last] = await store.versions(ledger, versioned, { key, limit: 1 });
  return last?.document.version ?? 0;
};

/** `updatedAt` increases with every write, even if the clock does not. */
export const serverFieldsAfter = (current: ServerFields, now: number): ServerFields => ({
  version: current.version + 1,
  createdAt: current.createdAt,
  updatedAt: formatInstant(Math.max(now, Date.parse(current.updatedAt) + 1)),
});
