import type { Runtime } from '@pennon/sync';

/** What a provider needs of the network. */
export type Network = Pick<Runtime, 'fetch' | 'renewConnections'>;

/** Sends requests over connections of its own, which it keeps open for later requests. */
export type Transport = {
  readonly fetch: Runtime['fetch'];
  /** Closes idle connections at once, and the others after their requests. */
  readonly retire: () => void;
};

/** The content codings to request. Without any for streams, no proxy buffers them to compress them. */
export const acceptedCodings = (headers: Headers): string =>
  headers.get('accept') === 'text/event-stream' ? 'identity' : 'br, gzip';

/**
 * Opens a transport for the first request, and another one whenever connections are renewed. The connections of
 * the global `fetch` belong to the whole process, so a provider cannot renew them.
 */
export const createNetwork = (open: () => Promise<Transport>): Network => {
  let transport: Promise<Transport> | undefined;
  return {
    async fetch(input, init) {
      transport ??= open();
      const { fetch } = await transport;
      return fetch(input, init);
    },
    renewConnections() {
      void transport?.then(({ retire }) => retire());
      transport = undefined;
    },
  };
};
