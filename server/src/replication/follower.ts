import type { Clock } from '../clock.ts';
import { pause } from '../clock.ts';
import type { ChangeId } from '../store/change-id.ts';
import type { LedgerKind, Store } from '../store/store.ts';
import type { Memory } from './replica-state.ts';
import type { Reading } from './catch-up.ts';

/** Why a replica may be behind, and since when. */
export type Trouble = {
  /** Milliseconds since 1970. */
  readonly since: number;
  readonly message: string;
  /** When the copy was made that is served; undefined where it is what the store last had. */
  readonly copyOf?: number;
};

/** Keeps a ledger in memory current by the store's change feed, until it is closed. */
export type Following = {
  /** Undefined while it follows. */
  trouble(): Trouble | undefined;
  close(): void;
};

type Services<Kind extends LedgerKind> = {
  readonly store: Store;
  readonly clock: Clock;
  readonly memory: Memory<Kind>;
  readonly reading: Reading;
  /** How it began: with a copy, because the store was away. */
  readonly trouble: Trouble | undefined;
  /** Called once for each time away. */
  readonly onTrouble: (message: string) => void;
};

/** A key that is revoked right after an outage is refused everywhere within a second: so soon all follow. */
const FIRST_RETRY_MS = 50;
const LAST_RETRY_MS = 250;
/**
 * How often the store is asked whether we have its last change, and how long that may take to arrive. For
 * keys both and following anew take less than a second.
 */
const CHECKS = {
  control: { everyMs: 400, graceMs: 200 },
  flagSet: { everyMs: 5_000, graceMs: 1_000 },
} as const satisfies Record<LedgerKind, { everyMs: number; graceMs: number }>;
/** Trouble that comes back so soon was never over. */
const LULL_MS = 5_000;

export const startFollowing = <Kind extends LedgerKind>(parts: Services<Kind>): Following => {
  const { store, clock, memory, reading, onTrouble } = parts;
  const closing = new AbortController();
  let turn = new AbortController();
  const { everyMs, graceMs } = CHECKS[memory.ledger.kind];
  let { trouble } = parts;
  let lull: { readonly since: number; readonly at: number } | undefined;

  const followOnce = async () => {
    const signal = AbortSignal.any([closing.signal, turn.signal]);
    const changes = store.follow(memory.ledger, memory.current().id, signal);
    await reading.reload();
    recover();
    for await (const change of changes) if (!memory.apply(change)) await reading.reload();
  };

  const recover = () => {
    if (trouble !== undefined) lull = { since: trouble.since, at: clock.now() };
    trouble = undefined;
  };

  const complain = (error: unknown) => {
    if (trouble !== undefined || closing.signal.aborted) return;
    const message = error instanceof Error ? error.message : String(error);
    const now = clock.now();
    const before = lull !== undefined && now - lull.at <= LULL_MS ? lull : undefined;
    if (before === undefined) onTrouble(message);
    trouble = { since: before?.since ?? now, message };
  };

  const follow = async () => {
    let retryMs = FIRST_RETRY_MS;
    while (!closing.signal.aborted) {
      turn = new AbortController();
      try {
        await followOnce();
        retryMs = FIRST_RETRY_MS;
      } catch (error) {
        complain(error);
        retryMs = Math.min(retryMs * 2, LAST_RETRY_MS);
      } finally {
        turn.abort();
      }
      await pause(clock, retryMs, closing.signal);
    }
  };

  const arrives = async (id: ChangeId | undefined): Promise<boolean> => {
    let arrived = false;
    const stop = memory.subscribe(({ snapshot }) => (arrived ||= snapshot.id === id));
    await pause(clock, graceMs, closing.signal);
    stop();
    return arrived;
  };

  /**
   * A feed can be silently wrong: it may come from a master that is none any more. Where the store's last
   * change does not waitForRevision us soon, we follow anew, which reads anew.
   */
  const check = async () => {
    const last = await store.head(memory.ledger);
    if (last === memory.current().id || (await arrives(last))) return;
    if (!(await reading.isCurrent())) turn.abort();
  };
  // Where the store does not answer, following has said so.
  const stopChecking = clock.every(everyMs, () => void check().catch(() => undefined));

  void follow();
  return {
    trouble: () => trouble,
    close() {
      stopChecking();
      closing.abort();
    },
  };
};
