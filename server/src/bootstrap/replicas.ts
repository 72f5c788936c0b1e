import type { Clock } from '../clock.ts';
import { pause } from '../clock.ts';
import { openRegistry, type Registry, type RegistryDeps } from '../flag-set/registry.ts';
import type { Random } from '../random.ts';
import { openReplica, type Replica } from '../replication/replica.ts';
import { CONTROL_LEDGER, isTransient, StoreError } from '../store/store.ts';
import { initializeStore, setAdminKey } from './first-start.ts';

/** The replicas of all ledgers: everything that a server holds in memory. */
export type Replicas = {
  readonly control: Replica<'control'>;
  readonly registry: Registry;
  readonly close: () => void;
};

export type ReplicasOptions = RegistryDeps & {
  readonly random: Random;
  /** Becomes the admin key for all environments. Undefined keeps the existing one. */
  readonly adminKey: string | undefined;
  /** Returns the admin key of a first start without `adminKey`; must store it before returning. */
  readonly firstAdminKey: () => string;
  readonly onWarning: (message: string) => void;
};

/**
 * Opens all replicas, and initializes the store if it is empty. If the store is unavailable, serves the
 * last snapshots of this server; throws a StoreError if there are none.
 */
export const openReplicas = async (options: ReplicasOptions): Promise<Replicas> => {
  const { clock, adminKey } = options;
  await initializeIfEmpty(options);
  const closing = new AbortController();
  const control = await openReplica(options, CONTROL_LEDGER);
  try {
    const registry = await openRegistry(options, control);
    if (adminKey !== undefined)
      await applyAdminKey(() => setAdminKey(control, clock, adminKey), clock, closing.signal);
    const close = () => {
      closing.abort();
      registry.close();
      control.close();
    };
    return { control, registry, close };
  } catch (error) {
    control.close();
    throw error;
  }
};

/**
 * Initializes an empty store, but only on a server without snapshots. A server with snapshots has seen
 * data before, so an empty store has lost it or is the wrong store: the snapshots are served until an
 * operator decides.
 */
const initializeIfEmpty = async (options: ReplicasOptions): Promise<void> => {
  const { store, snapshotFiles } = options;
  const snapshot = snapshotFiles?.read(CONTROL_LEDGER);
  if (snapshotFiles !== undefined && snapshot !== undefined) return warnIfEmpty(options);
  if ((await store.head(CONTROL_LEDGER)) !== undefined) return;
  if (snapshotFiles?.has(CONTROL_LEDGER) === true)
    throw new StoreError(
      'missing',
      `the store is empty, but ${snapshotFiles.directory} has a snapshot of earlier data, which cannot be read. ${REMEDY}`,
    );
  await initializeStore(options, options.adminKey ?? options.firstAdminKey());
};

const warnIfEmpty = async ({ store, snapshotFiles, onWarning }: ReplicasOptions): Promise<void> => {
  const head = await store.head(CONTROL_LEDGER).catch((error: unknown) => {
    if (isTransient(error)) return 'unavailable';
    throw error;
  });
  if (head !== undefined) return;
  onWarning(
    `the store is empty, but ${snapshotFiles?.directory} has a snapshot of earlier data: the store has lost its data, ` +
      `or it is a different store. Serving the snapshot; nothing can be changed. ${REMEDY}`,
  );
};

const REMEDY =
  'Restore the data of the store, or import an export of another server. To start with empty data, remove ' +
  'that directory and restart';

const ADMIN_KEY_RETRY_MS = 2_000;

/** Sets the admin key now, or as soon as the store is available again. */
const applyAdminKey = async (
  setKey: () => Promise<void>,
  clock: Clock,
  closed: AbortSignal,
): Promise<void> => {
  try {
    await setKey();
  } catch (error) {
    if (!isTransient(error)) throw error;
    void retryUntilDone(setKey, clock, closed);
  }
};

const retryUntilDone = async (
  work: () => Promise<void>,
  clock: Clock,
  closed: AbortSignal,
): Promise<void> => {
  let done = false;
  while (!done && !closed.aborted) {
    await pause(clock, ADMIN_KEY_RETRY_MS, closed);
    done = await work().then(
      () => true,
      () => false,
    );
  }
};
