import type { ErrorDetail, Flag } from '@pennon/schema';

import { environmentOf, type Caller } from '../auth/caller.ts';
import { formatInstant } from '../clock.ts';
import { invalid, PennonError } from '../errors.ts';
import { flagResource } from '../flags/flag.ts';
import { requirePlainJson } from '../plain-json.ts';
import type { WriteResult } from '../resources/plan.ts';
import { parseOrThrow } from '../resources/parse.ts';
import type { ResourceServices } from '../resources/resource-type.ts';
import { createDocument, deleteDocument, patchDocument } from '../resources/write.ts';
import { mapInSlices } from '../slices.ts';
import {
  ManifestFlag,
  ManifestFlagChange,
  toFlagPatch,
  toManifestDetail,
  toManifestFlag,
  toNewFlag,
} from './manifest-flag.ts';

/** The environment of a request, and what it has as its body. */
export type ManifestWrite = {
  readonly environment: string | undefined;
  readonly body: unknown;
};

export type WrittenManifestFlag = {
  readonly flag: ManifestFlag;
  readonly updatedAt: string;
  readonly warnings?: readonly ErrorDetail[];
};

export type DeletedManifestFlag = { readonly message: string; readonly archivedAt: string };

/** Returns the flags of an environment, by key, with the changes of all servers. */
export const readManifest = async (
  { registry }: Pick<ResourceServices, 'registry'>,
  caller: Caller,
  environment: string | undefined,
): Promise<readonly ManifestFlag[]> => {
  const { replica } = registry.find(environmentOf(caller, environment));
  await replica.refresh();
  const { flags } = replica.current().records;
  return mapInSlices(flags.values(), ({ document }) => toManifestFlag(document));
};

/** Throws CONFLICT if the flag exists. */
export const createManifestFlag = async (
  services: ResourceServices,
  caller: Caller,
  { environment, body }: ManifestWrite,
): Promise<WrittenManifestFlag> => {
  requirePlainJson(body);
  const flag = toNewFlag(parseOrThrow(ManifestFlag, body));
  return writing(() => createDocument(contextOf(services), caller, { ...flag, environment }));
};

/** Changes what a manifest has of the flag: an evaluation is the same afterwards. */
export const changeManifestFlag = async (
  services: ResourceServices,
  caller: Caller,
  { environment, key, body }: ManifestWrite & { readonly key: string },
): Promise<WrittenManifestFlag> => {
  requirePlainJson(body);
  const change = parseOrThrow(ManifestFlagChange, body);
  if (change.key !== key)
    throw invalid([{ path: 'key', message: `must be "${key}", as in the path` }]);
  return writing(() =>
    patchDocument(contextOf(services), caller, { environment, key }, current =>
      toFlagPatch(current, change),
    ),
  );
};

/** Throws CONFLICT while other flags refer to the flag. */
export const deleteManifestFlag = async (
  services: ResourceServices,
  caller: Caller,
  { environment, key }: { readonly environment: string | undefined; readonly key: string },
): Promise<DeletedManifestFlag> => {
  await deleteDocument(contextOf(services), caller, { environment, key });
  return {
    message: `Flag "${key}" was deleted. To bring it back, send POST /api/v1/flags/${key}/revert with a version.`,
    archivedAt: formatInstant(services.clock.now()),
  };
};

const contextOf = (services: ResourceServices) => ({ ...services, type: flagResource });

/** Returns what a write results in, or throws its error, in the words of a manifest. */
const writing = async (write: () => Promise<WriteResult<Flag>>): Promise<WrittenManifestFlag> => {
  try {
    const { updatedAt, warnings, ...flag } = await write();
    return {
      flag: toManifestFlag({ ...flag, updatedAt }),
      updatedAt,
      ...(warnings === undefined ? {} : { warnings: warnings.map(toManifestDetail) }),
    };
  } catch (error) {
    if (!(error instanceof PennonError) || error.code !== 'BAD_REQUEST') throw error;
    const { details } = error.extra;
    throw details === undefined ? error : invalid(details.map(toManifestDetail));
  }
};
