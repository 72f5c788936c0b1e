import { PersistentMap } from '@pennon/engine/persistent-map';

import { parseChangeId, type ChangeId } from '../store/change-id.ts';
import type { Change, Ledger, LedgerKind, Snapshot, Stored } from '../store/store.ts';

/**
 * One ledger in memory. Invariant: `current()` is the whole ledger as of exactly one change. A snapshot
 * is never modified; each change produces a new one.
 */
export type ReplicaState<Kind extends LedgerKind> = {
  readonly ledger: Ledger<Kind>;
  readonly current: () => Snapshot<Kind>;
  /**
   * Applies a change that follows the current one. Ignores changes that are already included. Returns
   * false, with nothing changed, if changes are missing in between.
   */
  readonly apply: (change: Change<Kind>) => boolean;
  /** Replaces everything with a snapshot that was read from the store. */
  readonly replace: (snapshot: Snapshot<Kind>) => void;
  /** Calls the listener after each update, in order. A listener must not throw. Returns unsubscribe. */
  readonly subscribe: (listener: (event: ReplicaEvent<Kind>) => void) => () => void;
};

/** An update of a replica: one change, or a whole new snapshot. */
export type ReplicaEvent<Kind extends LedgerKind> =
  | { readonly type: 'change'; readonly change: Change<Kind>; readonly snapshot: Snapshot<Kind> }
  | { readonly type: 'reload'; readonly snapshot: Snapshot<Kind> };

/** Ids to remember, because the feed delivers this server's own commits a second time. */
const REMEMBERED_IDS = 1_000;

export const createReplicaState = <Kind extends LedgerKind>(
  ledger: Ledger<Kind>,
  initial: Snapshot<Kind>,
): ReplicaState<Kind> => {
  const listeners = new Set<(event: ReplicaEvent<Kind>) => void>();
  const appliedIds = createRecentIds();
  let snapshot = initial;
  appliedIds.add(initial.id);

  const update = (event: ReplicaEvent<Kind>) => {
    snapshot = event.snapshot;
    appliedIds.add(snapshot.id);
    for (const listener of listeners) listener(event);
  };

  return {
    ledger,
    current: () => snapshot,
    apply(change) {
      if (change.previous !== snapshot.id)
        return appliedIds.has(change.id) || isEarlier(change.id, snapshot.id);
      const next = SNAPSHOT_AFTER[ledger.kind](snapshot.records, change);
      update(
        change.replaceAll
          ? { type: 'reload', snapshot: next }
          : { type: 'change', change, snapshot: next },
      );
      return true;
    },
    replace: next => update({ type: 'reload', snapshot: next }),
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
};

/**
 * Whether a change comes before another in the same epoch. If the store rewrote that part of the
 * history, a later change or the follower's periodic check finds out.
 */
const isEarlier = (id: ChangeId, other: ChangeId): boolean => {
  const [a, b] = [parseChangeId(id), parseChangeId(other)];
  return a !== undefined && a.epoch === b?.epoch && a.revision < b.revision;
};

/** The ids added most recently. */
const createRecentIds = () => {
  const ids = new Set<ChangeId>();
  return {
    has: (id: ChangeId) => ids.has(id),
    add(id: ChangeId) {
      ids.delete(id);
      ids.add(id);
      if (ids.size > REMEMBERED_IDS) for (const oldest of ids) return void ids.delete(oldest);
    },
  };
};

/** Returns the snapshot after a change. Earlier snapshots stay as they were. */
const SNAPSHOT_AFTER: {
  readonly [Kind in LedgerKind]: (
    records: Snapshot<Kind>['records'],
    change: Change<Kind>,
  ) => Snapshot<Kind>;
} = {
  control: ({ environments, keys, deletedEnvironments }, change) => ({
    id: change.id,
    records: {
      environments: merge(environments, change, change.writes.environments),
      keys: merge(keys, change, change.writes.keys),
      deletedEnvironments: merge(deletedEnvironments, change, change.writes.deletedEnvironments),
    },
  }),
  flagSet: ({ flags, segments }, change) => ({
    id: change.id,
    records: {
      flags: merge(flags, change, change.writes.flags),
      segments: merge(segments, change, change.writes.segments),
    },
  }),
};

const merge = <Document>(
  documents: PersistentMap<Stored<Document>>,
  { id: changeId, replaceAll }: { id: ChangeId; replaceAll: boolean },
  writes: ReadonlyMap<string, Document | null> = new Map(),
): PersistentMap<Stored<Document>> => {
  const records = Array.from(
    writes,
    ([key, document]) => [key, document && { document, changeId }] as const,
  );
  return (replaceAll ? PersistentMap.from<Stored<Document>>([]) : documents).with(records);
};
