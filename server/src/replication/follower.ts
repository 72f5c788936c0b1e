import type { Clock } from '../clock.ts';
import { pause } from '../clock.ts';
import { storeErrorCode, type LedgerKind, type Store } from '../store/store.ts';
import { confirmedHead, type CatchUp } from './catch-up.ts';
import type { OutageTracker } from './outage.ts';
import { isLargeUpdate, type ReplicaState } from './replica-state.ts';
import type { SourceAge } from './source-age.ts';

export type FollowerDeps<Kind extends LedgerKind> = {
  readonly store: Store;
  readonly clock: Clock;
  readonly state: ReplicaState<Kind>;
  readonly catchUp: CatchUp;
  readonly outages: OutageTracker;
  readonly age: SourceAge;
};

/** A key revoked just after an outage is rejected everywhere within a second, so retries are frequent. */
const MIN_RETRY_MS = 50;
const MAX_RETRY_MS = 250;
/**
 * How often to compare the replica with the store's last change, and how long that change may take to
 * arrive. For API keys both, plus following again, take less than a second.
 */
const CHECKS = {
  control: { everyMs: 400, graceMs: 200 },
  flagSet: { everyMs: 5_000, graceMs: 1_000 },
  workflow: { everyMs: 5_000, graceMs: 1_000 },
} as const satisfies Record<LedgerKind, { everyMs: number; graceMs: number }>;

/** Keeps a replica current from the store's change feed. Returns a function that stops it. */
export const startFollower = <Kind extends LedgerKind>(deps: FollowerDeps<Kind>): (() => void) => {
  const { clock, state, outages } = deps;
  const closing = new AbortController();
  let attempt = new AbortController();

  const follow = async () => {
    let retryMs = MIN_RETRY_MS;
    while (!closing.signal.aborted) {
      attempt = new AbortController();
      try {
        await followOnce(deps, AbortSignal.any([closing.signal, attempt.signal]));
        retryMs = MIN_RETRY_MS;
      } catch (error) {
        if (!closing.signal.aborted) outages.start(error);
        retryMs = Math.min(retryMs * 2, MAX_RETRY_MS);
      } finally {
        attempt.abort();
      }
      await pause(clock, retryMs, closing.signal);
    }
  };

  const restartIfStale = async () => {
    if (await isStale(deps, closing.signal)) attempt.abort();
  };
  const stopChecks = clock.every(
    CHECKS[state.ledger.kind].everyMs,
    // Following again reports why. If the store is unavailable, it has noticed that already.
    () =>
      void restartIfStale().catch(error => {
        if (storeErrorCode(error) !== 'unavailable') attempt.abort();
      }),
  );

  void follow();
  return () => {
    stopChecks();
    closing.abort();
    outages.close();
  };
};

/** Subscribes first and reads then, so that no change between the two is lost. */
const followOnce = async <Kind extends LedgerKind>(
  { store, state, catchUp, outages }: FollowerDeps<Kind>,
  signal: AbortSignal,
): Promise<void> => {
  const changes = store.follow(state.ledger, state.current().id, signal);
  await catchUp.reload();
  outages.end();
  for await (const change of changes) {
    if (isLargeUpdate(change)) await state.prepare(change);
    if (!state.apply(change)) await catchUp.reload();
  }
};

/**
 * Whether the replica lacks the store's last change although its feed had time to deliver it. A feed can
 * fail silently, for example if it comes from a Redis that is no longer the master. Following again
 * reads the ledger again.
 */
const isStale = async <Kind extends LedgerKind>(
  { store, clock, state, catchUp, age }: FollowerDeps<Kind>,
  closed: AbortSignal,
): Promise<boolean> => {
  const sentAt = clock.monotonic();
  const last = await confirmedHead(store, state.ledger);
  if (last === state.current().id) {
    age.confirm(sentAt);
    return false;
  }
  let arrived = false;
  const unsubscribe = state.subscribe(({ snapshot }) => (arrived ||= snapshot.id === last));
  await pause(clock, CHECKS[state.ledger.kind].graceMs, closed);
  unsubscribe();
  return !arrived && !(await catchUp.isCurrent());
};
