import { LRUCache } from 'lru-cache';

import { inOnePiece } from '../byte-string.ts';
import type { Clock } from '../clock.ts';
import type { BulkEvaluation } from './bulk-evaluation.ts';

/**
 * Caches bulk evaluations for a minute. The key contains the id of the flags that the caller sees and the text
 * of the request, so an entry is never stale: after a change the key is another one.
 */
export type BulkEvaluationCache = {
  get(key: string): BulkEvaluation | undefined;
  set(key: string, bulk: BulkEvaluation): void;
  readonly size: () => number;
};

const TTL_MS = 60_000;
/** What an entry takes besides its body and its key. */
const OVERHEAD_BYTES = 400;
const BYTES_OF_REFERENCE = 8;

const NO_CACHE: BulkEvaluationCache = { get: () => undefined, set: () => {}, size: () => 0 };

/** The memory of an entry, with a key that may have two bytes per character. */
const bytesOf = ({ body, counters }: BulkEvaluation, key: string): number =>
  body.length + 2 * key.length + BYTES_OF_REFERENCE * counters.length + OVERHEAD_BYTES;

/** Holds at most `maxEntries` bulk evaluations in `maxBytes` of memory; 0 turns the cache off. */
export const createBulkEvaluationCache = (
  {
    cachedEvaluations: max,
    cacheBytes: maxSize,
  }: { cachedEvaluations: number; cacheBytes: number },
  clock: Clock,
): BulkEvaluationCache => {
  if (max === 0 || maxSize === 0) return NO_CACHE;
  const cache = new LRUCache<string, BulkEvaluation>({
    max,
    maxSize,
    // An entry that takes a large part would only displace the others.
    maxEntrySize: Math.ceil(maxSize / 16),
    sizeCalculation: bytesOf,
    ttl: TTL_MS,
    ttlResolution: 0,
    perf: { now: () => clock.monotonic() },
  });
  return {
    get: key => cache.get(key),
    set: (key, bulk) => void cache.set(key, { ...bulk, body: inOnePiece(bulk.body) }),
    size: () => cache.size,
  };
};
