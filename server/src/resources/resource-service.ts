import type { Caller, CopyCallers } from '../auth/caller.ts';
import { copyDocument, type CopyInput } from './copy.ts';
import type { PageQuery } from '../page.ts';
import { getDocument, listDocuments, type ListQuery } from './read.ts';
import type { VersionedCollection } from '../store/store.ts';
import type { ResourceKey, ResourceName, ResourceServices, ResourceType } from './resource-type.ts';
import {
  compareVersions,
  getVersion,
  listVersions,
  revertDocument,
  type VersionKey,
} from './versions.ts';
import {
  createDocument,
  deleteDocument,
  replaceDocument,
  updateDocument,
  type ConditionalKey,
  type CreateInput,
  type ReplaceInput,
  type UpdateInput,
} from './write.ts';

/**
 * The use cases of one resource type. All are created, changed, copied, deleted and listed in the same way; `type` has
 * what differs.
 */
export const createResourceService = <Name extends ResourceName>(
  type: ResourceType<Name>,
  services: ResourceServices,
) => {
  const context = { ...services, type };
  return {
    get: (caller: Caller, input: ResourceKey) => getDocument(context, caller, input),
    list: (caller: Caller, query: ListQuery) => listDocuments(context, caller, query),
    create: (caller: Caller, input: CreateInput) => createDocument(context, caller, input),
    replace: (caller: Caller, input: ReplaceInput) => replaceDocument(context, caller, input),
    update: (caller: Caller, input: UpdateInput) => updateDocument(context, caller, input),
    delete: (caller: Caller, input: ConditionalKey) => deleteDocument(context, caller, input),
    copy: (callers: CopyCallers, input: CopyInput) => copyDocument(context, callers, input),
  };
};

/** The use cases of the versions of one resource type. */
export const createVersionService = <Name extends VersionedCollection>(
  type: ResourceType<Name>,
  services: ResourceServices,
) => {
  const context = { ...services, type };
  return {
    listVersions: (caller: Caller, query: ResourceKey & PageQuery) =>
      listVersions(context, caller, query),
    getVersion: (caller: Caller, input: VersionKey) => getVersion(context, caller, input),
    compareVersions: (caller: Caller, input: VersionKey & { with?: number | undefined }) =>
      compareVersions(context, caller, input),
    revert: (caller: Caller, input: ConditionalKey & VersionKey) =>
      revertDocument(context, caller, input),
  };
};
