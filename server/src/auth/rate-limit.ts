import { LRUCache } from 'lru-cache';

import type { Clock } from '../clock.ts';
import { PennonError } from '../errors.ts';
import type { Caller } from './caller.ts';

/** Counts a request of this caller; throws TOO_MANY_REQUESTS where it is one too many. */
export type CountRequest = (caller: Caller, address: string) => void;

type Bucket = { tokens: number; at: number };

/** Callers remembered at once; the one that called least lately is forgotten first. */
const MOST_BUCKETS = 100_000;

/**
 * A token bucket for each key, of one second's worth of requests. Client keys are public, so they have
 * one for each address too: one visitor cannot use up what the others need. 0 turns it off.
 *
 * The limit is that of all servers together: each grants its share, from its own memory.
 */
export const createRateLimit = (
  perSecond: number,
  servers: () => number,
  clock: Clock,
): CountRequest => {
  if (perSecond === 0) return () => undefined;
  const buckets = new LRUCache<string, Bucket>({ max: MOST_BUCKETS });

  return (caller, address) => {
    const share = perSecond / servers();
    // A share below one is one request every now and then.
    const most = Math.max(1, share);
    const name = caller.role === 'client' ? `${caller.keyId} ${address}` : caller.keyId;
    const now = clock.now();
    const bucket = buckets.get(name) ?? { tokens: most, at: now };
    const refilled = bucket.tokens + (Math.max(0, now - bucket.at) * share) / 1_000;
    const tokens = Math.min(most, refilled);
    if (tokens < 1) throw tooMany(perSecond, (1 - tokens) / share);
    buckets.set(name, { tokens: tokens - 1, at: now });
  };
};

const tooMany = (perSecond: number, seconds: number): PennonError =>
  new PennonError('TOO_MANY_REQUESTS', `more than ${perSecond} requests a second`, {
    retryAfterSeconds: Math.max(1, Math.ceil(seconds)),
  });
