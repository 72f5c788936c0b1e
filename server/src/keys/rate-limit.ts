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
 */
export const createRateLimit = (perSecond: number, clock: Clock): CountRequest => {
  if (perSecond === 0) return () => undefined;
  const buckets = new LRUCache<string, Bucket>({ max: MOST_BUCKETS });

  return (caller, address) => {
    const name = caller.role === 'client' ? `${caller.keyId} ${address}` : caller.keyId;
    const now = clock.now();
    const bucket = buckets.get(name) ?? { tokens: perSecond, at: now };
    const refilled = bucket.tokens + (Math.max(0, now - bucket.at) * perSecond) / 1_000;
    const tokens = Math.min(perSecond, refilled);
    if (tokens < 1) throw tooMany(perSecond, tokens);
    buckets.set(name, { tokens: tokens - 1, at: now });
  };
};

const tooMany = (perSecond: number, tokens: number): PennonError =>
  new PennonError('TOO_MANY_REQUESTS', `more than ${perSecond} requests a second`, {
    retryAfterSeconds: Math.max(1, Math.ceil((1 - tokens) / perSecond)),
  });
