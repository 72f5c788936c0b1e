import { revisionOf, type ChangeId } from '../store/change-id.ts';
import type { Ledger, LedgerKind, Snapshot, Store } from '../store/store.ts';
import { lostLedger } from '../store/store.ts';
import type { Memory } from './memory.ts';

/** Brings what is in memory up to what the store has. All of it throws a StoreError while that is away. */
export type Reading = {
  /** Does the store have nothing newer, and nothing else? */
  readonly isCurrent: () => Promise<boolean>;
  /** Reads the whole ledger, unless it is current. */
  readonly reload: () => Promise<void>;
  /**
   * Resolves once what is in memory is not older than this change, or the store has lost that. Many ask
   * at once after an outage: the store is asked once for all of them.
   */
  readonly reach: (id: ChangeId) => Promise<void>;
};

export const openReading = <Kind extends LedgerKind>(
  store: Store,
  memory: Memory<Kind>,
): Reading => {
  let reloading: Promise<void> | undefined;

  const isCurrent = async () => (await store.head(memory.ledger)) === memory.current().id;

  const reload = async () => {
    while (!(await isCurrent())) {
      const before = memory.current();
      const whole = await readWhole(store, memory.ledger);
      // What was read counts only if nothing moved meanwhile: it could be older than what we have by now.
      if (memory.current() === before && whole.id !== before.id) memory.replace(whole);
    }
  };

  const isBehind = (id: ChangeId) => revisionOf(id) > revisionOf(memory.current().id);

  const reach = async (id: ChangeId) => {
    // A question that was under way may have been answered before the change was made.
    for (let asked = 0; asked < 2 && isBehind(id); asked += 1)
      await (reloading ??= reload().finally(() => (reloading = undefined)));
  };

  return { isCurrent, reload, reach };
};

export const readWhole = async <Kind extends LedgerKind>(
  store: Store,
  ledger: Ledger<Kind>,
): Promise<Snapshot<Kind>> => {
  const snapshot = await store.read(ledger);
  if (snapshot !== undefined) return snapshot;
  throw lostLedger(ledger);
};
