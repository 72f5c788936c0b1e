import type { Clock } from '../clock.ts';
import { PennonError } from '../errors.ts';
import type { ChangeId } from '../store/change-id.ts';
import type { AuditDraft, LedgerKind, Snapshot, Store, Writes } from '../store/store.ts';
import { isTransient, StoreError } from '../store/store.ts';
import type { Memory } from './replica-state.ts';
import type { Reading } from './catch-up.ts';

/** What a writer wants to commit, and its answer once that is done. */
export type Plan<Kind extends LedgerKind, Result> = {
  readonly writes: Writes<Kind>;
  readonly audit: readonly AuditDraft[];
  /** Begin a new epoch: `writes` is all that is. */
  readonly replaceAll?: boolean;
  readonly result: (id: ChangeId) => Result;
};

export type Decide<Kind extends LedgerKind, Result> = (
  snapshot: Snapshot<Kind>,
) => Plan<Kind, Result>;

/**
 * This server's writers take turns; other servers' are met by trying anew. Who waits for a turn while the
 * store is found to be away hears of it at once, and need not find that out again.
 */
export type Writing<Kind extends LedgerKind> = {
  readonly write: <Result>(decide: Decide<Kind, Result>) => Promise<Result>;
};

const ATTEMPTS = 50;
/** Nobody waits longer for a turn, or for being first among other servers' writers. */
const PATIENCE_MS = 8_000;

export const openWriting = <Kind extends LedgerKind>(
  store: Store,
  memory: Memory<Kind>,
  { catchUp, refresh, reload }: Reading,
  clock: Clock,
): Writing<Kind> => {
  let last: Promise<unknown> = Promise.resolve();
  let outage: { readonly error: unknown } | undefined;

  const decideNow = <Result>(decide: Decide<Kind, Result>) => {
    const base = memory.current();
    return { base: base.id, plan: decide(base) };
  };

  /** A refusal holds only if it was decided on what the store has now, not on what it had a moment ago. */
  const decideOn = async <Result>(decide: Decide<Kind, Result>) => {
    try {
      return decideNow(decide);
    } catch (error) {
      if (!(await refresh())) throw error;
      return decideNow(decide);
    }
  };

  /** Undefined: another writer was first. */
  const commitOnce = async <Result>(
    decide: Decide<Kind, Result>,
  ): Promise<{ result: Result } | undefined> => {
    const { base, plan } = await decideOn(decide);
    const { writes, audit, replaceAll = false, result } = plan;
    if (Object.keys(writes).length === 0) return { result: result(base) };
    const commit = { expect: base, writes, audit, replaceAll };
    const outcome = await store.commit(memory.ledger, commit);
    if (!outcome.committed) {
      if (memory.current().id === base) await catchUp(outcome.actual);
      return undefined;
    }
    // The change is made, even if the store goes away before it is read back.
    if (!memory.apply(outcome.change)) await reload().catch(() => undefined);
    return { result: result(outcome.change.id) };
  };

  const commit = async <Result>(decide: Decide<Kind, Result>, until: number): Promise<Result> => {
    for (let attempt = 0; attempt < ATTEMPTS && clock.now() < until; attempt += 1) {
      const done = await commitOnce(decide);
      if (done !== undefined) return done.result;
    }
    throw new PennonError(
      'SERVICE_UNAVAILABLE',
      'nothing was written: too many changes wait at once; try again',
      { retryAfterSeconds: 1 },
    );
  };

  const takeTurn = async <Result>(decide: Decide<Kind, Result>, until: number): Promise<Result> => {
    try {
      return await commit(decide, until);
    } catch (error) {
      if (isTransient(error)) outage = { error };
      throw error;
    }
  };

  return {
    write(decide) {
      const before = outage;
      const until = clock.now() + PATIENCE_MS;
      const turn = last.then(() => {
        if (outage !== before) throw notTried(outage?.error);
        return takeTurn(decide, until);
      });
      last = turn.catch(() => undefined);
      return turn;
    },
  };
};

const notTried = (cause: unknown): StoreError =>
  new StoreError(
    'unavailable',
    'nothing was written: while this change waited for its turn, another one found the store away',
    { cause },
  );
