import type { Operation } from '@trpc/client';
import { TRPCClientError } from '@trpc/client';

import type { AppRouter } from './router.ts';

/** What came in place of a stream. */
export type Refusal = {
  /** 0 where nothing answered. */
  readonly status: number;
  readonly retryAfterMs: number;
  readonly error: TRPCClientError<AppRouter>;
};

/** Remembers why there is no stream: an EventSource itself tells no more than a status. */
export type Refusals = {
  /** The fetch of this operation's EventSource. */
  readonly fetchFor: (operation: Operation) => typeof globalThis.fetch;
  readonly of: (operation: Operation) => Refusal | undefined;
};

type Fetch = typeof globalThis.fetch;

/** `fetch` brings the key. */
export const createRefusals = (fetch: Fetch): Refusals => {
  const known = new WeakMap<Operation, Refusal>();
  const refuse = (operation: Operation, refusal: Refusal): Response => {
    known.set(operation, refusal);
    // Ends the EventSource, which would else come back on its own every three seconds.
    return Response.error();
  };
  return {
    fetchFor: operation => async (input, init) => {
      try {
        const response = await fetch(input, init);
        if (isStream(response)) return response;
        return refuse(operation, await refusalOf(response));
      } catch (error) {
        if (init?.signal?.aborted === true) throw error;
        return refuse(operation, unreachable(error));
      }
    },
    of: operation => known.get(operation),
  };
};

const isStream = (response: Response): boolean =>
  response.ok && /^text\/event-stream\b/i.test(response.headers.get('content-type') ?? '');

const refusalOf = async (response: Response): Promise<Refusal> => ({
  status: response.status,
  retryAfterMs: 1_000 * (Number(response.headers.get('retry-after')) || 0),
  error: await errorOf(response),
});

/** An error of our shape; where something else answered, such as a proxy, its status is all there is. */
const errorOf = async (response: Response): Promise<TRPCClientError<AppRouter>> => {
  const said: unknown = await response.json().catch(() => undefined);
  return typeof said === 'object' && said !== null && 'error' in said
    ? TRPCClientError.from(said)
    : new TRPCClientError(`the server answered status ${response.status} and no event stream`);
};

const unreachable = (error: unknown): Refusal => ({
  status: 0,
  retryAfterMs: 0,
  error: TRPCClientError.from(error instanceof Error ? error : new Error(String(error))),
});
