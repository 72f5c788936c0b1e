import type { Clock } from '../clock.ts';
import type { UsageLedger, UsageStore } from '../store/usage-store.ts';

/** When flags were last evaluated, as of the last time that was read from the store. */
export type LastEvaluated = {
  /** Returns the minute by flag key, in milliseconds since 1970. */
  of(ledger: UsageLedger): ReadonlyMap<string, number>;
  /** Reads it again, unless it was just read. What is known stays if the store is away. */
  refresh(ledger: UsageLedger): Promise<void>;
};

/** Counts are stored as often. */
const FRESH_MS = 10_000;
const NONE: ReadonlyMap<string, number> = new Map();

export const createLastEvaluated = (store: UsageStore, clock: Clock): LastEvaluated => {
  const known = new Map<string, { readonly readAt: number; readonly last: typeof NONE }>();
  return {
    of: ({ id }) => known.get(id)?.last ?? NONE,
    async refresh(ledger) {
      const readAt = clock.monotonic();
      const previous = known.get(ledger.id);
      if (previous !== undefined && readAt - previous.readAt < FRESH_MS) return;
      const last = await store.lastEvaluated(ledger).catch(() => previous?.last ?? NONE);
      known.set(ledger.id, { readAt, last });
    },
  };
};
