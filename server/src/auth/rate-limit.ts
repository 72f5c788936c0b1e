import { LRUCache } from 'lru-cache';

import type { Clock } from '../clock.ts';
import { PennonError } from '../errors.ts';
import { seesOnlyVisible, type Caller } from './caller.ts';

/** Counts a request of a caller. Throws TOO_MANY_REQUESTS if it exceeds the limit. */
export type CountRequest = (caller: Caller) => void;

type Bucket = { tokens: number; refilledAt: number };

/** Buckets in memory. The least recently used one is evicted first. */
const MAX_BUCKETS = 100_000;

/**
 * Limits requests with one token bucket for each key or person; 0 turns it off. Client keys are public, so they have
 * a bucket for each visitor: one cannot use up the requests of others.
 *
 * The limit applies to all servers together. Each grants its share from its own memory.
 */
export const createRateLimit = (
  perSecond: number,
  serverCount: () => number,
  clock: Clock,
): CountRequest => {
  if (perSecond === 0) return () => undefined;
  const buckets = new LRUCache<string, Bucket>({ max: MAX_BUCKETS });

  return caller => {
    const share = perSecond / serverCount();
    // A bucket that holds less than one token would never allow a request.
    const capacity = Math.max(1, share);
    const { kind, id } = caller.actor;
    const bucketKey = `${kind} ${id}${seesOnlyVisible(caller) ? ` ${caller.visitor}` : ''}`;
    const now = clock.monotonic();
    const bucket = buckets.get(bucketKey) ?? { tokens: capacity, refilledAt: now };
    const refilled = bucket.tokens + ((now - bucket.refilledAt) * share) / 1_000;
    const tokens = Math.min(capacity, refilled);
    if (tokens < 1) throw tooManyRequests(perSecond, (1 - tokens) / share);
    buckets.set(bucketKey, { tokens: tokens - 1, refilledAt: now });
  };
};

const tooManyRequests = (perSecond: number, seconds: number): PennonError =>
  new PennonError(
    'TOO_MANY_REQUESTS',
    `the limit of ${perSecond} requests per second is exceeded`,
    {
      retryAfterSeconds: Math.max(1, Math.ceil(seconds)),
    },
  );
