import type { Clock } from '../clock.ts';
import { instant, pause } from '../clock.ts';
import { PennonError } from '../errors.ts';
import { revisionOf, type ChangeId } from '../store/change-id.ts';
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
import { mayPass, StoreError } from '../store/store.ts';
import type { Copies } from './copies.ts';

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
  write<Result>(decide: Decide<Kind, Result>): Promise<Result>;
  /**
   * Makes sure that nobody is given older data than they have: resolves once `current()` is not older
   * than this change, or the store has lost that. Throws a StoreError where the store is away, and
   * nobody knows.
   */
  reach(id: ChangeId): Promise<void>;
  /** Why the replica may be behind, and since when; undefined while it follows. */
  trouble(): Trouble | undefined;
  close(): void;
};

export type Trouble = {
  /** Milliseconds since 1970. */
  readonly since: number;
  readonly message: string;
  /** When the copy was made that is served; undefined where it is what the store last had. */
  readonly copyOf?: number;
};

/** How the replica got from one snapshot to the next. */
export type Step<Kind extends LedgerKind> =
  | { readonly type: 'change'; readonly change: Change<Kind>; readonly snapshot: Snapshot<Kind> }
  | { readonly type: 'reload'; readonly snapshot: Snapshot<Kind> };

/** What a writer wants to commit, and its answer once that is done. */
export type Plan<Kind extends LedgerKind, Result> = {
  readonly writes: Writes<Kind>;
  readonly audit: readonly AuditDraft[];
  /** Begin a new epoch: `writes` is all that is. */
  readonly replaceAll?: boolean;
  readonly result: (id: ChangeId) => Result;
};

type Decide<Kind extends LedgerKind, Result> = (snapshot: Snapshot<Kind>) => Plan<Kind, Result>;

export type ReplicaParts = {
  readonly store: Store;
  /** Undefined: the store is this server's own, and is away only when the server is. */
  readonly copies?: Copies | undefined;
  readonly clock: Clock;
  readonly onTrouble: (message: string) => void;
};

/** Changes lately applied: the feed delivers our own commits a second time. */
const REMEMBERED = 1_000;
const WRITE_ATTEMPTS = 50;
const FIRST_RETRY_MS = 50;
const LAST_RETRY_MS = 2_000;
/** How often the store is asked whether we have its last change, and how long that may take to arrive. */
const CHECK_MS = 5_000;
const GRACE_MS = 1_000;

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
  const { store, clock, copies, onTrouble } = parts;
  const closing = new AbortController();
  const listeners = new Set<(step: Step<Kind>) => void>();
  const applied = new Set<ChangeId>();
  const first = await readFirst(parts, ledger);
  let { snapshot, trouble } = first;
  let moves = 0;
  let awaited: ChangeId | undefined;
  let reaching: Promise<void> | undefined;
  let following = new AbortController();
  let writing: Promise<unknown> = Promise.resolve();

  const remember = (id: ChangeId) => {
    applied.delete(id);
    applied.add(id);
    if (applied.size > REMEMBERED) for (const oldest of applied) return void applied.delete(oldest);
  };
  remember(snapshot.id);
  const keep = () => copies?.keep(ledger, () => snapshot);
  if (trouble === undefined) keep();

  const move = (step: Step<Kind>) => {
    snapshot = step.snapshot;
    moves += 1;
    if (snapshot.id === awaited) awaited = undefined;
    remember(snapshot.id);
    keep();
    for (const listener of listeners) listener(step);
  };

  const isCurrent = async () => (await store.head(ledger)) === snapshot.id;

  /** What was read counts only if nothing moved meanwhile: it could be older than what we have by now. */
  const reload = async () => {
    while (!(await isCurrent())) {
      const before = moves;
      const whole = await readWhole(store, ledger);
      if (moves === before && whole.id !== snapshot.id) move({ type: 'reload', snapshot: whole });
    }
  };

  const isBehind = (id: ChangeId) => revisionOf(id) > revisionOf(snapshot.id);

  /** Many ask at once after an outage: the store is asked once for all of them. */
  const reach = async (id: ChangeId) => {
    // A question that was under way may have been answered before the change was made.
    for (let asked = 0; asked < 2 && isBehind(id); asked += 1)
      await (reaching ??= reload().finally(() => (reaching = undefined)));
  };

  const apply = (change: Change<Kind>): boolean => {
    if (change.previous !== snapshot.id) return applied.has(change.id);
    const next = AFTER[ledger.kind](snapshot.records, change);
    move(
      change.replaceAll
        ? { type: 'reload', snapshot: next }
        : { type: 'change', change, snapshot: next },
    );
    return true;
  };

  const followOnce = async (turn: AbortController) => {
    const signal = AbortSignal.any([closing.signal, turn.signal]);
    const changes = store.follow(ledger, snapshot.id, signal);
    await reload();
    trouble = undefined;
    for await (const change of changes) if (!apply(change)) await reload();
  };

  const follow = async () => {
    let retryMs = FIRST_RETRY_MS;
    while (!closing.signal.aborted) {
      following = new AbortController();
      try {
        await followOnce(following);
        retryMs = FIRST_RETRY_MS;
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        if (trouble === undefined && !closing.signal.aborted) onTrouble(message);
        trouble ??= { since: clock.now(), message };
        retryMs = Math.min(retryMs * 2, LAST_RETRY_MS);
      } finally {
        following.abort();
      }
      if (!closing.signal.aborted) await pause(clock, retryMs, closing.signal);
    }
  };

  /**
   * A feed can be silently wrong: it may come from a master that is none any more. Where the store's last
   * change does not reach us soon, we follow anew, which reads anew.
   */
  const check = async () => {
    const last = await store.head(ledger);
    if (last === snapshot.id) return;
    awaited = last ?? 'none';
    await pause(clock, GRACE_MS, closing.signal);
    if (awaited !== undefined && !(await isCurrent())) following.abort();
  };
  // Where the store does not answer, following has said so.
  const stopChecking = clock.every(CHECK_MS, () => void check().catch(() => undefined));

  /** A refusal holds only if it was decided on what the store has now, not on what it had a moment ago. */
  const decideOn = async <Result>(decide: Decide<Kind, Result>) => {
    try {
      return { base: snapshot.id, plan: decide(snapshot) };
    } catch (error) {
      if (await isCurrent()) throw error;
      await reload();
      return { base: snapshot.id, plan: decide(snapshot) };
    }
  };

  const commit = async <Result>(decide: Decide<Kind, Result>): Promise<Result> => {
    for (let attempt = 0; attempt < WRITE_ATTEMPTS; attempt += 1) {
      const { base, plan } = await decideOn(decide);
      const { writes, audit, replaceAll = false, result } = plan;
      if (Object.keys(writes).length === 0) return result(base);
      const outcome = await store.commit(ledger, { expect: base, writes, audit, replaceAll });
      if (outcome.committed) {
        // The change is made, even if the store goes away before it is read back.
        if (!apply(outcome.change)) await reload().catch(() => undefined);
        return result(outcome.change.id);
      }
      await reload();
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
    reach,
    trouble: () => trouble,
    close() {
      stopChecking();
      closing.abort();
    },
  };
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

const readWhole = async <Kind extends LedgerKind>(
  store: Store,
  ledger: Ledger<Kind>,
): Promise<Snapshot<Kind>> => {
  const snapshot = await store.read(ledger);
  if (snapshot !== undefined) return snapshot;
  throw new StoreError(
    'unavailable',
    `the store no longer has the data of ledger "${ledger.id}": it was removed, or the store has lost it`,
  );
};
