import type { Clock } from '../clock.ts';
import { ageOf, formatInstant } from '../clock.ts';
import { errorMessage } from '../error-message.ts';
import type { Ledger, LedgerKind, Snapshot, Store } from '../store/store.ts';
import { isTransient, storeErrorCode } from '../store/store.ts';
import type { CatchUp } from './catch-up.ts';
import { createCatchUp, readSnapshot, requireSameInstallation } from './catch-up.ts';
import { startFollower } from './follower.ts';
import {
  createOutageTracker,
  type Outage,
  type OutageTracker,
  type ReportOutage,
} from './outage.ts';
import type { ReplicaState } from './replica-state.ts';
import { createReplicaState } from './replica-state.ts';
import type { SnapshotFiles } from './snapshot-files.ts';
import { createEmbeddedSourceAge, createSourceAge } from './source-age.ts';
import type { ReplicaWriter } from './writer.ts';
import { createReplicaWriter } from './writer.ts';

/**
 * One ledger in memory, kept current by the store's change feed.
 *
 * A change is applied only if it follows the current one. After anything else (a gap, a new epoch, a
 * rewritten revision) the replica reads the whole ledger again. A client that has seen a change is never
 * given older data, unless the store itself has lost the change.
 */
export type Replica<Kind extends LedgerKind> = Pick<
  ReplicaState<Kind>,
  'ledger' | 'current' | 'subscribe'
> &
  Pick<CatchUp, 'waitForChange' | 'refresh'> &
  ReplicaWriter<Kind> & {
    /** Undefined while the replica follows the store. */
    readonly outage: () => Outage | undefined;
    /** How long ago the replica was last known to have the current state of the store, in milliseconds. */
    readonly sourceAgeMs: () => number;
    readonly close: () => void;
  };

export type ReplicaDeps = {
  readonly store: Store;
  /** Whether this server can be cut off from the store. By default the store is part of the server. */
  readonly isStoreShared?: boolean | undefined;
  /** Undefined when the store is part of this server, because then both fail together. */
  readonly snapshotFiles?: SnapshotFiles | undefined;
  readonly clock: Clock;
  readonly reportOutage: ReportOutage;
};

/** Reads a ledger and follows it until closed. */
export const openReplica = async <Kind extends LedgerKind>(
  deps: ReplicaDeps,
  ledger: Ledger<Kind>,
): Promise<Replica<Kind>> => {
  const { store, clock, snapshotFiles } = deps;
  const { snapshot, outage } = await readInitial(deps, ledger);
  const state = createReplicaState(ledger, snapshot);
  const saveSnapshot = () => snapshotFiles?.save(ledger, state.current);
  if (outage === undefined) saveSnapshot();
  state.subscribe(saveSnapshot);
  const tracker = createOutageTracker(clock, deps.reportOutage, outage);
  const outages = ledger.kind === 'control' ? storeOutages(tracker, snapshotFiles) : tracker;
  const age =
    deps.isStoreShared === true
      ? createSourceAge(clock, outage)
      : createEmbeddedSourceAge(clock, outages.current);
  state.subscribe(({ type }) => {
    if (type === 'change') age.confirm(clock.monotonic());
  });
  const catchUp = createCatchUp({ store, clock, state, age });
  const close = startFollower({ store, clock, state, catchUp, outages, age });
  return {
    ledger,
    current: state.current,
    subscribe: state.subscribe,
    waitForChange: catchUp.waitForChange,
    refresh: catchUp.refresh,
    write: createReplicaWriter({ store, state, catchUp }, clock).write,
    outage: outages.current,
    sourceAgeMs: age.ms,
    close,
  };
};

/** Reads the ledger from the store, or from its snapshot file if the store is unavailable. */
const readInitial = async <Kind extends LedgerKind>(
  { store, clock, snapshotFiles }: ReplicaDeps,
  ledger: Ledger<Kind>,
): Promise<{ snapshot: Snapshot<Kind>; outage: Outage | undefined }> => {
  try {
    const snapshot = await readSnapshot(store, ledger);
    const known = ledger.kind === 'control' ? await snapshotFiles?.read(ledger) : undefined;
    if (known !== undefined)
      await requireSameInstallation({ store, ledger }, known.snapshot.id, snapshot.id);
    return { snapshot, outage: await unconfirmed(store, clock) };
  } catch (error) {
    const canServeCopy = isTransient(error) || storeErrorCode(error) === 'corrupt';
    const saved = canServeCopy ? await snapshotFiles?.read(ledger) : undefined;
    if (saved === undefined || !(error instanceof Error)) throw error;
    const reason = `${error.message}; serving a snapshot saved at ${formatInstant(saved.savedAt)}`;
    return {
      snapshot: saved.snapshot,
      outage: {
        since: clock.monotonic() - ageOf(clock, snapshotFiles?.outageSince() ?? clock.now()),
        reason,
        code: storeErrorCode(error),
        snapshotAt: saved.savedAt,
      },
    };
  }
};

/** Returns an outage if the store may lack later changes: its data is used, but is not current. */
const unconfirmed = async (store: Store, clock: Clock): Promise<Outage | undefined> => {
  try {
    await store.requirePrimary?.();
    return undefined;
  } catch (error) {
    return {
      since: clock.monotonic(),
      reason: errorMessage(error),
      code: storeErrorCode(error),
    };
  }
};

/** Also stores on disk when an outage begins, so that a server that restarts during one does not count it from its own start. */
const storeOutages = (
  tracker: OutageTracker,
  files: Pick<SnapshotFiles, 'beginOutage' | 'endOutage'> | undefined,
): OutageTracker => {
  let isStored: boolean | undefined;
  const store = (isOutage: boolean) => {
    if (isStored === isOutage) return;
    isStored = isOutage;
    if (isOutage) files?.beginOutage();
    else files?.endOutage();
  };
  return {
    ...tracker,
    start(error) {
      store(true);
      tracker.start(error);
    },
    end() {
      store(false);
      tracker.end();
    },
  };
};
