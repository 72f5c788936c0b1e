import { environmentOf, type Caller } from '../auth/caller.ts';
import { PennonError } from '../errors.ts';
import type { FlagSetView } from '../flag-set/live-flag-set.ts';
import type { Documents } from '../store/store.ts';
import { entityTag, requireMatch } from './entity-tag.ts';
import { serverFieldsAfter, type Planner, type Written } from './plan.ts';
import { notFound } from './read.ts';
import type {
  ResourceKey,
  ResourceName,
  ResourceServices,
  ResourceType,
  ServerFields,
} from './resource-type.ts';

type Conditional = { readonly ifMatch?: string | undefined };

/** Every write is decided on one view: existence, preconditions and validity of the same revision. */
export const createWriter = <Name extends ResourceName>(
  type: ResourceType<Name>,
  { registry, clock }: ResourceServices,
  { recordsOf, planPut, planRemove }: Planner<Name>,
) => {
  type Document = Documents[Name];

  /** The current document. Throws NOT_FOUND, or PRECONDITION_FAILED if `ifMatch` does not name it. */
  const requireCurrent = (
    { snapshot }: FlagSetView,
    environment: string,
    { key, ifMatch }: { readonly key: string } & Conditional,
  ): Document => {
    const current = recordsOf(snapshot).get(key);
    if (current === undefined) throw notFound(type, key, environment);
    const { document, changeId } = current;
    requireMatch(ifMatch, {
      etag: entityTag(changeId),
      version: document.version,
      what: `${type.kind} "${key}"`,
    });
    return document;
  };

  const change = (
    caller: Caller,
    action: 'replace' | 'update',
    target: ResourceKey & Conditional,
    next: (current: Document, serverFields: ServerFields) => Document,
  ): Promise<Written<Document>> => {
    const environment = environmentOf(caller, target.environment);
    return registry.find(environment).write(view => {
      const current = requireCurrent(view, environment, target);
      const at = clock.now();
      const document = next(current, serverFieldsAfter(current, at));
      type.validate(view, document, current);
      return planPut({ caller, action, environment, at }, document, current);
    });
  };

  return {
    create: (
      caller: Caller,
      { environment: requested, ...input }: ResourceKey,
    ): Promise<Written<Document>> => {
      const environment = environmentOf(caller, requested);
      return registry.find(environment).write(view => {
        if (recordsOf(view.snapshot).has(input.key))
          throw alreadyExists(type, input.key, environment, 'use PUT or PATCH to change it');
        const at = clock.now();
        const document = type.parse(input, serverFieldsAfter(null, at));
        type.validate(view, document, null);
        return planPut({ caller, action: 'create', environment, at }, document, null);
      });
    },

    replace: (
      caller: Caller,
      { environment, ifMatch, ...input }: ResourceKey & Conditional,
    ): Promise<Written<Document>> =>
      change(caller, 'replace', { environment, ifMatch, key: input.key }, (_, serverFields) =>
        type.parse(input, serverFields),
      ),

    /** Changes the given fields: undefined leaves a field as it is, null clears it. */
    patch: (
      caller: Caller,
      { environment, ifMatch, ...patch }: ResourceKey & Conditional,
    ): Promise<Written<Document>> =>
      change(caller, 'update', { environment, ifMatch, key: patch.key }, (current, serverFields) =>
        type.merge(current, patch, serverFields),
      ),

    /** Throws CONFLICT while other flags refer to the document. */
    remove: (caller: Caller, target: ResourceKey & Conditional): Promise<void> => {
      const environment = environmentOf(caller, target.environment);
      return registry.find(environment).write(view => {
        const current = requireCurrent(view, environment, target);
        requireUnused(type, target.key, type.usedBy(view, target.key));
        return planRemove({ caller, action: 'delete', environment, at: clock.now() }, current);
      });
    },
  };
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
