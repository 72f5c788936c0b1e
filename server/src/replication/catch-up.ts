import type { Clock } from '../clock.ts';
import { revisionOf, type ChangeId } from '../store/change-id.ts';
import type { Ledger, LedgerKind, Snapshot, Store } from '../store/store.ts';
import { ledgerNotFound } from '../store/store.ts';
import type { Memory } from './replica-state.ts';

/** Brings what is in memory up to what the store has. All of it throws a StoreError while that is away. */
export type Reading = {
  /** Does the store have nothing newer, and nothing else? */
  readonly isCurrent: () => Promise<boolean>;
  /**
   * Brings the store's last change, which is this one: the feed does within moments, and for far less
   * than reading everything. Where it does not, everything is read.
   */
  readonly catchUp: (last: ChangeId | 'none') => Promise<void>;
  /** Asks the store for its last change, and brings it. Answers whether it was missing. */
  readonly refresh: () => Promise<boolean>;
  /**
   * Reads the whole ledger, unless it is current: what is in memory is then not older than the call. What
   * comes while it is read is for the feed: under steady writes no reading would ever be the last one.
   */
  readonly reload: () => Promise<void>;
  /**
   * Resolves once what is in memory is not older than this change, or the store has lost that. Many ask
   * at once after an outage: the store is asked once for all of them.
   */
  readonly waitForRevision: (id: ChangeId) => Promise<void>;
};

const FEED_MS = 250;

export const openReading = <Kind extends LedgerKind>(
  store: Store,
  memory: Memory<Kind>,
  clock: Clock,
): Reading => {
  let reloading: Promise<void> | undefined;

  const isCurrent = async () => (await store.head(memory.ledger)) === memory.current().id;

  const reload = async () => {
    while (!(await isCurrent())) {
      const before = memory.current();
      const whole = await readWhole(store, memory.ledger);
      // What was read counts only if nothing moved meanwhile: it could be older than what we have by now.
      if (memory.current() !== before) continue;
      if (whole.id !== before.id) memory.replace(whole);
      return;
    }
  };

  const isBehind = (id: ChangeId) => revisionOf(id) > revisionOf(memory.current().id);

  const feedBrings = (id: ChangeId) =>
    new Promise<boolean>(resolve => {
      const done = (brought: boolean) => {
        stop();
        cancel();
        resolve(brought);
      };
      const stop = memory.subscribe(() => isBehind(id) || done(true));
      const cancel = clock.after(FEED_MS, () => done(false));
    });

  const catchUp = async (last: ChangeId) => {
    if (!isBehind(last) || !(await feedBrings(last))) await reload();
  };

  const refresh = async () => {
    const last = await store.head(memory.ledger);
    if (last === memory.current().id) return false;
    await catchUp(last ?? 'none');
    return true;
  };

  const waitForRevision = async (id: ChangeId) => {
    // A question that was under way may have been answered before the change was made.
    for (let asked = 0; asked < 2 && isBehind(id); asked += 1)
      await (reloading ??= reload().finally(() => (reloading = undefined)));
  };

  return { isCurrent, catchUp, refresh, reload, waitForRevision };
};

export const readWhole = async <Kind extends LedgerKind>(
  store: Store,
  ledger: Ledger<Kind>,
): Promise<Snapshot<Kind>> => {
  const snapshot = await store.read(ledger);
  if (snapshot !== undefined) return snapshot;
  throw ledgerNotFound(ledger);
};
