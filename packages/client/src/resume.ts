import type { Operation, OperationLink, TRPCClientError, TRPCLink } from '@trpc/client';
import { observable } from '@trpc/server/observable';

import type { Refusal } from './refusals.ts';
import type { AppRouter } from './router.ts';

export type ResumeParts = {
  readonly refusalOf: (operation: Operation) => Refusal | undefined;
  /** 0 up to 1. */
  readonly random: () => number;
};

/**
 * Keeps a watch going until its caller ends it. Where the connection fails, or the server ends the stream
 * because it restarts, the watch goes on after the last event that it heard. Only a refusal that asking
 * again cannot change, such as a revoked key, becomes the caller's error.
 */
export const resumeLink =
  (parts: ResumeParts): TRPCLink<AppRouter> =>
  () =>
  ({ op, next }) =>
    observable(observer => {
      let lastEventId: string | undefined;
      let failures = 0;
      let leave = () => {};
      let ended = false;

      const connect = () => {
        const attempt = { ...op, input: goingOnAfter(lastEventId, op.input) };
        const connection = next(attempt).subscribe({
          next: hear,
          error: error => retry(parts.refusalOf(attempt)?.error ?? error, parts.refusalOf(attempt)),
          complete: () => retry(null, undefined),
        });
        leave = () => connection.unsubscribe();
      };
      const hear = (envelope: Envelope) => {
        const { result } = envelope;
        if (isEnd(result)) return;
        if (result.type === undefined || result.type === 'data') {
          failures = 0;
          lastEventId = result.id ?? lastEventId;
        }
        observer.next(envelope);
      };
      const retry = (error: Failure | null, refusal: Refusal | undefined) => {
        if (ended) return;
        if (error !== null && isLasting(error, refusal)) return observer.error(error);
        observer.next({ result: { type: 'state', state: 'connecting', error } });
        const timer = setTimeout(connect, delayMs(failures, refusal, parts.random));
        failures += 1;
        leave = () => clearTimeout(timer);
      };
      const end = () => {
        ended = true;
        leave();
        op.signal?.removeEventListener('abort', observer.complete);
      };

      op.signal?.addEventListener('abort', observer.complete, { once: true });
      connect();
      return end;
    });

type Failure = TRPCClientError<AppRouter>;
type Envelope = Parameters<
  Parameters<ReturnType<OperationLink<AppRouter>>['subscribe']>[0]['next'] & {}
>[0];

/** What a connection says of its end is no end of the watch. */
const isEnd = (result: Envelope['result']): boolean =>
  result.type === 'stopped' || (result.type === 'state' && result.state === 'idle');

const goingOnAfter = (lastEventId: string | undefined, input: unknown): unknown =>
  lastEventId === undefined || typeof input !== 'object' ? input : { ...input, lastEventId };

const TOO_EARLY = new Set([408, 425, 429]);

/** A status from 400 to 499 says that the request itself is refused. */
const isLasting = (error: Failure, refusal: Refusal | undefined): boolean => {
  const status = refusal?.status ?? error.data?.httpStatus ?? 0;
  return status !== 0 && status < 500 && !TOO_EARLY.has(status);
};

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 30_000;

/** Full jitter over a bound that doubles, so that clients of a server that restarts come back spread out. */
const delayMs = (failures: number, refusal: Refusal | undefined, random: () => number): number =>
  (refusal?.retryAfterMs ?? 0) +
  random() * Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** failures);
