import type { TRPCClient, TRPCLink } from '@trpc/client';
import {
  createTRPCClient,
  httpBatchLink,
  httpLink,
  httpSubscriptionLink,
  splitLink,
} from '@trpc/client';
import type { inferRouterInputs, inferRouterOutputs } from '@trpc/server';
import { fetchWithinOrigin } from '@pennon/sync';
import { EventSource } from 'eventsource';

import type { ApiClientOptions } from './options.ts';
import { checkOptions, COMMENT, isComment } from './options.ts';
import { requirePennon } from './responses.ts';
import { resumeLink } from './resume.ts';
import type { AppRouter } from './router.ts';
import { createStreamFailures } from './stream-failures.ts';

export type ApiClient = TRPCClient<AppRouter>;

/** The input of each procedure, such as `ApiInputs['flags']['create']`. */
export type ApiInputs = inferRouterInputs<AppRouter>;

/** The output of each procedure, such as `ApiOutputs['flags']['get']`. */
export type ApiOutputs = inferRouterOutputs<AppRouter>;

/**
 * Creates a typed client for the whole API: queries, mutations and watches.
 *
 * @example
 * const api = createApiClient({ url: 'http://127.0.0.1:4400', key });
 * await api.flags.create.mutate({ environment: 'production', key: 'new-checkout', enabled: true });
 * const { items } = await api.flags.list.query({ environment: 'production' });
 * const watch = api.flags.watch.subscribe(
 *   { environment: 'production' },
 *   { onData: event => render(event.data), onError: error => report(error) },
 * );
 */
export const createApiClient = (options: ApiClientOptions): ApiClient => {
  checkOptions(options);
  const { url, key, comment, fetch = globalThis.fetch } = options;
  return createTRPCClient<AppRouter>({
    links: [createLink({ url: endpoint(url), comment, fetch: withKey(fetch, key) })],
  });
};

/** The URL of the tRPC endpoint, the comment of all changes, and a `fetch` that sends the key. */
type Connection = {
  readonly url: string;
  readonly comment: string | undefined;
  readonly fetch: typeof globalThis.fetch;
};

/** The server accepts up to 20 calls in one batch. */
const MAX_BATCH_SIZE = 20;
/** Servers and proxies accept request lines of 8 KiB or more. */
const MAX_URL_LENGTH = 7_000;

/**
 * Queries of one tick share a request. Mutations do not, because a batch of them could exceed the limit
 * of the body size even if each one is below it.
 */
const createLink = (connection: Connection): TRPCLink<AppRouter> =>
  splitLink({
    condition: ({ type }) => type === 'subscription',
    true: watchLinks(connection),
    false: splitLink({
      condition: ({ type }) => type === 'query',
      true: httpBatchLink({
        ...adaptFetch(connection),
        maxItems: MAX_BATCH_SIZE,
        maxURLLength: MAX_URL_LENGTH,
      }),
      false: httpLink({
        ...adaptFetch(connection),
        headers: ({ op }) => commentHeader(op.context['comment'] ?? connection.comment),
      }),
    }),
  });

/** Adapts the type, too: tRPC may pass `signal: undefined`, which `fetch` accepts but its type does not. */
const adaptFetch = ({ url, fetch }: Connection) => ({
  url,
  fetch: async (input: RequestInfo | URL, init?: object) => requirePennon(await fetch(input, init)),
});

const watchLinks = ({ url, fetch }: Connection): TRPCLink<AppRouter>[] => {
  const failures = createStreamFailures(fetch);
  return [
    resumeLink({ failureOf: failures.get, random: Math.random }),
    httpSubscriptionLink({
      url,
      EventSource,
      eventSourceOptions: ({ op }) => ({ fetch: failures.fetchFor(op) }),
    }),
  ];
};

/** `fetch` accepts only characters up to U+00FF in headers, so each byte of the text in UTF-8 becomes one. */
const commentHeader = (comment: unknown): Record<string, string> => {
  if (comment === undefined) return {};
  if (!isComment(comment)) throw new TypeError(`"comment" must be ${COMMENT}`);
  const bytes = new TextEncoder().encode(comment.replaceAll(/\s+/g, ' ').trim());
  return { 'x-change-comment': String.fromCharCode(...bytes) };
};

const endpoint = (url: string): string => `${url.replace(/\/+$/, '')}/trpc`;

/** Returns a `fetch` that sends the key, but to the origin of the server only. */
const withKey =
  (fetch: typeof globalThis.fetch, key: string): typeof globalThis.fetch =>
  (input, init) => {
    const headers = new Headers(init?.headers);
    headers.set('authorization', `Bearer ${key}`);
    const url = input instanceof Request ? input.url : String(input);
    return fetchWithinOrigin(fetch, url, { ...init, headers });
  };
