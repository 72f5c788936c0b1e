import type { Clock } from '../clock.ts';
import { formatInstant } from '../clock.ts';
import type { Ledger, LedgerKind, Snapshot, Store } from '../store/store.ts';
import { isTransient } from '../store/store.ts';
import type { SnapshotFiles } from './snapshot-files.ts';
import type { Following, Trouble } from './follower.ts';
import { startFollowing } from './follower.ts';
import type { Memory } from './replica-state.ts';
import { openMemory } from './replica-state.ts';
import type { Reading } from './catch-up.ts';
import { openReading, readWhole } from './catch-up.ts';
import type { Writing } from './writer.ts';
import { openWriting } from './writer.ts';

/**
 * One ledger in memory, kept current by the store's change feed.
 *
 * A change is applied only where it follows the one that we have; anything else (a gap, a new epoch, a
 * rewritten revision) makes the replica read the whole ledger again. Nobody who has seen a change is
 * given older data, unless the store itself has lost it.
 */
export type Replica<Kind extends LedgerKind> = Pick<
  Memory<Kind>,
  'ledger' | 'current' | 'subscribe'
> &
  Pick<Reading, 'waitForRevision' | 'refresh'> &
  /** Commits what `decide` makes of the current snapshot; tried anew where another writer was first. */
  Writing<Kind> &
  Following;

export type ReplicaParts = {
  readonly store: Store;
  /** Undefined: the store is this server's own, and is away only when the server is. */
  readonly copies?: SnapshotFiles | undefined;
  readonly clock: Clock;
  readonly onTrouble: (message: string) => void;
};

/** Reads a ledger and follows it from then on. */
export const openReplica = async <Kind extends LedgerKind>(
  parts: ReplicaParts,
  ledger: Ledger<Kind>,
): Promise<Replica<Kind>> => {
  const { store, clock, copies, onTrouble } = parts;
  const { snapshot, trouble } = await readFirst(parts, ledger);
  const memory = openMemory(ledger, snapshot);
  const keep = () => copies?.keep(ledger, memory.current);
  if (trouble === undefined) keep();
  memory.subscribe(keep);
  const reading = openReading(store, memory, clock);
  const { write } = openWriting(store, memory, reading, clock);
  const following = startFollowing({ store, clock, memory, reading, trouble, onTrouble });
  const { current, subscribe } = memory;
  const { waitForRevision, refresh } = reading;
  return { ledger, current, subscribe, waitForRevision, refresh, write, ...following };
};

/** The ledger as the store has it; where that is away, as this server last knew it. */
const readFirst = async <Kind extends LedgerKind>(
  { store, clock, copies, onTrouble }: ReplicaParts,
  ledger: Ledger<Kind>,
): Promise<{ snapshot: Snapshot<Kind>; trouble: Trouble | undefined }> => {
  try {
    return { snapshot: await readWhole(store, ledger), trouble: undefined };
  } catch (error) {
    const copy = isTransient(error) ? copies?.read(ledger) : undefined;
    if (copy === undefined || !(error instanceof Error)) throw error;
    const made = formatInstant(copy.at);
    const message = `${error.message}; a copy made at ${made} is served`;
    onTrouble(message);
    return { snapshot: copy.snapshot, trouble: { since: clock.now(), message, copyOf: copy.at } };
  }
};
