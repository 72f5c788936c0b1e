import { serverManagedFields, type Actor, type AuditAction } from '@pennon/schema';

import { environmentOf, type Caller } from '../auth/caller.ts';
import { PennonError } from '../errors.ts';
import type { FlagSetView } from '../flag-set/live-flag-set.ts';
import { cursorsFor, type Page, type PageQuery } from '../page.ts';
import type { WritePlan } from '../replication/writer.ts';
import { nextTurn } from '../slices.ts';
import {
  requireLedger,
  type Documents,
  type Ledger,
  type Version,
  type VersionedCollection,
  type VersionRange,
} from '../store/store.ts';
import { differences, type Difference } from './differences.ts';
import { lastVersion, nextServerFields, planNothing, planPut, type WriteResult } from './plan.ts';
import { notFound, recordsOf } from './read.ts';
import type { ResourceContext, ResourceKey, ResourceType } from './resource-type.ts';
import { requireCurrentTag, type ConditionalKey } from './write.ts';

/** One version of a document in a list: who made it, when, and which fields it changed. */
export type VersionSummary = {
  version: number;
  at: string;
  actor: Actor;
  action: AuditAction;
  comment?: string | undefined;
  changed: string[];
};

export type VersionKey = ResourceKey & { readonly version: number };

/** How two versions differ, from the older to the newer one. */
export type VersionDifferences = {
  key: string;
  environment: string;
  /** null: the first version is compared with nothing. */
  from: number | null;
  to: number;
  differences: Difference[];
};

/** Returns a page of the versions of a document, newest first. The cursor is the last version of the page. */
export const listVersions = async <Name extends VersionedCollection>(
  context: ResourceContext<Name>,
  caller: Caller,
  { environment: requested, key, limit, cursor }: ResourceKey & PageQuery,
): Promise<Page<VersionSummary>> => {
  const { type, registry } = context;
  const environment = environmentOf(caller, requested);
  const { ledger } = registry.find(environment).replica;
  const cursors = cursorsFor(ledger.id, [type.collection, 'versions', key]);
  const position = cursors.read(cursor);
  const before = position === undefined ? undefined : Number(position);
  const items: VersionSummary[] = [];
  for await (const summary of summariesBefore(context, ledger, { key, before })) {
    const last = items.at(-1);
    if (last !== undefined && items.length === limit)
      return { items, nextCursor: cursors.write(String(last.version)) };
    items.push(summary);
  }
  if (items.length === 0 && before === undefined) await requireDocument(context, environment, key);
  return { items, nextCursor: null };
};

/** How many versions are read at once. Each may have hundreds of kilobytes. */
const VERSIONS_AT_ONCE = 5;

/** Returns the summaries of versions before a number, newest first. */
async function* summariesBefore<Name extends VersionedCollection>(
  { type, store }: ResourceContext<Name>,
  ledger: Ledger,
  { key, before }: Omit<VersionRange, 'limit'>,
): AsyncGenerator<VersionSummary, void> {
  const limit = VERSIONS_AT_ONCE;
  let newer: Version<Documents[Name]> | undefined;
  let isLast = false;
  while (!isLast) {
    const range = { key, before: newer?.document.version ?? before, limit };
    const found = await store.versions(ledger, type.collection, range);
    for (const version of found) {
      if (newer !== undefined) yield summaryOf(newer, version);
      newer = version;
      await nextTurn();
    }
    isLast = found.length < limit;
  }
  if (newer !== undefined) yield summaryOf(newer, undefined);
}

/** Returns one version: its summary and the whole document. */
export const getVersion = async <Name extends VersionedCollection>(
  context: ResourceContext<Name>,
  caller: Caller,
  { environment: requested, key, version }: VersionKey,
): Promise<VersionSummary & { document: Documents[Name] }> => {
  const environment = environmentOf(caller, requested);
  const { found, previous } = await readVersion(context, environment, key, version);
  return { ...summaryOf(found, previous), document: found.document };
};

/** Compares a version with another one, or with the version before it. */
export const compareVersions = async <Name extends VersionedCollection>(
  context: ResourceContext<Name>,
  caller: Caller,
  { environment: requested, key, version, with: other }: VersionKey & { with?: number | undefined },
): Promise<VersionDifferences> => {
  const environment = environmentOf(caller, requested);
  const { found, previous } = await readVersion(context, environment, key, version);
  const compared =
    other === undefined ? previous : (await readVersion(context, environment, key, other)).found;
  const isNewer = compared !== undefined && compared.document.version > version;
  const [from, to] = isNewer ? [found, compared] : [compared, found];
  return {
    key,
    environment,
    from: from?.document.version ?? null,
    to: to.document.version,
    differences: differencesOf(from, to),
  };
};

/**
 * Writes the content of an earlier version as a new version. Creates the document again if it was deleted.
 * Writes nothing if the document already has that content.
 */
export const revertDocument = async <Name extends VersionedCollection>(
  context: ResourceContext<Name>,
  caller: Caller,
  { environment: requested, key, version, ifMatch }: ConditionalKey & VersionKey,
): Promise<WriteResult<Documents[Name]>> => {
  const environment = environmentOf(caller, requested);
  return context.registry.find(environment).write(async view => {
    requireRevertible(context.type, view, { key, ifMatch });
    const { found } = await readVersion(context, environment, key, version);
    return planRevert(context, view, caller, { environment, version: found });
  });
};

const planRevert = async <Name extends VersionedCollection>(
  context: ResourceContext<Name>,
  view: FlagSetView,
  caller: Caller,
  { environment, version }: { environment: string; version: Version<Documents[Name]> },
): Promise<WritePlan<'flagSet', WriteResult<Documents[Name]>>> => {
  const { type, registry, clock } = context;
  const { key } = version.document;
  const stored = recordsOf(type, view.snapshot).get(key);
  const current = stored?.document ?? null;
  const at = clock.now();
  const { ledger } = registry.find(environment).replica;
  const serverFields = await nextServerFields(context, { ledger, key, current, at });
  const document = await withExplainedRefusal(type, version, async () => {
    const next = type.parse(version.document, serverFields, current);
    await type.validate(view, next, current);
    return next;
  });
  if (stored !== undefined && contentDifferences(current, document).length === 0)
    return planNothing(context, stored, { caller, environment });
  return planPut(context, { caller, action: 'revert', environment, at }, document, current);
};

/** Adds the version and the remedy to the error if the current data does not allow the document. */
const withExplainedRefusal = async <Name extends VersionedCollection, Result>(
  { kind }: ResourceType<Name>,
  { document: { key, version } }: Version<Documents[Name]>,
  work: () => Promise<Result>,
): Promise<Result> => {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof PennonError)) throw error;
    throw new PennonError(
      error.code,
      `version ${version} of ${kind} "${key}" cannot be brought back: ${error.message}. ` +
        `Bring back what it refers to first, or write the ${kind} with PUT`,
      error.extra,
      { cause: error },
    );
  }
};

/** Throws PRECONDITION_FAILED if If-Match does not have the tag of the current document, or it was deleted. */
const requireRevertible = <Name extends VersionedCollection>(
  type: ResourceType<Name>,
  { snapshot }: FlagSetView,
  { key, ifMatch }: ConditionalKey,
): void => {
  const current = recordsOf(type, snapshot).get(key);
  if (current !== undefined) requireCurrentTag(type, current, ifMatch);
  else if (ifMatch !== undefined)
    throw new PennonError(
      'PRECONDITION_FAILED',
      `${type.kind} "${key}" was deleted, so If-Match has no current tag: leave it out to create the ${type.kind} again`,
    );
};

/** Returns a version and the one before it. Throws NOT_FOUND if there is no such version. */
const readVersion = async <Name extends VersionedCollection>(
  context: ResourceContext<Name>,
  environment: string,
  key: string,
  version: number,
) => {
  const { type, store, registry } = context;
  const { ledger } = registry.find(environment).replica;
  const range = { key, before: version + 1, limit: 2 };
  const [found, previous] = await store.versions(ledger, type.collection, range);
  if (found?.document.version === version) return { found, previous };
  await requireDocument(context, environment, key);
  throw versionNotFound(type, key, version, await lastVersion(store, ledger, type.collection, key));
};

/** Throws NOT_FOUND if neither the document nor a version of it exists. */
const requireDocument = async <Name extends VersionedCollection>(
  { type, store, registry }: ResourceContext<Name>,
  environment: string,
  key: string,
): Promise<void> => {
  const { replica } = registry.find(environment);
  const { ledger } = replica;
  if ((await lastVersion(store, ledger, type.collection, key)) > 0) return;
  if ((await store.get(ledger, type.collection, key)) !== undefined) return;
  await requireLedger(store, ledger);
  throw notFound(type, key, environment, recordsOf(type, replica.current()));
};

const versionNotFound = (
  { kind }: Pick<ResourceType, 'kind'>,
  key: string,
  version: number,
  last: number,
): PennonError => {
  const known = last === 0 ? 'no version was recorded' : `the last one is ${last}`;
  return new PennonError('NOT_FOUND', `${kind} "${key}" has no version ${version}: ${known}`);
};

const summaryOf = <Document extends object & { version: number }>(
  version: Version<Document>,
  previous: Version<Document> | undefined,
): VersionSummary => {
  const { document, ...change } = version;
  const changed = differencesOf(previous, version).map(({ path }) => path);
  return { version: document.version, ...change, changed };
};

const differencesOf = (from: Version<object> | undefined, to: Version<object>): Difference[] =>
  contentDifferences(from?.document ?? null, to.document);

/** What differs apart from the fields that the server sets. */
const contentDifferences = (before: object | null, after: object): Difference[] =>
  differences(before, after, Object.keys(serverManagedFields));
