import { LIMITS, type ErrorDetail } from '@pennon/schema';

import type { Clock } from '../clock.ts';
import { PennonError } from '../errors.ts';
import { mapSteps, type Steps } from '../slices.ts';
import type { Turns } from '../turns.ts';
import type { IndexedFlagSet } from '../flag-set/documents.ts';
import type { FlagSetView } from '../flag-set/live-flag-set.ts';
import type { Registry } from '../flag-set/registry.ts';
import type { Documents, NewVersions, Store, Version, Writes } from '../store/store.ts';
import type { ValidationBase } from './validate.ts';

/** The collections of a flag set. Each document in them is a resource of the management API. */
export type ResourceName = 'flags' | 'segments' | 'metrics' | 'experiments' | 'layers' | 'ramps';

/** The flag set that a document is validated in, with the stored documents. */
export type ResourceView = ValidationBase & Pick<FlagSetView, 'snapshot'>;

/** The keys of the documents that refer to another one, by kind. */
export type Users = { readonly [Kind in 'flag' | 'experiment' | 'ramp']?: readonly string[] };

/** Fields that the server sets on every write. */
export type ServerFields = {
  readonly version: number;
  readonly createdAt: string;
  readonly updatedAt: string;
};

/** What distinguishes a resource from others. Everything they share is in the resource service. */
export type ResourceType<Name extends ResourceName = ResourceName> = {
  readonly collection: Name;
  readonly kind: 'flag' | 'segment' | 'metric' | 'experiment' | 'layer' | 'ramp';
  /** Makes a whole document from the input of a request that creates it or replaces `current`. Throws BAD_REQUEST. */
  readonly parse: (
    input: object,
    serverFields: ServerFields,
    current: Documents[Name] | null,
  ) => Documents[Name];
  /** Applies a patch to the current document; null clears a field. Throws BAD_REQUEST. */
  readonly merge: (
    current: Documents[Name],
    patch: object,
    serverFields: ServerFields,
  ) => Documents[Name];
  /** Throws BAD_REQUEST if `document` must not replace `current`, or would make any flag invalid. */
  readonly validate: (
    view: ResourceView,
    document: Documents[Name],
    current: Documents[Name] | null,
  ) => Promise<void>;
  /** Throws NO_EFFECT if the write changes rules or the default, but every rule serves the default anyway. */
  readonly requireEffect: (document: Documents[Name], current: Documents[Name] | null) => void;
  /** Returns the document that a copy stores in another environment, in place of `current`. */
  readonly copyOf: (
    document: Documents[Name],
    current: Documents[Name] | null,
    enabled: boolean | undefined,
  ) => Documents[Name];
  /** Returns the keys of the documents that refer to this document, by kind. */
  readonly usedBy: (view: ResourceView, key: string) => Users;
  /**
   * Returns what is accepted, but probably unintended. `elsewhere`: the same key in other environments; `flagSet`: the
   * environment of the document, undefined when it is being deleted.
   */
  readonly warnings: (
    document: Documents[Name],
    elsewhere: ReadonlyMap<string, Documents[Name]>,
    flagSet: IndexedFlagSet | undefined,
  ) => Steps<readonly ErrorDetail[]>;
  readonly writes: (documents: ReadonlyMap<string, Documents[Name] | null>) => Writes<'flagSet'>;
  readonly versions: (versions: readonly Version<Documents[Name]>[]) => NewVersions;
};

/** Throws CONFLICT if an environment has as many documents of a collection as it may have. */
export const requireRoom = (
  { snapshot }: ResourceView,
  collection: 'metrics' | 'experiments' | 'layers' | 'ramps',
  current: object | null,
): void => {
  const most = LIMITS[collection];
  if (current !== null || snapshot.records[collection].size < most) return;
  throw new PennonError(
    'CONFLICT',
    `an environment has at most ${most} ${collection}: delete one first`,
  );
};

/** For resources without warnings. */
export const noWarnings = (): Steps<readonly ErrorDetail[]> =>
  mapSteps<never, ErrorDetail>([], each => each);

export type ResourceServices = {
  readonly store: Store;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly turns: Turns;
};

/** What the use cases of one resource type work with. */
export type ResourceContext<Name extends ResourceName> = ResourceServices & {
  readonly type: ResourceType<Name>;
};

/** Identifies one document. A key for all environments must name the environment. */
export type ResourceKey = {
  readonly environment?: string | undefined;
  readonly key: string;
};
