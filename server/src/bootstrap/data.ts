import type { Clock } from '../clock.ts';
import { pause } from '../clock.ts';
import { openRegistry, type Registry } from '../flag-set/registry.ts';
import type { Random } from '../random.ts';
import { openReplica, type Replica, type ReplicaParts } from '../replication/replica.ts';
import { CONTROL_LEDGER, isTransient, StoreError } from '../store/store.ts';
import { createControl, setAdminKey } from './first-start.ts';

/** Everything that a server holds in memory, kept current. */
export type Data = {
  readonly control: Replica<'control'>;
  readonly registry: Registry;
  readonly close: () => void;
};

export type DataParts = ReplicaParts & {
  readonly random: Random;
  /** Becomes the admin key for all environments; undefined keeps the one that there is. */
  readonly adminKey: string | undefined;
  /** The admin key of a first start where none was set. It must be kept before it is answered. */
  readonly firstAdminKey: () => string;
};

/**
 * Reads everything, and begins it where the store is empty. While the store is away, what this server
 * last knew is served instead; without that, a StoreError says that the store is away.
 */
export const openData = async (parts: DataParts): Promise<Data> => {
  const { clock, adminKey } = parts;
  await beginWhereEmpty(parts);
  const closing = new AbortController();
  const control = await openReplica(parts, CONTROL_LEDGER);
  try {
    const registry = await openRegistry(parts, control);
    if (adminKey !== undefined) await setAdminKeySoon(control, clock, adminKey, closing.signal);
    return { control, registry, close: () => closeAll(closing, registry, control) };
  } catch (error) {
    control.close();
    throw error;
  }
};

/**
 * A server that has a copy has met data before: an empty store has lost it then, or is another one, and
 * is never begun anew in its place. The copy is served, and a person decides.
 */
const beginWhereEmpty = async (parts: DataParts): Promise<void> => {
  const { store, copies, onTrouble } = parts;
  if (copies?.read(CONTROL_LEDGER) === undefined) {
    if ((await store.head(CONTROL_LEDGER)) !== undefined) return;
    if (copies?.has(CONTROL_LEDGER) === true)
      throw new StoreError(
        'unavailable',
        `the store is empty, but ${copies.directory} holds a copy of data, which cannot be read. ${REMEDY}`,
      );
    await createControl(parts, parts.adminKey ?? parts.firstAdminKey());
    return;
  }
  const head = await store.head(CONTROL_LEDGER).catch((error: unknown) => {
    if (isTransient(error)) return 'away';
    throw error;
  });
  if (head === undefined)
    onTrouble(
      `the store is empty, but ${copies.directory} holds a copy of data: the store has lost it, or is another one. ` +
        `The copy is served and nothing can be changed. ${REMEDY}`,
    );
};

const REMEDY =
  'Restore the data of the store, or import what another server exports; to begin with empty data, remove ' +
  'that directory and start again';

const ADMIN_RETRY_MS = 2_000;

/** The admin key of this start; while the store is away it is tried again until it holds. */
const setAdminKeySoon = async (
  control: Replica<'control'>,
  clock: Clock,
  adminKey: string,
  signal: AbortSignal,
): Promise<void> => {
  try {
    await setAdminKey(control, clock, adminKey);
  } catch (error) {
    if (!isTransient(error)) throw error;
    void keepTrying(() => setAdminKey(control, clock, adminKey), clock, signal);
  }
};

const keepTrying = async (
  work: () => Promise<void>,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> => {
  let done = false;
  while (!done && !signal.aborted) {
    await pause(clock, ADMIN_RETRY_MS, signal);
    done = await work().then(
      () => true,
      () => false,
    );
  }
};

const closeAll = (
  closing: AbortController,
  registry: Registry,
  control: Replica<'control'>,
): void => {
  closing.abort();
  registry.close();
  control.close();
};
