import type { Evaluation } from '@pennon/schema';

/** Of several servers, one may still evaluate the previous flags for so long after a change was received. */
const SERVER_LAG_MS = 2_000;

type Entry = { readonly evaluation: Evaluation; readonly expiresAt: number };

/** Results of remote evaluation, by request. Evicts the least recently used entry. */
export type EvaluationCache = {
  /** Returns a result that has not expired. */
  readonly get: (request: string) => Evaluation | undefined;
  /** Returns a result of any age, for when the server is unreachable. */
  readonly getExpired: (request: string) => Evaluation | undefined;
  /** Grows with each invalidation. */
  readonly generation: () => number;
  /** Does nothing if flags changed since the request was sent, in an earlier `generation`. */
  set(request: string, evaluation: Evaluation, generation: number): void;
  /** Removes the results of flags that changed. */
  invalidate(flagKeys: readonly string[]): void;
};

export type CacheOptions = { readonly maxEntries: number; readonly ttlMs: number };

/** Flags that changed so recently that the server may not know yet. */
const createRecentChanges = (now: () => number) => {
  let changedAt = new Map<string, number>();
  const isRecent = (at: number): boolean => now() < at + SERVER_LAG_MS;
  return {
    has: (flagKey: string): boolean => isRecent(changedAt.get(flagKey) ?? -Infinity),
    add(flagKeys: readonly string[]) {
      changedAt = new Map([...changedAt].filter(([, at]) => isRecent(at)));
      for (const flagKey of flagKeys) changedAt.set(flagKey, now());
    },
  };
};

export const createEvaluationCache = (
  { maxEntries, ttlMs }: CacheOptions,
  now: () => number,
): EvaluationCache => {
  /** Ordered by use, because a Map iterates in the order of insertion. */
  const entries = new Map<string, Entry>();
  const recentChanges = createRecentChanges(now);
  let generation = 0;

  const put = (request: string, entry: Entry) => {
    entries.delete(request);
    entries.set(request, entry);
  };

  return {
    get(request) {
      const entry = entries.get(request);
      if (entry === undefined || now() >= entry.expiresAt) return undefined;
      put(request, entry);
      return entry.evaluation;
    },
    getExpired: request => entries.get(request)?.evaluation,
    generation: () => generation,
    set(request, evaluation, requestedIn) {
      if (requestedIn !== generation) return;
      const isUncertain = recentChanges.has(evaluation.flagKey);
      const lifetimeMs = isUncertain ? Math.min(ttlMs, SERVER_LAG_MS) : ttlMs;
      put(request, { evaluation, expiresAt: now() + lifetimeMs });
      const [leastRecentlyUsed] = entries.keys();
      if (entries.size > maxEntries && leastRecentlyUsed !== undefined)
        entries.delete(leastRecentlyUsed);
    },
    invalidate(flagKeys) {
      // The first flags are new to this provider, not to the servers.
      if (generation > 0) recentChanges.add(flagKeys);
      generation += 1;
      const changed = new Set(flagKeys);
      for (const [request, { evaluation }] of entries)
        if (changed.has(evaluation.flagKey)) entries.delete(request);
    },
  };
};
