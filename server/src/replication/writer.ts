import type { Clock } from '../clock.ts';
import { PennonError } from '../errors.ts';
import { laterTurn, nextTurn } from '../slices.ts';
import type { ChangeId } from '../store/change-id.ts';
import type {
  AuditDraft,
  LedgerKind,
  NewVersions,
  Snapshot,
  Store,
  Writes,
} from '../store/store.ts';
import { isTransient, StoreError } from '../store/store.ts';
import { isLargeUpdate, type ReplicaState } from './replica-state.ts';
import type { CatchUp } from './catch-up.ts';

/** What to commit, and what the write returns once it is committed. */
export type WritePlan<Kind extends LedgerKind, Result> = {
  /** Nothing is committed if this has no collection. */
  readonly writes: Writes<Kind>;
  /** The versions that the commit adds. */
  readonly versions?: NewVersions | undefined;
  readonly audit: readonly AuditDraft[];
  /** Replaces all documents with `writes` and starts a new epoch. */
  readonly replaceAll?: boolean;
  readonly result: (id: ChangeId) => Result | Promise<Result>;
};

/**
 * Plans a write on a snapshot. Called again if another writer commits first. May read the store: the plan is
 * committed only if the snapshot is still the ledger's last change then.
 */
export type WritePlanner<Kind extends LedgerKind, Result> = (
  snapshot: Snapshot<Kind>,
) => WritePlan<Kind, Result> | Promise<WritePlan<Kind, Result>>;

/**
 * Writes to a ledger with optimistic concurrency. Writes of this server run one at a time; a write that
 * loses to another server is planned again. If a write finds the store unavailable, the writes queued
 * behind it fail at once instead of each waiting for its own timeout.
 */
export type ReplicaWriter<Kind extends LedgerKind> = {
  readonly write: <Result>(planWrite: WritePlanner<Kind, Result>) => Promise<Result>;
};

const MAX_ATTEMPTS = 50;
/** Limit for waiting in the queue and retrying, together. */
const WRITE_TIMEOUT_MS = 8_000;

export const createReplicaWriter = <Kind extends LedgerKind>(
  deps: WriterDeps<Kind>,
  clock: Clock,
): ReplicaWriter<Kind> => {
  let lastWrite: Promise<unknown> = Promise.resolve();
  let lastFailure: { readonly error: unknown } | undefined;

  return {
    write(planWrite) {
      const failureBefore = lastFailure;
      const deadline = clock.monotonic() + WRITE_TIMEOUT_MS;
      const run = async () => {
        if (lastFailure !== failureBefore) throw notAttempted(lastFailure?.error);
        try {
          return await retryUntil(deadline, clock, () => commitOnce(deps, planWrite));
        } catch (error) {
          if (isTransient(error)) lastFailure = { error };
          throw error;
        }
      };
      const write = lastWrite.then(run);
      lastWrite = write.catch(() => undefined);
      return write;
    },
  };
};

const retryUntil = async <Result>(
  deadline: number,
  clock: Clock,
  attempt: () => Promise<{ result: Result } | undefined>,
): Promise<Result> => {
  for (let attempts = 0; attempts < MAX_ATTEMPTS && clock.monotonic() < deadline; attempts += 1) {
    const committed = await attempt();
    if (committed !== undefined) return committed.result;
  }
  throw new PennonError(
    'SERVICE_UNAVAILABLE',
    'nothing was written: too many concurrent changes; try again',
    { retryAfterSeconds: 1 },
  );
};

type WriterDeps<Kind extends LedgerKind> = {
  readonly store: Store;
  readonly state: ReplicaState<Kind>;
  readonly catchUp: CatchUp;
};

/** Plans and commits once. Returns undefined when another writer committed first. */
const commitOnce = async <Kind extends LedgerKind, Result>(
  { store, state, catchUp }: WriterDeps<Kind>,
  planWrite: WritePlanner<Kind, Result>,
): Promise<{ result: Result } | undefined> => {
  // The request may have taken all of this turn: a document of some hundred kilobytes was parsed.
  await laterTurn();
  const { base, plan } = await planOnCurrent(state, catchUp, planWrite);
  const { result, ...commit } = plan;
  /** The response is made from the result next, which takes long for large documents. */
  const resultAt = async (id: ChangeId) => {
    const made = await result(id);
    await nextTurn();
    return { result: made };
  };
  await nextTurn();
  if (Object.keys(commit.writes).length === 0) {
    // What it returns must be what the store has, as after any other write.
    await catchUp.reload();
    return state.current().id === base ? resultAt(base) : undefined;
  }
  const outcome = await store.commit(state.ledger, { ...commit, expect: base });
  if (!outcome.committed) {
    if (state.current().id === base) await catchUp.catchUpTo(outcome.actual);
    return undefined;
  }
  await nextTurn();
  // The change is committed even if the store becomes unavailable before it can be read back.
  if (isLargeUpdate(outcome.change)) await state.prepare(outcome.change);
  if (!state.apply(outcome.change)) await catchUp.reload().catch(() => undefined);
  return resultAt(outcome.change.id);
};

/**
 * Plans the write on the replica. If that throws, refreshes the replica and plans again: a caller's write may
 * be refused only because of the data in the store, never because of an older replica.
 */
const planOnCurrent = async <Kind extends LedgerKind, Result>(
  state: ReplicaState<Kind>,
  { refresh }: CatchUp,
  planWrite: WritePlanner<Kind, Result>,
) => {
  const planNow = async () => {
    const snapshot = state.current();
    return { base: snapshot.id, plan: await planWrite(snapshot) };
  };
  try {
    return await planNow();
  } catch (error) {
    if (!(await refresh())) throw error;
    return planNow();
  }
};

const notAttempted = (cause: unknown): StoreError =>
  new StoreError('unavailable', NOT_ATTEMPTED, { cause, clientMessage: NOT_ATTEMPTED });

const NOT_ATTEMPTED =
  'nothing was written: the store became unavailable while this change was queued';
