import { epochOf, type ChangeId } from '../store/change-id.ts';
import type { Clock } from '../clock.ts';
import type { Random } from '../random.ts';
import type { SnapshotFiles } from '../replication/snapshot-files.ts';
import {
  CONTROL_LEDGER,
  isTransient,
  storeErrorCode,
  StoreError,
  type Store,
} from '../store/store.ts';
import { initializeStore } from './first-start.ts';

/** Whether a server may begin with empty data on an empty store. */
export type EmptyStorePolicy = {
  /** Whether an operator has chosen that (PENNON_INIT=empty), even if the store has lost data. */
  readonly beginsEmpty: boolean;
  /** Whether running servers had the time to mark the store, if it has lost their data. */
  readonly hasWaited: () => boolean;
};

/** The policy for a store that only one server can use: if it is empty, it is new. */
export const NEVER_LOST: EmptyStorePolicy = { beginsEmpty: false, hasWaited: () => true };

const WAIT_MS = 10_000;

/** The policy for a shared store. It waits from the first time that the store is empty. */
export const waitForMark = (clock: Clock, beginsEmpty: boolean): EmptyStorePolicy => {
  let since: number | undefined;
  return {
    beginsEmpty,
    hasWaited() {
      since ??= clock.monotonic();
      return clock.monotonic() - since >= WAIT_MS;
    },
  };
};

export type EmptyStoreOptions = {
  readonly store: Store;
  readonly snapshotFiles?: SnapshotFiles | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly adminKey: string | undefined;
  readonly firstAdminKey: () => string;
  readonly emptyStore?: EmptyStorePolicy | undefined;
  readonly onWarning: (message: string) => void;
};

const REMEDY =
  'Restore the data of the store, or bring it back from the copies of the servers: start those that have served it, and ' +
  'send POST /api/v1/restore to one of them, or run "pennon restore". To begin with empty data, restart with PENNON_INIT=empty';

/**
 * Initializes an empty store, unless it has been in use: a server with snapshots has seen data before, and a
 * running server marks a store that has lost its data. Then the data must be restored, or an operator decides.
 */
export const initializeIfEmpty = async (options: EmptyStoreOptions): Promise<void> => {
  const { store, snapshotFiles, emptyStore = NEVER_LOST } = options;
  if (emptyStore.beginsEmpty) return beginEmpty(options);
  if ((await snapshotFiles?.read(CONTROL_LEDGER)) !== undefined) return warnIfEmpty(options);
  if ((await store.head(CONTROL_LEDGER)) !== undefined) return;
  await requireUnused(options);
  const adminKey = options.adminKey ?? options.firstAdminKey();
  if (!emptyStore.hasWaited())
    throw new StoreError(
      'unavailable',
      'the store is empty; waiting 10 s for a running server that has its data. With PENNON_INIT=empty the server does not wait',
    );
  await initializeStore(options, adminKey);
};

/** Throws if this server or another one has seen data in the store, which is empty. */
const requireUnused = async ({ store, snapshotFiles }: EmptyStoreOptions): Promise<void> => {
  if (snapshotFiles?.has(CONTROL_LEDGER) === true)
    throw new StoreError(
      'missing',
      `the store is empty, but ${snapshotFiles.directory} has a snapshot of earlier data, which cannot be read. ${REMEDY}`,
    );
  if ((await store.recovery?.lost()) !== undefined)
    throw new StoreError('missing', `the store has lost its data. ${REMEDY}`);
};

/** Returns the last change of the store, or `unavailable`: a server with snapshots starts even then. */
const headOrUnavailable = (store: Store): Promise<ChangeId | 'unavailable' | undefined> =>
  store.head(CONTROL_LEDGER).catch((error: unknown) => {
    if (isTransient(error) || storeErrorCode(error) === 'corrupt') return 'unavailable';
    throw error;
  });

const warnIfEmpty = async ({
  store,
  snapshotFiles,
  onWarning,
}: EmptyStoreOptions): Promise<void> => {
  if ((await headOrUnavailable(store)) !== undefined) return;
  onWarning(
    `the store is empty, but ${snapshotFiles?.directory} has a snapshot of earlier data: the store has lost its data, ` +
      `or it is a different store. Serving the snapshot; nothing can be changed. ${REMEDY}`,
  );
};

/** Begins with empty data if the store has none, and otherwise follows the installation that it has. */
const beginEmpty = async (options: EmptyStoreOptions): Promise<void> => {
  const { store, snapshotFiles, onWarning } = options;
  const copy = (await snapshotFiles?.read(CONTROL_LEDGER))?.snapshot.id;
  const head = await (copy === undefined ? store.head(CONTROL_LEDGER) : headOrUnavailable(store));
  if (head === 'unavailable') return;
  if (head === undefined || (copy !== undefined && epochOf(copy) !== epochOf(head)))
    await discardCopy(snapshotFiles);
  if (head !== undefined)
    return onWarning('PENNON_INIT=empty has no effect: the store has data. Remove the setting');
  const adminKey = options.adminKey ?? options.firstAdminKey();
  await store.recovery?.forget();
  await initializeStore(options, adminKey);
};

const discardCopy = async (snapshotFiles: SnapshotFiles | undefined): Promise<void> => {
  snapshotFiles?.remove(CONTROL_LEDGER);
  await snapshotFiles?.flush();
};
