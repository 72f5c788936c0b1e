import type { AppRouter } from '@pennon/client';
import { QueryCache, QueryClient } from '@tanstack/react-query';
import {
  createTRPCClient,
  httpBatchLink,
  httpLink,
  httpSubscriptionLink,
  splitLink,
  type TRPCClient,
} from '@trpc/client';

import { isRefused, isSignedOut } from './errors.ts';
import { CONSOLE_HEADER, createSessions, type Sessions } from './sessions.ts';

/** Everything that the console receives from its server. */
export type Api = {
  readonly procedures: TRPCClient<AppRouter>;
  readonly sessions: Sessions;
  readonly queries: QueryClient;
  /** Resolves with the state of the server, which is `away` if it does not respond within a few seconds. */
  readonly readHealth: () => Promise<Health>;
};

/** A server without its store evaluates, but writes nothing. */
export type Health = 'ready' | 'withoutStore' | 'away';

/** Servers and proxies accept request lines of 8 KiB or more. */
const MAX_URL_LENGTH = 7_000;
const MAX_BATCH_SIZE = 20;
/** How long data is current that no subscription updates. */
const STALE_MS = 10_000;

/** Creates the client of the server whose base path ends with a slash. */
export const createApi = (basePath: string): Api => {
  const queries: QueryClient = new QueryClient({
    queryCache: new QueryCache({
      onError: error => {
        // The session has ended, or the server does not accept it any longer.
        if (isSignedOut(error)) queries.setQueryData(SESSION_KEY, null);
      },
    }),
    defaultOptions: {
      queries: {
        // A server on the same machine responds without a network.
        networkMode: 'always',
        staleTime: STALE_MS,
        retry: (failures, error) => !isRefused(error) && failures < 2,
      },
      mutations: { networkMode: 'always' },
    },
  });
  return {
    procedures: createProcedures(`${basePath}trpc`),
    sessions: createSessions(basePath, localStorage),
    queries,
    readHealth: () => readHealth(`${basePath}readyz`),
  };
};

const MAX_RESPONSE_MS = 4_000;

const readHealth = async (url: string): Promise<Health> => {
  const signal = AbortSignal.timeout(MAX_RESPONSE_MS);
  try {
    const response = await fetch(url, { cache: 'no-store', signal });
    // A proxy without a server responds with a page.
    const body: unknown = await response.json();
    return isDegraded(body) ? 'withoutStore' : 'ready';
  } catch {
    return 'away';
  }
};

const isDegraded = (body: unknown): boolean =>
  typeof body === 'object' && body !== null && 'status' in body && body.status === 'degraded';

export const SESSION_KEY = ['session'] as const;

const createProcedures = (url: string): TRPCClient<AppRouter> =>
  createTRPCClient<AppRouter>({
    links: [
      splitLink({
        condition: ({ type }) => type === 'subscription',
        true: httpSubscriptionLink({ url }),
        false: splitLink({
          condition: ({ type }) => type === 'query',
          true: httpBatchLink({
            url,
            headers: CONSOLE_HEADER,
            maxItems: MAX_BATCH_SIZE,
            maxURLLength: MAX_URL_LENGTH,
          }),
          false: httpLink({
            url,
            headers: ({ op }) => ({ ...CONSOLE_HEADER, ...commentOf(op.context) }),
          }),
        }),
      }),
    ],
  });

/** A header has only characters up to U+00FF, so each byte of the text in UTF-8 becomes one. */
const commentOf = ({ comment }: { readonly comment?: unknown }): Record<string, string> => {
  if (typeof comment !== 'string' || comment.trim() === '') return {};
  const bytes = new TextEncoder().encode(comment.replaceAll(/\s+/g, ' ').trim());
  return { 'x-change-comment': String.fromCharCode(...bytes) };
};
