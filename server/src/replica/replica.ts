import type { Clock } from '../clock.ts';
import { pause } from '../clock.ts';
import { PennonError } from '../errors.ts';
import type { ChangeId } from '../store/change-id.ts';
import type {
  AuditDraft,
  Change,
  Ledger,
  LedgerKind,
  Snapshot,
  Store,
  Stored,
  Writes,
} from '../store/store.ts';

/**
 * One ledger in memory, kept current by the store's change feed.
 *
 * Invariant: `current()` is always the whole ledger as of exactly one change. A change is applied only
 * where it follows the one that we have; anything else (a gap, a new epoch, a rewritten revision) makes
 * the replica read the whole ledger again.
 */
export type Replica<Kind extends LedgerKind> = {
  readonly ledger: Ledger<Kind>;
  current(): Snapshot<Kind>;
  /** Called after each step, in order. Returns how to stop. A listener must not throw. */
  subscribe(listener: (step: Step<Kind>) => void): () => void;
  /**
   * Commits what `decide` makes of the current snapshot; tried anew where another writer was first.
   * No writes, no commit.
   */
  write<Result>(decide: (snapshot: Snapshot<Kind>) => Plan<Kind, Result>): Promise<Result>;
  /** Why the replica may be behind, and since when; undefined while it follows. */
  trouble(): { since: number; message: string } | undefined;
  close(): void;
};

/** How the replica got from one snapshot to the next. */
export type Step<Kind extends LedgerKind> =
  | { readonly type: 'change'; readonly change: Change<Kind>; readonly snapshot: Snapshot<Kind> }
  | { readonly type: 'reload'; readonly snapshot: Snapshot<Kind> };

/** What a writer wants to commit, and its answer once that is done. */
export type Plan<Kind extends LedgerKind, Result> = {
  readonly writes: Writes<Kind>;
  readonly audit: readonly AuditDraft[];
  readonly result: (id: ChangeId) => Result;
};

export type ReplicaParts = {
  readonly store: Store;
  readonly clock: Clock;
  readonly onTrouble: (message: string) => void;
};

/** Changes lately applied: the feed delivers our own commits a second time. */
const REMEMBERED = 1_000;
const WRITE_ATTEMPTS = 50;
const FIRST_RETRY_MS = 50;
const LAST_RETRY_MS = 2_000;

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

/** Reads a ledger and follows it from then on. */
export const openReplica = async <Kind extends LedgerKind>(
  parts: ReplicaParts,
  ledger: Ledger<Kind>,
): Promise<Replica<Kind>> => {
  const { store, clock, onTrouble } = parts;
  const closing = new AbortController();
  const listeners = new Set<(step: Step<Kind>) => void>();
  const applied = new Set<ChangeId>();
  let snapshot = await readWhole(store, ledger);
  let writing: Promise<unknown> = Promise.resolve();
  let trouble: { since: number; message: string } | undefined;

  const remember = (id: ChangeId) => {
    applied.add(id);
    if (applied.size > REMEMBERED) for (const oldest of applied) return void applied.delete(oldest);
  };
  remember(snapshot.id);

  const move = (step: Step<Kind>) => {
    snapshot = step.snapshot;
    remember(snapshot.id);
    for (const listener of listeners) listener(step);
  };

  const reload = async () => {
    const whole = await readWhole(store, ledger);
    if (whole.id !== snapshot.id) move({ type: 'reload', snapshot: whole });
  };

  const apply = (change: Change<Kind>): boolean => {
    if (applied.has(change.id)) return true;
    if (change.previous !== snapshot.id) return false;
    const next = AFTER[ledger.kind](snapshot.records, change);
    move(
      change.replaceAll
        ? { type: 'reload', snapshot: next }
        : { type: 'change', change, snapshot: next },
    );
    return true;
  };

  const followOnce = async () => {
    const changes = store.follow(ledger, snapshot.id, closing.signal);
    await reload();
    trouble = undefined;
    for await (const change of changes) if (!apply(change)) await reload();
  };

  const follow = async () => {
    let retryMs = FIRST_RETRY_MS;
    while (!closing.signal.aborted) {
      try {
        await followOnce();
        retryMs = FIRST_RETRY_MS;
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        if (trouble === undefined && !closing.signal.aborted) onTrouble(message);
        trouble ??= { since: clock.now(), message };
        retryMs = Math.min(retryMs * 2, LAST_RETRY_MS);
      }
      if (!closing.signal.aborted) await pause(clock, retryMs, closing.signal);
    }
  };

  const commit = async <Result>(
    decide: (base: Snapshot<Kind>) => Plan<Kind, Result>,
  ): Promise<Result> => {
    for (let attempt = 0; attempt < WRITE_ATTEMPTS; attempt += 1) {
      const base = snapshot;
      const { writes, audit, result } = decide(base);
      if (Object.keys(writes).length === 0) return result(base.id);
      const outcome = await store.commit(ledger, { expect: base.id, writes, audit });
      if (!outcome.committed) await reload();
      else if (apply(outcome.change)) return result(outcome.change.id);
      else {
        await reload();
        return result(outcome.change.id);
      }
    }
    throw new PennonError('SERVICE_UNAVAILABLE', 'too many writers at once; try again', {
      retryAfterSeconds: 1,
    });
  };

  void follow();

  return {
    ledger,
    current: () => snapshot,
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    write(decide) {
      const turn = writing.then(() => commit(decide));
      writing = turn.catch(() => undefined);
      return turn;
    },
    trouble: () => trouble,
    close: () => closing.abort(),
  };
};

const readWhole = async <Kind extends LedgerKind>(
  store: Store,
  ledger: Ledger<Kind>,
): Promise<Snapshot<Kind>> => {
  const snapshot = await store.read(ledger);
  if (snapshot !== undefined) return snapshot;
  throw new PennonError('NOT_FOUND', `there is no ledger "${ledger.id}" in the store`);
};
