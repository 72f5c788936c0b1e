import { PersistentMap } from '@pennon/engine/persistent-map';

import { isLarge } from '../slices.ts';
import { parseChangeId, type ChangeId } from '../store/change-id.ts';
import { countDocuments } from '../store/serialization.ts';
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
  /** Called before a large update is applied, so that listeners do in slices what would take them too long. */
  readonly prepare: (update: Update<Kind>) => Promise<void>;
  /**
   * Calls the listener after each update, in order. A listener must not throw. `prepare` is called before each
   * large update. Returns unsubscribe.
   */
  readonly subscribe: (
    listener: (event: ReplicaEvent<Kind>) => void,
    prepare?: (event: ReplicaEvent<Kind>) => Promise<void>,
  ) => () => void;
};

/** An update of a replica: one change, or a whole new snapshot. */
export type ReplicaEvent<Kind extends LedgerKind> =
  | { readonly type: 'change'; readonly change: Change<Kind>; readonly snapshot: Snapshot<Kind> }
  | { readonly type: 'reload'; readonly snapshot: Snapshot<Kind> };

/** What updates a replica: a change, or a snapshot that was read from the store. */
type Update<Kind extends LedgerKind> = Change<Kind> | Snapshot<Kind>;

/** Whether an update is prepared before it is applied. */
export const isLargeUpdate = <Kind extends LedgerKind>(update: Update<Kind>): boolean =>
  isLarge(countDocuments('writes' in update ? update.writes : update.records));

/** Ids to remember, because the feed delivers this server's own commits a second time. */
const REMEMBERED_IDS = 1_000;

export const createReplicaState = <Kind extends LedgerKind>(
  ledger: Ledger<Kind>,
  initial: Snapshot<Kind>,
): ReplicaState<Kind> => {
  const listeners = new Set<(event: ReplicaEvent<Kind>) => void>();
  const preparations = createPreparations<Kind>();
  const appliedIds = createRecentIds();
  let snapshot = initial;
  appliedIds.add(initial.id);

  const update = (event: ReplicaEvent<Kind>) => {
    snapshot = event.snapshot;
    appliedIds.add(snapshot.id);
    for (const listener of listeners) listener(event);
  };

  const eventOf = (received: Update<Kind>): ReplicaEvent<Kind> => {
    if (!('writes' in received)) return { type: 'reload', snapshot: received };
    const next = SNAPSHOT_AFTER[ledger.kind](snapshot.records, received);
    return received.replaceAll
      ? { type: 'reload', snapshot: next }
      : { type: 'change', change: received, snapshot: next };
  };

  return {
    ledger,
    current: () => snapshot,
    apply(change) {
      if (change.previous !== snapshot.id)
        return appliedIds.has(change.id) || isEarlier(change.id, snapshot.id);
      update(preparations.take(change.id, snapshot) ?? eventOf(change));
      return true;
    },
    replace: next => update(preparations.take(next.id, snapshot) ?? eventOf(next)),
    async prepare(received) {
      if ('writes' in received && received.previous !== snapshot.id) return;
      await preparations.run(received.id, snapshot, () => eventOf(received));
    },
    subscribe(listener, prepare) {
      listeners.add(listener);
      const remove = prepare && preparations.add(prepare);
      return () => {
        listeners.delete(listener);
        remove?.();
      };
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

/** The event of one update, and when all listeners are prepared for it. */
type Preparation<Kind extends LedgerKind> = {
  readonly id: ChangeId;
  readonly after: Snapshot<Kind>;
  readonly event: ReplicaEvent<Kind>;
  readonly done: Promise<void>;
};

/** What listeners do before a large update. Keeps the event of the last one, until it is applied. */
const createPreparations = <Kind extends LedgerKind>() => {
  const listeners = new Set<(event: ReplicaEvent<Kind>) => Promise<void>>();
  let last: Preparation<Kind> | undefined;
  const prepareFor = async (event: ReplicaEvent<Kind>) => {
    for (const prepare of listeners) await prepare(event);
  };
  return {
    add(prepare: (event: ReplicaEvent<Kind>) => Promise<void>) {
      listeners.add(prepare);
      return () => void listeners.delete(prepare);
    },
    /** The writer of a change and the follower of the feed apply it at the same time, so both share one. */
    run(id: ChangeId, after: Snapshot<Kind>, toEvent: () => ReplicaEvent<Kind>): Promise<void> {
      if (last?.id !== id || last.after !== after) {
        const event = toEvent();
        last = { id, after, event, done: prepareFor(event) };
      }
      return last.done;
    },
    /** Returns the event of an update, if it was prepared and still follows the same snapshot. */
    take(id: ChangeId, after: Snapshot<Kind>): ReplicaEvent<Kind> | undefined {
      const found = last;
      last = undefined;
      return found?.id === id && found.after === after ? found.event : undefined;
    },
  };
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

/** Returns the snapshot after a change. Maps are copied, so earlier snapshots stay as they were. */
const SNAPSHOT_AFTER: {
  readonly [Kind in LedgerKind]: (
    records: Snapshot<Kind>['records'],
    change: Change<Kind>,
  ) => Snapshot<Kind>;
} = {
  control: (records, change) => ({
    id: change.id,
    records: {
      environments: merge(records.environments, change, change.writes.environments),
      keys: merge(records.keys, change, change.writes.keys),
      deletedEnvironments: merge(
        records.deletedEnvironments,
        change,
        change.writes.deletedEnvironments,
      ),
      sessions: merge(records.sessions, change, change.writes.sessions),
      people: merge(records.people, change, change.writes.people),
      groups: merge(records.groups, change, change.writes.groups),
      invitations: merge(records.invitations, change, change.writes.invitations),
      tokens: merge(records.tokens, change, change.writes.tokens),
      secrets: merge(records.secrets, change, change.writes.secrets),
    },
  }),
  flagSet: ({ flags, segments, metrics, experiments, layers, ramps }, change) => ({
    id: change.id,
    records: {
      flags: merge(flags, change, change.writes.flags),
      segments: merge(segments, change, change.writes.segments),
      metrics: merge(metrics, change, change.writes.metrics),
      experiments: merge(experiments, change, change.writes.experiments),
      layers: merge(layers, change, change.writes.layers),
      ramps: merge(ramps, change, change.writes.ramps),
    },
  }),
  workflow: ({ contexts, results }, change) => ({
    id: change.id,
    records: {
      contexts: merge(contexts, change, change.writes.contexts),
      results: merge(results, change, change.writes.results),
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
