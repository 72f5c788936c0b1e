import { environmentOf, type Caller } from '../auth/caller.ts';
import { PennonError } from '../errors.ts';
import type { FlagSetView } from '../flag-set/live-flag-set.ts';
import type { Documents } from '../store/store.ts';
import { entityTag, requireMatch } from './entity-tag.ts';
import {
  nextServerFields,
  planDelete,
  planPut,
  recordsOf,
  serverFieldsAfter,
  type Written,
} from './plan.ts';
import { notFound } from './read.ts';
import type {
  ResourceContext,
  ResourceKey,
  ResourceName,
  ResourceType,
  ServerFields,
} from './resource-type.ts';

/** A write of a document that must exist. */
export type ConditionalKey = ResourceKey & {
  /** The If-Match header: entity tags, one of which must be current. */
  readonly ifMatch?: string | undefined;
};

// Every write is decided on one view: existence, preconditions and validity on the same revision.

/** Throws CONFLICT if the document exists. */
export const createDocument = <Name extends ResourceName>(
  context: ResourceContext<Name>,
  caller: Caller,
  { environment: requested, ...input }: ResourceKey,
): Promise<Written<Documents[Name]>> => {
  const { type, registry, clock } = context;
  const environment = environmentOf(caller, requested);
  const live = registry.find(environment);
  const { ledger } = live.replica;
  return live.write(async view => {
    if (recordsOf(type, view.snapshot).has(input.key))
      throw alreadyExists(type, input.key, environment, 'use PUT or PATCH to change it');
    const at = clock.now();
    const next = { ledger, key: input.key, current: null, at };
    const document = type.parse(input, await nextServerFields(context, next));
    type.validate(view, document, null);
    return planPut(context, { caller, action: 'create', environment, at }, document, null);
  });
};

/** Replaces all fields of a document. */
export const replaceDocument = <Name extends ResourceName>(
  context: ResourceContext<Name>,
  caller: Caller,
  { environment, ifMatch, ...input }: ConditionalKey,
): Promise<Written<Documents[Name]>> => {
  const target = { environment, ifMatch, key: input.key };
  return changeDocument(context, caller, target, {
    action: 'replace',
    apply: (_, serverFields) => context.type.parse(input, serverFields),
  });
};

/** Changes the given fields: undefined leaves a field as it is, null clears it. */
export const updateDocument = <Name extends ResourceName>(
  context: ResourceContext<Name>,
  caller: Caller,
  { environment, ifMatch, ...patch }: ConditionalKey,
): Promise<Written<Documents[Name]>> => {
  const target = { environment, ifMatch, key: patch.key };
  return changeDocument(context, caller, target, {
    action: 'update',
    apply: (current, serverFields) => context.type.merge(current, patch, serverFields),
  });
};

/** Throws CONFLICT while other flags refer to the document. */
export const deleteDocument = <Name extends ResourceName>(
  context: ResourceContext<Name>,
  caller: Caller,
  target: ConditionalKey,
): Promise<void> => {
  const { type, registry, clock } = context;
  const environment = environmentOf(caller, target.environment);
  return registry.find(environment).write(view => {
    const current = requireCurrent(type, view, environment, target);
    requireUnused(type, target.key, type.usedBy(view, target.key));
    return planDelete(context, { caller, action: 'delete', environment, at: clock.now() }, current);
  });
};

/** How a write derives the next document from the current one. */
type DocumentChange<Document> = {
  readonly action: 'replace' | 'update';
  readonly apply: (current: Document, serverFields: ServerFields) => Document;
};

const changeDocument = <Name extends ResourceName>(
  context: ResourceContext<Name>,
  caller: Caller,
  target: ConditionalKey,
  { action, apply }: DocumentChange<Documents[Name]>,
): Promise<Written<Documents[Name]>> => {
  const { type, registry, clock } = context;
  const environment = environmentOf(caller, target.environment);
  return registry.find(environment).write(view => {
    const current = requireCurrent(type, view, environment, target);
    const at = clock.now();
    const document = apply(current, serverFieldsAfter(current, at));
    type.validate(view, document, current);
    return planPut(context, { caller, action, environment, at }, document, current);
  });
};

/** The current document. Throws NOT_FOUND, or PRECONDITION_FAILED if If-Match does not have its tag. */
const requireCurrent = <Name extends ResourceName>(
  type: ResourceType<Name>,
  { snapshot }: FlagSetView,
  environment: string,
  { key, ifMatch }: ConditionalKey,
): Documents[Name] => {
  const current = recordsOf(type, snapshot).get(key);
  if (current === undefined) throw notFound(type, key, environment);
  const { document, changeId } = current;
  requireMatch(ifMatch, {
    etag: entityTag(changeId),
    version: document.version,
    what: `${type.kind} "${key}"`,
  });
  return document;
};

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

const requireUnused = ({ kind }: Kind, key: string, users: readonly string[]): void => {
  if (users.length === 0) return;
  const quoted = users.map(user => `"${user}"`).join(', ');
  throw new PennonError(
    'CONFLICT',
    `${kind} "${key}" is used by ${users.length === 1 ? 'flag' : 'flags'} ${quoted}: change them first`,
    {
      details: users.map(user => ({
        path: `flags.${user}`,
        message: `depends on ${kind} "${key}"`,
      })),
    },
  );
};
