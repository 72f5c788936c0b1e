import { serverManagedFields } from '@pennon/schema';

import { environmentOf, type Caller } from '../auth/caller.ts';
import { PennonError } from '../errors.ts';
import type { FlagSetView } from '../flag-set/live-flag-set.ts';
import type { WritePlan } from '../replication/writer.ts';
import { nextTurn } from '../slices.ts';
import type { Documents, Stored } from '../store/store.ts';
import { differences } from './differences.ts';
import { entityTag, requireMatch } from './entity-tag.ts';
import {
  nextServerFields,
  planDelete,
  planNothing,
  planPut,
  serverFieldsAfter,
  type WriteResult,
} from './plan.ts';
import { notFound, recordsOf } from './read.ts';
import type {
  ResourceContext,
  ResourceKey,
  ResourceName,
  ResourceType,
  ServerFields,
  Users,
} from './resource-type.ts';

/** A write of a document that must exist. */
export type ConditionalKey = ResourceKey & {
  /** The If-Match header: entity tags, one of which must be current. */
  readonly ifMatch?: string | undefined;
};

/** What a write allows although it is probably a mistake. */
type Allowances = {
  /** Rules that serve nothing but the default variant. */
  readonly allowNoEffect?: boolean | undefined;
};

/** The document that a write changes, and the caller. */
type Target = {
  readonly caller: Caller;
  readonly environment: string;
  readonly key: string;
  readonly ifMatch: string | undefined;
};

export type CreateInput = ResourceKey & Allowances;
export type UpdateInput = ConditionalKey & Allowances;
export type ReplaceInput = UpdateInput & {
  /** The If-None-Match header. `*`: the document must not exist. */
  readonly ifNoneMatch?: string | undefined;
};

// Every write is decided on one view: existence, preconditions and validity on the same revision.

/** Throws CONFLICT if the document exists. */
export const createDocument = <Name extends ResourceName>(
  context: ResourceContext<Name>,
  caller: Caller,
  { environment: requested, allowNoEffect = false, ...input }: CreateInput,
): Promise<WriteResult<Documents[Name]>> => {
  const { type, registry } = context;
  const environment = environmentOf(caller, requested);
  return registry.find(environment).write(view => {
    if (recordsOf(type, view.snapshot).has(input.key))
      throw alreadyExists(type, input.key, environment, 'use PUT or PATCH to change it');
    return planCreate(context, view, caller, { environment, allowNoEffect, input });
  });
};

type Creation = {
  readonly environment: string;
  readonly allowNoEffect: boolean;
  readonly input: { readonly key: string };
};

const planCreate = async <Name extends ResourceName>(
  context: ResourceContext<Name>,
  view: FlagSetView,
  caller: Caller,
  { environment, allowNoEffect, input }: Creation,
): Promise<WritePlan<'flagSet', WriteResult<Documents[Name]>>> => {
  const { type, registry, clock } = context;
  const { ledger } = registry.find(environment).replica;
  const at = clock.now();
  const next = { ledger, key: input.key, current: null, at };
  const document = type.parse(input, await nextServerFields(context, next), null);
  await nextTurn();
  await type.validate(view, document, null);
  await nextTurn();
  if (!allowNoEffect) type.requireEffect(document, null);
  return planPut(context, { caller, action: 'create', environment, at }, document, null);
};

/** Replaces all fields of a document, or creates it unless If-Match requires that it exists. */
export const replaceDocument = async <Name extends ResourceName>(
  context: ResourceContext<Name>,
  caller: Caller,
  { environment: requested, ifMatch, ifNoneMatch, allowNoEffect = false, ...input }: ReplaceInput,
): Promise<{ document: WriteResult<Documents[Name]>; created: boolean }> => {
  const { type, registry } = context;
  const environment = environmentOf(caller, requested);
  const { key } = input;
  let created = false;
  const document = await registry.find(environment).write(view => {
    const exists = recordsOf(type, view.snapshot).has(key);
    requireAbsence(type, key, exists, ifNoneMatch);
    if (!exists && ifMatch !== undefined) throw nothingToMatch(type, key);
    created = !exists;
    if (created) return planCreate(context, view, caller, { environment, allowNoEffect, input });
    return planChange(
      context,
      view,
      { caller, environment, ifMatch, key },
      {
        action: 'replace',
        allowNoEffect,
        apply: (current, serverFields) => type.parse(input, serverFields, current),
      },
    );
  });
  return { document, created };
};

/** Throws PRECONDITION_FAILED if If-None-Match is `*` and the document exists. */
const requireAbsence = (
  { kind }: Kind,
  key: string,
  exists: boolean,
  ifNoneMatch: string | undefined,
): void => {
  if (ifNoneMatch === undefined) return;
  if (ifNoneMatch.trim() !== '*')
    throw new PennonError('BAD_REQUEST', 'If-None-Match must be "*" on a write', {
      details: [{ path: 'ifNoneMatch', message: 'must be "*"' }],
    });
  if (exists)
    throw new PennonError(
      'PRECONDITION_FAILED',
      `${kind} "${key}" already exists: leave out If-None-Match to replace it`,
    );
};

const nothingToMatch = ({ kind }: Kind, key: string): PennonError =>
  new PennonError(
    'PRECONDITION_FAILED',
    `${kind} "${key}" does not exist, so no entity tag is current: leave out If-Match to create it`,
  );

/** Changes the given fields: undefined leaves a field as it is, null clears it. */
export const updateDocument = <Name extends ResourceName>(
  context: ResourceContext<Name>,
  caller: Caller,
  { environment, ifMatch, allowNoEffect, ...patch }: UpdateInput,
): Promise<WriteResult<Documents[Name]>> =>
  patchDocument(
    context,
    caller,
    { environment, ifMatch, allowNoEffect, key: patch.key },
    () => patch,
  );

/** Changes the fields that `patchOf` returns for the current document. */
export const patchDocument = <Name extends ResourceName>(
  context: ResourceContext<Name>,
  caller: Caller,
  { environment: requested, ifMatch, allowNoEffect = false, key }: UpdateInput,
  patchOf: (current: Documents[Name]) => object,
): Promise<WriteResult<Documents[Name]>> => {
  const environment = environmentOf(caller, requested);
  return context.registry.find(environment).write(view =>
    planChange(
      context,
      view,
      { caller, environment, ifMatch, key },
      {
        action: 'update',
        allowNoEffect,
        apply: (current, serverFields) =>
          context.type.merge(current, patchOf(current), serverFields),
      },
    ),
  );
};

/** Throws CONFLICT while others refer to the document. */
export const deleteDocument = <Name extends ResourceName>(
  context: ResourceContext<Name>,
  caller: Caller,
  target: ConditionalKey,
): Promise<void> => {
  const { type, registry, clock } = context;
  const environment = environmentOf(caller, target.environment);
  return registry.find(environment).write(view => {
    const { key, ifMatch } = target;
    const current = requireCurrent(type, view, { environment, key, ifMatch }).document;
    requireUnused(type, target.key, type.usedBy(view, target.key));
    return planDelete(context, { caller, action: 'delete', environment, at: clock.now() }, current);
  });
};

/** How a write derives the next document from the current one. */
type DocumentChange<Document> = {
  readonly action: 'replace' | 'update';
  readonly allowNoEffect: boolean;
  readonly apply: (current: Document, serverFields: ServerFields) => Document;
};

/** Plans a change of one document. A change that changes nothing writes no version. */
const planChange = async <Name extends ResourceName>(
  context: ResourceContext<Name>,
  view: FlagSetView,
  target: Target,
  { action, allowNoEffect, apply }: DocumentChange<Documents[Name]>,
): Promise<WritePlan<'flagSet', WriteResult<Documents[Name]>>> => {
  const { type, clock } = context;
  const { caller, environment } = target;
  const stored = requireCurrent(type, view, target);
  const current = stored.document;
  const at = clock.now();
  const document = apply(current, serverFieldsAfter(current, at));
  await nextTurn();
  await type.validate(view, document, current);
  await nextTurn();
  if (!allowNoEffect) type.requireEffect(document, current);
  if (isSameContent(current, document)) return planNothing(context, stored, target);
  return planPut(context, { caller, action, environment, at }, document, current);
};

/** Whether two documents differ only in the fields that the server sets. */
export const isSameContent = (current: object, document: object): boolean =>
  differences(current, document, Object.keys(serverManagedFields)).length === 0;

/** Returns the current document. Throws NOT_FOUND, or PRECONDITION_FAILED if If-Match does not have its tag. */
export const requireCurrent = <Name extends ResourceName>(
  type: ResourceType<Name>,
  { snapshot }: FlagSetView,
  { environment, key, ifMatch }: Omit<Target, 'caller'>,
): Stored<Documents[Name]> => {
  const records = recordsOf(type, snapshot);
  const current = records.get(key);
  if (current === undefined) throw notFound(type, key, environment, records);
  requireCurrentTag(type, current, ifMatch);
  return current;
};

/** Throws PRECONDITION_FAILED if If-Match does not have the tag of the document. */
export const requireCurrentTag = (
  { kind }: Kind,
  { document, changeId }: Stored<Documents[ResourceName]>,
  ifMatch: string | undefined,
): void =>
  requireMatch(ifMatch, {
    etag: entityTag(changeId),
    version: document.version,
    name: `${kind} "${document.key}"`,
  });

type Kind = Pick<ResourceType, 'kind'>;

export const alreadyExists = (
  { kind }: Kind,
  key: string,
  environment: string,
  remedy: string,
): PennonError =>
  new PennonError(
    'CONFLICT',
    `${kind} "${key}" already exists in environment "${environment}": ${remedy}`,
  );

export const requireUnused = ({ kind }: Kind, key: string, users: Users): void => {
  const byKind = Object.entries(users).filter(([, keys]) => keys.length > 0);
  if (byKind.length === 0) return;
  const named = byKind.map(
    ([user, keys]) =>
      `${user}${keys.length === 1 ? '' : 's'} ${keys.map(each => `"${each}"`).join(', ')}`,
  );
  throw new PennonError(
    'CONFLICT',
    `${kind} "${key}" is used by ${named.join(' and ')}: change them first`,
    {
      details: byKind.flatMap(([user, keys]) =>
        keys.map(each => ({ path: `${user}s.${each}`, message: `depends on ${kind} "${key}"` })),
      ),
    },
  );
};
