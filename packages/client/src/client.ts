import type { TRPCClient, TRPCLink } from '@trpc/client';
import {
  createTRPCClient,
  httpBatchLink,
  httpLink,
  httpSubscriptionLink,
  splitLink,
} from '@trpc/client';
import type { inferRouterInputs, inferRouterOutputs } from '@trpc/server';
import { EventSource } from 'eventsource';

import { createRefusals } from './refusals.ts';
import { resumeLink } from './resume.ts';
import type { AppRouter } from './router.ts';

export type ApiClient = TRPCClient<AppRouter>;

/** What each procedure takes: `ApiInputs['flags']['create']`. */
export type ApiInputs = inferRouterInputs<AppRouter>;

/** What each procedure answers: `ApiOutputs['flags']['get']`. */
export type ApiOutputs = inferRouterOutputs<AppRouter>;

export type ApiClientOptions = {
  /** Where the server listens, such as `https://flags.example.com`. */
  readonly url: string;
  /** An API key. It travels in a header, never in a URL. */
  readonly key: string;
  /** In place of the global `fetch`. */
  readonly fetch?: typeof globalThis.fetch;
};

/**
 * The whole API, typed: queries, mutations and watches.
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
export const createApiClient = ({
  url,
  key,
  fetch = globalThis.fetch,
}: ApiClientOptions): ApiClient =>
  createTRPCClient<AppRouter>({
    links: [linkTo({ url: endpoint(url), fetch: withKey(fetch, key) })],
  });

/** The server's /trpc, and a `fetch` that brings the key. */
type Connection = { readonly url: string; readonly fetch: typeof globalThis.fetch };

/** As many calls as the server takes in one batch. */
const MOST_CALLS = 20;
/** Servers and proxies take request lines of 8 KiB and more. */
const LONGEST_URL = 7_000;

/**
 * Queries of one tick share a request. Mutations do not: together they could exceed the size of a body
 * that each of them keeps to.
 */
const linkTo = (connection: Connection): TRPCLink<AppRouter> =>
  splitLink({
    condition: ({ type }) => type === 'subscription',
    true: watches(connection),
    false: splitLink({
      condition: ({ type }) => type === 'query',
      true: httpBatchLink({
        ...plain(connection),
        maxItems: MOST_CALLS,
        maxURLLength: LONGEST_URL,
      }),
      false: httpLink(plain(connection)),
    }),
  });

/** tRPC's `init` may hold a `signal: undefined`, which the platform's type does not say and takes as absent. */
const plain = ({ url, fetch }: Connection) => ({
  url,
  fetch: (input: RequestInfo | URL, init?: object) => fetch(input, init),
});

const watches = ({ url, fetch }: Connection): TRPCLink<AppRouter>[] => {
  const refusals = createRefusals(fetch);
  return [
    resumeLink({ refusalOf: refusals.of, random: Math.random }),
    httpSubscriptionLink({
      url,
      EventSource,
      eventSourceOptions: ({ op }) => ({ fetch: refusals.fetchFor(op) }),
    }),
  ];
};

const endpoint = (url: string): string => {
  if (!URL.canParse(url)) {
    throw new TypeError(
      `url must be where the server listens, such as "http://127.0.0.1:4400", not "${url}"`,
    );
  }
  return `${url.replace(/\/+$/, '')}/trpc`;
};

/** Refuses a key that no header can carry, in words that do not repeat it. */
const withKey = (fetch: typeof globalThis.fetch, key: string): typeof globalThis.fetch => {
  // What is no text, such as a variable of the environment that is not set, would be sent as "undefined".
  if (typeof key !== 'string' || !/^[\x21-\x7e]+$/.test(key)) {
    throw new TypeError('key must be an API key: visible ASCII characters without spaces');
  }
  return (input, init) => {
    const headers = new Headers(init?.headers);
    headers.set('authorization', `Bearer ${key}`);
    return fetch(input, { ...init, headers });
  };
};
