import { parseChangeId, type ChangeId } from '../store/change-id.ts';
import type { Change, Ledger, LedgerKind, Snapshot, Stored } from '../store/store.ts';

/**
 * One ledger in memory. Invariant: `current()` is always the whole ledger as of exactly one change, and
 * an object of its own for each step.
 */
export type Memory<Kind extends LedgerKind> = {
  readonly ledger: Ledger<Kind>;
  readonly current: () => Snapshot<Kind>;
  /**
   * Takes a change that follows the current one, and passes over one that was taken before, or that is
   * part of what was read since. False, and nothing done: something is missing between the two.
   */
  readonly apply: (change: Change<Kind>) => boolean;
  /** Takes the whole ledger, as it was read. */
  readonly replace: (whole: Snapshot<Kind>) => void;
  /** Called after each step, in order. Returns how to stop. A listener must not throw. */
  readonly subscribe: (listener: (step: Step<Kind>) => void) => () => void;
};

/** How a ledger in memory got from one snapshot to the next. */
export type Step<Kind extends LedgerKind> =
  | { readonly type: 'change'; readonly change: Change<Kind>; readonly snapshot: Snapshot<Kind> }
  | { readonly type: 'reload'; readonly snapshot: Snapshot<Kind> };

/** Changes lately taken: the feed delivers our own commits a second time. */
const REMEMBERED = 1_000;

export const openMemory = <Kind extends LedgerKind>(
  ledger: Ledger<Kind>,
  first: Snapshot<Kind>,
): Memory<Kind> => {
  const listeners = new Set<(step: Step<Kind>) => void>();
  const taken = openRecent();
  let snapshot = first;
  taken.add(first.id);

  const move = (step: Step<Kind>) => {
    snapshot = step.snapshot;
    taken.add(snapshot.id);
    for (const listener of listeners) listener(step);
  };

  return {
    ledger,
    current: () => snapshot,
    apply(change) {
      if (change.previous !== snapshot.id)
        return taken.has(change.id) || isBefore(change.id, snapshot.id);
      const next = AFTER[ledger.kind](snapshot.records, change);
      move(
        change.replaceAll
          ? { type: 'reload', snapshot: next }
          : { type: 'change', change, snapshot: next },
      );
      return true;
    },
    replace: whole => move({ type: 'reload', snapshot: whole }),
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
};

/** Of the same epoch, and earlier. Where that history was written anew, a later change or a check shows it. */
const isBefore = (one: ChangeId, other: ChangeId): boolean => {
  const [a, b] = [parseChangeId(one), parseChangeId(other)];
  return a !== undefined && a.epoch === b?.epoch && a.revision < b.revision;
};

/** The ids that were added last. */
const openRecent = () => {
  const ids = new Set<ChangeId>();
  return {
    has: (id: ChangeId) => ids.has(id),
    add(id: ChangeId) {
      ids.delete(id);
      ids.add(id);
      if (ids.size > REMEMBERED) for (const oldest of ids) return void ids.delete(oldest);
    },
  };
};

/** The snapshot after a change. Maps are copied, so that a snapshot never changes once it is seen. */
const AFTER: {
  readonly [Kind in LedgerKind]: (
    before: Snapshot<Kind>['records'],
    change: Change<Kind>,
  ) => Snapshot<Kind>;
} = {
  control: ({ environments, keys }, change) => ({
    id: change.id,
    records: {
      environments: merge(environments, change, change.writes.environments),
      keys: merge(keys, change, change.writes.keys),
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
  before: ReadonlyMap<string, Stored<Document>>,
  { id, replaceAll }: { id: ChangeId; replaceAll: boolean },
  writes: ReadonlyMap<string, Document | null> | undefined,
): ReadonlyMap<string, Stored<Document>> => {
  if (writes === undefined && !replaceAll) return before;
  const merged = new Map(replaceAll ? [] : before);
  for (const [key, document] of writes ?? []) {
    if (document === null) merged.delete(key);
    else merged.set(key, { document, changeId: id });
  }
  return merged;
};
