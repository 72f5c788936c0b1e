import type { Clock } from '../clock.ts';
import { instant } from '../clock.ts';
import type { Ledger, LedgerKind, Snapshot, Store } from '../store/store.ts';
import { mayPass } from '../store/store.ts';
import type { Copies } from './copies.ts';
import type { Following, Trouble } from './following.ts';
import { startFollowing } from './following.ts';
import type { Memory } from './memory.ts';
import { openMemory } from './memory.ts';
import type { Reading } from './reading.ts';
import { openReading, readWhole } from './reading.ts';
import type { Writing } from './writing.ts';
import { openWriting } from './writing.ts';

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
  Pick<Reading, 'reach' | 'refresh'> &
  /** Commits what `decide` makes of the current snapshot; tried anew where another writer was first. */
  Writing<Kind> &
  Following;

export type ReplicaParts = {
  readonly store: Store;
  /** Undefined: the store is this server's own, and is away only when the server is. */
  readonly copies?: Copies | undefined;
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
  const { reach, refresh } = reading;
  return { ledger, current, subscribe, reach, refresh, write, ...following };
};

/** The ledger as the store has it; where that is away, as this server last knew it. */
const readFirst = async <Kind extends LedgerKind>(
  { store, clock, copies, onTrouble }: ReplicaParts,
  ledger: Ledger<Kind>,
): Promise<{ snapshot: Snapshot<Kind>; trouble: Trouble | undefined }> => {
  try {
    return { snapshot: await readWhole(store, ledger), trouble: undefined };
  } catch (error) {
    const copy = mayPass(error) ? copies?.read(ledger) : undefined;
    if (copy === undefined || !(error instanceof Error)) throw error;
    const made = instant(copy.at);
    const message = `${error.message}; a copy made at ${made} is served`;
    onTrouble(message);
    return { snapshot: copy.snapshot, trouble: { since: clock.now(), message, copyOf: copy.at } };
  }
};
