import type { Clock } from '../clock.ts';
import { pause } from '../clock.ts';
import { openRegistry, type Registry, type RegistryDeps } from '../flag-set/registry.ts';
import type { Random } from '../random.ts';
import { openReplica, type Replica } from '../replication/replica.ts';
import { CONTROL_LEDGER, isTransient } from '../store/store.ts';
import { initializeIfEmpty, type EmptyStorePolicy } from './empty-store.ts';
import { setAdminKey } from './first-start.ts';

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
  /** Whether this server may initialize the store. By default it may if the store is empty. */
  readonly emptyStore?: EmptyStorePolicy | undefined;
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
