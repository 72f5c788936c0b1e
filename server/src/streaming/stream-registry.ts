import type { Clock } from '../clock.ts';
import { PennonError } from '../errors.ts';
import type { Caller } from '../auth/caller.ts';
import type { Replica } from '../replication/replica.ts';

/**
 * Every open stream of this server, on whichever door. Bounds their number, and ends a stream when its
 * key is revoked or expires, or when the server drains.
 */
export type Streams = {
  /** Registers a stream; SERVICE_UNAVAILABLE where there are too many. The signal says when to end it. */
  open(caller: Caller): OpenStream;
  readonly count: () => number;
  /** Ends every stream and takes no more. */
  drain(): void;
};

export type OpenStream = {
  readonly ended: AbortSignal;
  /** Says that the stream is gone. */
  close(): void;
};

const RETRY_AFTER_SECONDS = 5;
/** Timers take 31 bits of milliseconds; a later expiry is looked at again then. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export const createStreams = (control: Replica<'control'>, clock: Clock, most: number): Streams => {
  /** Each stream with the hash of the key that opened it: a key that was replaced is a revoked one. */
  const open = new Map<AbortController, { keyId: string; hash: string }>();
  let draining = false;

  const endRevoked = () => {
    for (const [ending, { keyId, hash }] of open) if (hashOf(keyId) !== hash) ending.abort();
  };
  const hashOf = (keyId: string): string | undefined =>
    control.current().records.keys.get(keyId)?.document.hash;
  control.subscribe(endRevoked);

  return {
    open(caller) {
      if (draining) throw unavailable('the server is stopping');
      if (open.size >= most)
        throw unavailable(`this server has ${most} streams open, which is its limit`);
      const hash = hashOf(caller.keyId);
      if (hash === undefined) throw new PennonError('UNAUTHORIZED', 'the key was revoked');
      const ending = new AbortController();
      open.set(ending, { keyId: caller.keyId, hash });
      const cancelExpiry = endAtExpiry(ending, caller.expiresAt, clock);
      ending.signal.addEventListener('abort', () => open.delete(ending), { once: true });
      return {
        ended: ending.signal,
        close() {
          cancelExpiry();
          ending.abort();
        },
      };
    },
    count: () => open.size,
    drain() {
      draining = true;
      for (const ending of open.keys()) ending.abort();
    },
  };
};

const endAtExpiry = (
  ending: AbortController,
  expiresAt: number | undefined,
  clock: Clock,
): (() => void) => {
  if (expiresAt === undefined) return () => undefined;
  let cancel: () => void;
  const look = () => {
    const left = expiresAt - clock.now();
    if (left <= 0) ending.abort();
    else cancel = clock.after(Math.min(left, LONGEST_TIMER_MS), look);
  };
  cancel = () => undefined;
  look();
  return () => cancel();
};

const unavailable = (message: string): PennonError =>
  new PennonError('SERVICE_UNAVAILABLE', message, { retryAfterSeconds: RETRY_AFTER_SECONDS });

/** Opens a stream that ends with its request too, whether or not anybody ever reads it. */
export const openUntil = (
  streams: Streams,
  caller: Caller,
  signal: AbortSignal | undefined,
): OpenStream => {
  const stream = streams.open(caller);
  signal?.addEventListener('abort', () => stream.close(), { once: true });
  return stream;
};
