import type { Operation, OperationLink, TRPCClientError, TRPCLink } from '@trpc/client';
import { observable } from '@trpc/server/observable';

import { isApiError } from './errors.ts';
import type { AppRouter } from './router.ts';
import type { StreamFailure } from './stream-failures.ts';

export type ResumeOptions = {
  readonly failureOf: (operation: Operation) => StreamFailure | undefined;
  /** From 0 up to, but not including, 1. */
  readonly random: () => number;
};

/**
 * Keeps a watch open until its caller ends it. If the connection fails, or the server ends the stream to
 * restart, the watch reconnects and resumes after the last event. Only an error of Pennon that a retry cannot
 * change, such as a revoked key, ends it: gateways respond with any status while they are set up or restarted.
 */
export const resumeLink =
  ({ failureOf, random }: ResumeOptions): TRPCLink<AppRouter> =>
  () =>
  ({ op, next }) =>
    observable(observer => {
      let lastEventId: string | undefined;
      let failures = 0;
      let disconnect = () => {};
      let ended = false;

      const connect = () => {
        const attempt = { ...op, input: withLastEventId(op.input, lastEventId) };
        const connection = next(attempt).subscribe({
          next: receive,
          error: error => retry(failureOf(attempt)?.error ?? error, failureOf(attempt)),
          complete: () => retry(null, undefined),
        });
        disconnect = () => connection.unsubscribe();
      };
      const receive = (envelope: Envelope) => {
        const { result } = envelope;
        if (isEndOfConnection(result)) return;
        if (result.type === undefined || result.type === 'data') {
          failures = 0;
          lastEventId = result.id ?? lastEventId;
        }
        observer.next(envelope);
      };
      const retry = (error: ClientError | null, failure: StreamFailure | undefined) => {
        if (ended) return;
        const hasNeverConnected = lastEventId === undefined;
        if (
          error !== null &&
          (isPermanent(error, failure) || (hasNeverConnected && isMoved(failure)))
        )
          return observer.error(error);
        observer.next({ result: { type: 'state', state: 'connecting', error } });
        const timer = setTimeout(connect, delayMs(failures, failure, random));
        failures += 1;
        disconnect = () => clearTimeout(timer);
      };
      const end = () => {
        ended = true;
        disconnect();
        op.signal?.removeEventListener('abort', observer.complete);
      };

      op.signal?.addEventListener('abort', observer.complete, { once: true });
      connect();
      return end;
    });

type ClientError = TRPCClientError<AppRouter>;
type Envelope = Parameters<
  Parameters<ReturnType<OperationLink<AppRouter>>['subscribe']>[0]['next'] & {}
>[0];

/** The end of one connection does not end the watch, so it is not passed on. */
const isEndOfConnection = (result: Envelope['result']): boolean =>
  result.type === 'stopped' || (result.type === 'state' && result.state === 'idle');

const withLastEventId = (input: unknown, lastEventId: string | undefined): unknown =>
  lastEventId === undefined || typeof input !== 'object' ? input : { ...input, lastEventId };

const RETRYABLE_STATUSES = new Set([408, 425, 429]);

/** With another status from 400 to 499, Pennon rejects the request itself, so sending it again cannot succeed. */
const isPermanent = (error: ClientError, failure: StreamFailure | undefined): boolean => {
  const status = failure?.status ?? error.data?.httpStatus ?? 0;
  return isApiError(error) && status < 500 && !RETRYABLE_STATUSES.has(status);
};

/** A redirect to another origin. Later, it may be the login page of a gateway. */
const isMoved = ({ status = 0 }: Partial<StreamFailure> = {}): boolean =>
  status >= 300 && status < 400;

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 30_000;

/** Returns a delay with full jitter and a doubling bound, so clients of a restarting server spread out. */
const delayMs = (
  failures: number,
  failure: StreamFailure | undefined,
  random: () => number,
): number =>
  (failure?.retryAfterMs ?? 0) +
  random() * Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** failures);
