import type { Clock } from '../clock.ts';
import { epochOf, revisionOf, type ChangeId } from '../store/change-id.ts';
import type { Ledger, LedgerKind, Snapshot, Store } from '../store/store.ts';
import { ledgerNotFound, StoreError } from '../store/store.ts';
import { isLargeUpdate, type ReplicaState } from './replica-state.ts';
import type { SourceAge } from './source-age.ts';

/**
 * Brings a replica up to date with its store. Every function throws a StoreError if the store is
 * unavailable.
 */
export type CatchUp = {
  /** Whether the store's last change is the replica's. */
  readonly isCurrent: () => Promise<boolean>;
  /**
   * Brings the replica to `last`, the store's last change. Waits for the feed first, because it delivers
   * within milliseconds and a reload reads everything.
   */
  readonly catchUpTo: (last: ChangeId | 'none') => Promise<void>;
  /** Catches up with the store's last change. Returns whether the replica was behind. */
  readonly refresh: () => Promise<boolean>;
  /**
   * Reads the whole ledger unless the replica is current. Afterwards the replica is at least as new as
   * the call. Changes that arrive during the read are left to the feed: under constant writes no read
   * would ever be the last one.
   */
  readonly reload: () => Promise<void>;
  /**
   * Resolves once the replica has this change or a later one, or the store has lost the change.
   * Concurrent calls share one reload, because many clients reconnect at once after an outage.
   */
  readonly waitForChange: (id: ChangeId) => Promise<void>;
};

/** How long to wait for the feed before reloading. */
const FEED_WAIT_MS = 250;

type CatchUpDeps<Kind extends LedgerKind> = {
  readonly store: Store;
  readonly clock: Clock;
  readonly state: ReplicaState<Kind>;
  readonly age: SourceAge;
};

export const createCatchUp = <Kind extends LedgerKind>(deps: CatchUpDeps<Kind>): CatchUp => {
  const { store, clock, state, age } = deps;
  const isCurrent = async (): Promise<boolean> => {
    const sentAt = clock.monotonic();
    const last = await confirmedHead(store, state.ledger);
    if (last !== state.current().id) return false;
    age.confirm(sentAt);
    return true;
  };
  const reload = () => reloadFrom(deps, isCurrent);

  const catchUpTo = async (last: ChangeId | 'none') => {
    if (!isBehind(state, last) || !(await feedDelivers(state, last, clock))) await reload();
  };

  return {
    reload,
    catchUpTo,
    isCurrent,
    async refresh() {
      const last = await store.head(state.ledger);
      if (last === state.current().id) return false;
      await catchUpTo(last ?? 'none');
      return true;
    },
    waitForChange: createChangeWaiter(state, reload),
  };
};

/** Returns the id of the store's last change. Throws if the store may lack later ones. */
export const confirmedHead = async (
  store: Store,
  ledger: Ledger,
): Promise<ChangeId | undefined> => {
  const [last] = await Promise.all([store.head(ledger), store.requirePrimary?.()]);
  return last;
};

const isBehind = <Kind extends LedgerKind>(state: ReplicaState<Kind>, id: ChangeId): boolean =>
  revisionOf(id) > revisionOf(state.current().id);

const reloadFrom = async <Kind extends LedgerKind>(
  { store, state, clock, age }: CatchUpDeps<Kind>,
  isCurrent: () => Promise<boolean>,
): Promise<void> => {
  while (!(await isCurrent())) {
    const before = state.current();
    const sentAt = clock.monotonic();
    const snapshot = await readSnapshot(store, state.ledger);
    await requireSameInstallation({ store, ledger: state.ledger }, before.id, snapshot.id);
    if (snapshot.id !== before.id && isLargeUpdate(snapshot)) await state.prepare(snapshot);
    // If the replica moved during the read, the snapshot may be older than what it has now.
    if (state.current() !== before) continue;
    if (snapshot.id !== before.id) state.replace(snapshot);
    age.confirm(sentAt);
    return;
  }
};

/** Whether the feed delivers the change in time. */
const feedDelivers = <Kind extends LedgerKind>(
  state: ReplicaState<Kind>,
  id: ChangeId,
  clock: Clock,
): Promise<boolean> =>
  new Promise(resolve => {
    const done = (delivered: boolean) => {
      unsubscribe();
      cancelTimeout();
      resolve(delivered);
    };
    const unsubscribe = state.subscribe(() => isBehind(state, id) || done(true));
    const cancelTimeout = clock.after(FEED_WAIT_MS, () => done(false));
  });

const createChangeWaiter = <Kind extends LedgerKind>(
  state: ReplicaState<Kind>,
  reload: () => Promise<void>,
): CatchUp['waitForChange'] => {
  let reloading: Promise<void> | undefined;
  return async id => {
    // A reload that was already running may have read the ledger before the change was made.
    for (let reloads = 0; reloads < 2 && isBehind(state, id); reloads += 1)
      await (reloading ??= reload().finally(() => (reloading = undefined)));
  };
};

/** Reads the whole ledger. Throws if the store does not have it. */
export const readSnapshot = async <Kind extends LedgerKind>(
  store: Store,
  ledger: Ledger<Kind>,
): Promise<Snapshot<Kind>> => {
  const snapshot = await store.read(ledger);
  if (snapshot !== undefined) return snapshot;
  throw ledgerNotFound(ledger);
};

/**
 * Throws if a control ledger was created again since the copy with the id `known` was made. Servers never follow
 * such a ledger: its store has lost their data, and another server has begun there with empty data. Only if an
 * operator has removed their installation, to restore another one, they follow that.
 */
export const requireSameInstallation = async (
  { store, ledger }: { readonly store: Pick<Store, 'recovery'>; readonly ledger: Ledger },
  known: ChangeId,
  found: ChangeId,
): Promise<void> => {
  if (ledger.kind !== 'control' || epochOf(known) === epochOf(found)) return;
  if ((await store.recovery?.wasRemoved(epochOf(known) ?? '')) === true) return;
  throw new StoreError(
    'replaced',
    'the store has the data of another installation, begun after it lost the data of this one',
  );
};
