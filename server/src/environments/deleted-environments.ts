import type { Environment } from '@pennon/schema';

import { keyCreated, keyDeleted } from '../api-keys/api-keys.ts';
import { auditDraft, type AuditedChange } from '../audit/record.ts';
import { requireAllEnvironments, type Caller } from '../auth/caller.ts';
import { formatInstant } from '../clock.ts';
import { PennonError } from '../errors.ts';
import type { DeletedEnvironment, KeyDocument, Snapshot } from '../store/store.ts';
import { environmentNotFound, toEnvironment, type EnvironmentServices } from './environments.ts';

type ControlRecords = Snapshot<'control'>['records'];

const DAY_MS = 86_400_000;
/** How long a deleted environment can be restored. */
export const RETENTION_MS = 30 * DAY_MS;

/**
 * Deletes an environment. Its keys stop working and its streams end at once, but its data stays until it is
 * purged, so the deletion can be undone.
 */
export const deleteEnvironment = async (
  { control, registry, clock }: EnvironmentServices,
  caller: Caller,
  { key, confirm }: { readonly key: string; readonly confirm?: string | undefined },
): Promise<void> => {
  requireAllEnvironments(caller, 'deleting an environment');
  await control.write(({ records }) => {
    const environment = records.environments.get(key)?.document;
    if (environment === undefined) throw environmentNotFound(key, records);
    requireConfirmation(key, confirm);
    const now = clock.now();
    const keys = keysOf(records, key);
    const deleted: DeletedEnvironment = {
      environment,
      keys,
      deletedAt: formatInstant(now),
      purgeAt: formatInstant(now + RETENTION_MS),
    };
    return {
      writes: {
        environments: new Map([[key, null]]),
        keys: new Map(keys.map(({ id }) => [id, null])),
        deletedEnvironments: new Map([[environment.ledger, deleted]]),
      },
      audit: [changeOf(deleted, 'environment.delete'), ...keys.map(keyDeleted)].map(change =>
        auditDraft(caller, now, change),
      ),
      result: () => undefined,
    };
  });
  await registry.whenReady();
};

const requireConfirmation = (key: string, confirm: string | undefined): void => {
  if (confirm === key) return;
  const message = `must be "${key}", to confirm the deletion of this environment and its keys: add ?confirm=${key}`;
  throw new PennonError('BAD_REQUEST', `confirm ${message}`, {
    details: [{ path: 'confirm', message }],
  });
};

const keysOf = ({ keys }: ControlRecords, environment: string): KeyDocument[] =>
  [...keys.values()]
    .map(({ document }) => document)
    .filter(document => document.environment === environment);

export type RestoreInput = {
  readonly key: string;
  /** Which one, if several environments with this key are deleted; otherwise the last one. */
  readonly deletedAt?: string | undefined;
};

/** Restores a deleted environment as it was: flags, segments, versions, and the keys that it had. */
export const restoreEnvironment = async (
  { control, registry, clock }: EnvironmentServices,
  caller: Caller,
  input: RestoreInput,
): Promise<Environment> => {
  requireAllEnvironments(caller, 'restoring an environment');
  const restored = await control.write(({ records }) => {
    const now = clock.now();
    const deleted = findDeleted(records, input, now);
    const { environment, keys } = deleted;
    requireNotInUse(records, deleted);
    return {
      writes: {
        environments: new Map([[environment.key, environment]]),
        keys: new Map(keys.map(key => [key.id, key])),
        deletedEnvironments: new Map([[environment.ledger, null]]),
      },
      audit: [changeOf(deleted, 'environment.restore'), ...keys.map(key => keyCreated(key))].map(
        change => auditDraft(caller, now, change),
      ),
      result: () => environment,
    };
  });
  await registry.whenReady();
  return toEnvironment(restored);
};

const findDeleted = (
  { environments, deletedEnvironments }: ControlRecords,
  { key, deletedAt }: RestoreInput,
  now: number,
): DeletedEnvironment => {
  const all = [...deletedEnvironments.values()]
    .map(({ document }) => document)
    .filter(({ environment }) => environment.key === key);
  const found = all
    .filter(each => each.purgedAt === undefined && Date.parse(each.purgeAt) > now)
    .filter(each => deletedAt === undefined || isSameInstant(each.deletedAt, deletedAt))
    .toSorted((a, b) => Date.parse(b.deletedAt) - Date.parse(a.deletedAt))[0];
  if (found !== undefined) return found;
  if (deletedAt === undefined && environments.has(key))
    throw new PennonError('CONFLICT', `environment "${key}" is not deleted`);
  const reason =
    all.length === 0
      ? `environment "${key}" was not deleted`
      : `environment "${key}" can no longer be restored, or was not deleted at that time`;
  throw new PennonError(
    'NOT_FOUND',
    `${reason}: GET /environments?deleted=true lists which can be`,
  );
};

const isSameInstant = (a: string, b: string): boolean => Date.parse(a) === Date.parse(b);

/** Throws CONFLICT if the key of the environment, or one of its API keys, has been used again. */
const requireNotInUse = (
  { environments, keys }: ControlRecords,
  { environment: { key }, keys: restored, deletedAt }: DeletedEnvironment,
): void => {
  if (environments.has(key))
    throw new PennonError(
      'CONFLICT',
      `environment "${key}" was created again: delete it, then restore with ?deletedAt=${deletedAt}`,
    );
  const hashes = new Set([...keys.values()].map(({ document }) => document.hash));
  const used = restored.find(({ id, hash }) => keys.has(id) || hashes.has(hash));
  if (used === undefined) return;
  throw new PennonError(
    'CONFLICT',
    `key "${used.name}" (${used.id}) of environment "${key}" was imported again: revoke it first`,
  );
};

type Action = 'environment.delete' | 'environment.restore' | 'environment.purge';

/** Audits a deletion or a restoration. A purge has no document, because the deletion has it. */
export const changeOf = ({ environment }: DeletedEnvironment, action: Action): AuditedChange => {
  const document = toEnvironment(environment);
  return {
    action,
    environment: environment.key,
    key: environment.key,
    before: action === 'environment.delete' ? document : null,
    after: action === 'environment.restore' ? document : null,
  };
};
