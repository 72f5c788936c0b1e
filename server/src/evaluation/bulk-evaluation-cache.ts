import { LRUCache } from 'lru-cache';

import type { Clock } from '../clock.ts';
import type { BulkEvaluation } from './bulk-evaluation.ts';

/**
 * Caches bulk evaluations for a minute. The key holds the id of the flag set and the whole context, so
 * an entry is never stale: after a change the key is another one.
 */
export type BulkEvaluationCache = {
  get(key: readonly unknown[], create: () => BulkEvaluation): BulkEvaluation;
  readonly size: () => number;
};

const TTL_MS = 60_000;
const MAX_BYTES = 64 * 1_048_576;

/** Holds at most `entries` bulk evaluations and 64 MiB of text; 0 turns the cache off. */
export const createBulkEvaluationCache = (entries: number, clock: Clock): BulkEvaluationCache => {
  if (entries === 0) return { get: (_, create) => create(), size: () => 0 };
  const cache = new LRUCache<string, BulkEvaluation>({
    max: entries,
    maxSize: MAX_BYTES,
    sizeCalculation: ({ json }, key) => 2 * (json.length + key.length) + 1,
    ttl: TTL_MS,
    ttlResolution: 0,
    perf: { now: () => clock.monotonic() },
  });
  return {
    get(key, create) {
      if (!isExactAsJson(key)) return create();
      const text = JSON.stringify(key);
      const known = cache.get(text);
      if (known !== undefined) return known;
      const created = create();
      cache.set(text, created);
      return created;
    },
    size: () => cache.size,
  };
};

/** Whether JSON keeps a value as it is: an infinite number, such as 1e999, becomes null. */
const isExactAsJson = (value: unknown): boolean => {
  if (typeof value === 'number') return Number.isFinite(value);
  return typeof value !== 'object' || value === null || Object.values(value).every(isExactAsJson);
};
