import type { Operation } from '@trpc/client';
import { TRPCClientError } from '@trpc/client';
import { retryAfterOf } from '@pennon/sync';

import { foreignResponseError, isFromPennon } from './responses.ts';
import type { AppRouter } from './router.ts';

/** Why a request for a stream got no stream. */
export type StreamFailure = {
  /** 0 if the server is unreachable; that of a redirect if it moved to another origin. */
  readonly status: number;
  readonly retryAfterMs: number;
  readonly error: TRPCClientError<AppRouter>;
};

/** Records why an operation has no stream, because an EventSource itself reports only a status. */
export type StreamFailures = {
  /** Returns the `fetch` for the EventSource of this operation. */
  readonly fetchFor: (operation: Operation) => typeof globalThis.fetch;
  readonly get: (operation: Operation) => StreamFailure | undefined;
};

type Fetch = typeof globalThis.fetch;

/** `fetch` must send the key. */
export const createStreamFailures = (fetch: Fetch): StreamFailures => {
  const failures = new WeakMap<Operation, StreamFailure>();
  const fail = (operation: Operation, failure: StreamFailure): Response => {
    failures.set(operation, failure);
    // Ends the EventSource. Otherwise it would reconnect by itself every three seconds.
    return Response.error();
  };
  return {
    fetchFor: operation => async (input, init) => {
      try {
        const response = await fetch(input, init);
        return isStream(response) ? response : fail(operation, await failureFrom(response));
      } catch (error) {
        if (init?.signal?.aborted === true) throw error;
        return fail(operation, unreachable(error));
      }
    },
    get: operation => failures.get(operation),
  };
};

const isStream = (response: Response): boolean =>
  response.ok && /^text\/event-stream\b/i.test(response.headers.get('content-type') ?? '');

const failureFrom = async (response: Response): Promise<StreamFailure> => ({
  status: response.status,
  retryAfterMs: retryAfterOf(response.headers) ?? 0,
  error: await errorFrom(response),
});

/** Returns the error in the body, or one that names the status if a proxy or another server replied. */
const errorFrom = async (response: Response): Promise<TRPCClientError<AppRouter>> => {
  const body: unknown = await response.json().catch(() => undefined);
  const isError =
    typeof body === 'object' && body !== null && 'error' in body && isFromPennon(body);
  return TRPCClientError.from(isError ? body : foreignResponseError(response.status));
};

/** An error of the network has no status; a redirect to another origin has. */
const statusOf = (error: unknown): number =>
  error instanceof Error && 'status' in error ? Number(error.status) : 0;

const unreachable = (error: unknown): StreamFailure => ({
  status: statusOf(error),
  retryAfterMs: 0,
  error: TRPCClientError.from(error instanceof Error ? error : new Error(String(error))),
});
