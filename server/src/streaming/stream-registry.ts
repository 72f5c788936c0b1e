import type { Caller } from '../auth/caller.ts';
import { seesOnlyVisible } from '../auth/caller.ts';
import { authorityOf } from '../auth/sessions.ts';
import { msUntil, type Clock } from '../clock.ts';
import type { Limits } from '../config.ts';
import { PennonError } from '../errors.ts';
import type { Replica } from '../replication/replica.ts';
import { onAbort } from './on-abort.ts';
import { createShares } from './shares.ts';

/**
 * All open streams of this server, of every transport. Limits their number, with room for keys that are not
 * public before others, and ends a stream when its
 * request ends, its key or session ends, or the server drains.
 */
export type StreamRegistry = {
  /** Registers a stream, which keeps a context of so many bytes. Throws SERVICE_UNAVAILABLE if too many are open. */
  open(caller: Caller, requestEnded: AbortSignal | undefined, contextBytes?: number): OpenStream;
  /** Whether a caller could open a stream now. */
  accepts(caller: Caller): boolean;
  readonly count: () => number;
  /** Ends every stream, evenly spread over a period, and refuses new ones. */
  drain(overMs: number): void;
};

export type OpenStream = {
  /** Aborts when the stream has to end. */
  readonly ended: AbortSignal;
  close(): void;
};

/** Another server is usually ready while this one stops. */
const RETRY_WHILE_DRAINING_SECONDS = 1;
/** How often the expiry of a key is compared with the time of day, which may be set. */
const EXPIRY_CHECK_MS = 60_000;

export const createStreamRegistry = (
  control: Replica<'control'>,
  clock: Clock,
  limits: Limits,
): StreamRegistry => {
  /** Each stream with what the rights of its caller depend on: a key whose secret was replaced counts as revoked. */
  const streams = new Map<AbortController, { caller: Caller; authority: string }>();
  const shares = createShares(limits);
  let isDraining = false;

  const currentAuthority = ({ credential }: Caller): string | undefined =>
    authorityOf(control.current().records, credential);
  const endRevoked = () => {
    for (const [stream, { caller, authority }] of streams)
      if (currentAuthority(caller) !== authority) stream.abort();
  };
  const endNewestOfClients = () =>
    [...streams].findLast(([, { caller }]) => seesOnlyVisible(caller))?.[0].abort();
  control.subscribe(endRevoked);

  return {
    open(caller, requestEnded, contextBytes = 0) {
      if (isDraining) throw stopping();
      const authority = currentAuthority(caller);
      if (authority === undefined) throw revoked();
      if (shares.isFull() && !seesOnlyVisible(caller)) endNewestOfClients();
      const claim = { caller, contextBytes };
      shares.take(claim);
      const stream = new AbortController();
      streams.set(stream, { caller, authority });
      const close = () => stream.abort();
      abortAt(stream, caller.expiresAt, clock);
      if (requestEnded !== undefined) onAbort(requestEnded, close);
      onAbort(stream.signal, () => {
        streams.delete(stream);
        shares.release(claim);
      });
      return { ended: stream.signal, close };
    },
    accepts: caller => !isDraining && shares.refusal({ caller, contextBytes: 0 }) === undefined,
    count: () => streams.size,
    drain(overMs) {
      isDraining = true;
      const stepMs = overMs / streams.size;
      for (const [i, stream] of [...streams.keys()].entries())
        abortAfter(stream, stepMs * (i + 1), clock);
    },
  };
};

const abortAfter = (stream: AbortController, ms: number, clock: Clock): void => {
  if (ms === 0) return stream.abort();
  onAbort(
    stream.signal,
    clock.after(ms, () => stream.abort()),
  );
};

/** Aborts the stream at `expiresAt`, in milliseconds since 1970, unless it was aborted before. */
const abortAt = (stream: AbortController, expiresAt: number | undefined, clock: Clock): void => {
  if (expiresAt === undefined) return;
  let cancel: () => void = () => undefined;
  const check = () => {
    const remainingMs = msUntil(expiresAt, clock);
    if (remainingMs === 0) stream.abort();
    else cancel = clock.after(Math.min(remainingMs, EXPIRY_CHECK_MS), check);
  };
  check();
  onAbort(stream.signal, () => cancel());
};

const revoked = (): PennonError =>
  new PennonError('UNAUTHORIZED', 'the key was revoked, or the session has ended');

const stopping = (): PennonError =>
  new PennonError('SERVICE_UNAVAILABLE', 'this server is stopping', {
    retryAfterSeconds: RETRY_WHILE_DRAINING_SECONDS,
  });
