import type { Socket } from 'node:net';

import type { Runtime } from '@pennon/sync';
import type { Dispatcher } from 'undici';

import { acceptedCodings, type Transport } from './network.ts';

/** Opens connections through a proxy. Their library is loaded with the first request. */
export const openProxiedTransport = async (address: string): Promise<Transport> => {
  const proxy = new URL(address);
  const { fetch: fetchWith } = await import('undici');
  let pending = 0;
  const isNeeded = () => pending > 0;
  const { dispatcher, closePendingTunnels, retire } = await createProxyDispatcher(proxy, isNeeded);
  const fetch: Runtime['fetch'] = async (
    input,
    { method = 'GET', headers, body = null, signal = null, redirect } = {},
  ) => {
    const url = new URL(input instanceof Request ? input.url : input);
    const sent = new Headers(headers);
    sent.set('accept-encoding', acceptedCodings(sent));
    pending += 1;
    try {
      const response = await fetchWith(url, {
        method,
        headers: [...sent, ...headersForProxy(url, proxy)],
        // The types of the library differ from those of Node.js, except for text.
        body: body === null ? null : await new Response(body).text(),
        signal,
        redirect: redirect ?? 'follow',
        dispatcher,
      });
      const { status } = response;
      return new Response(response.body, { status, headers: [...response.headers] });
    } finally {
      pending -= 1;
      if (!isNeeded()) closePendingTunnels();
    }
  };
  return { fetch, retire };
};

/** Without TLS, the proxy receives the request itself. */
const headersForProxy = (url: URL, proxy: URL): [string, string][] =>
  url.protocol === 'http:' ? [['host', url.host], ...credentialsOf(proxy)] : [];

const credentialsOf = ({ username, password }: URL): [string, string][] => {
  if (username === '' && password === '') return [];
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return [['proxy-authorization', `Basic ${Buffer.from(credentials).toString('base64')}`]];
};

/** The address without the credentials. */
const proxyError = (proxy: URL, problem: string): Error =>
  new Error(`the proxy ${proxy.origin} ${problem}`);

type ProxyDispatcher = {
  readonly dispatcher: Dispatcher;
  /** Closes the tunnels that are being opened. An aborted request leaves its own one behind. */
  readonly closePendingTunnels: () => void;
  /** Closes each connection after its request. */
  readonly retire: () => void;
};

/**
 * Opens a tunnel for TLS only: many proxies refuse one to another port than 443. The `ProxyAgent` of the library
 * would connect again without a delay if the proxy closes the connection without a response. `isNeeded` returns
 * whether a request waits for a connection.
 */
const createProxyDispatcher = async (
  proxy: URL,
  isNeeded: () => boolean,
): Promise<ProxyDispatcher> => {
  const { Agent, buildConnector } = await import('undici');
  const openTunnel = await createTunnels(proxy);
  const connectSocket = buildConnector({});
  let closing = new AbortController();
  const agent = new Agent({
    connect(options, callback) {
      // The library connects once more after the abort of a request.
      if (!isNeeded()) return callback(new Error('aborted'), null);
      if (options.protocol !== 'https:') return connectSocket(options, callback);
      openTunnel({
        target: `${options.hostname}:${options.port || 443}`,
        signal: closing.signal,
        onOpen: httpSocket => connectSocket({ ...options, httpSocket }, callback),
        onError: error => callback(error, null),
      });
    },
  });
  return {
    dispatcher: agent.compose(forwardPlainRequests(proxy)),
    closePendingTunnels() {
      closing.abort();
      closing = new AbortController();
    },
    retire: () => void agent.close(),
  };
};

/** Sends a request without TLS to the proxy, with its whole URL. */
const forwardPlainRequests =
  (proxy: URL): Dispatcher.DispatcherComposeInterceptor =>
  dispatch =>
  (options, handler) => {
    const origin = String(options.origin);
    if (origin.startsWith('https:')) return dispatch(options, handler);
    const path = `${origin}${options.path}`;
    return dispatch({ ...options, origin: proxy.origin, path }, failOn407(proxy, handler));
  };

/** Otherwise the `fetch` of the library fails without a reason, and without closing the connection. */
const failOn407 = (
  proxy: URL,
  handler: Dispatcher.DispatchHandlers,
): Dispatcher.DispatchHandlers => {
  const onHeaders = handler.onHeaders?.bind(handler);
  return Object.assign(handler, {
    onHeaders(...response: Parameters<NonNullable<typeof onHeaders>>) {
      if (response[0] === 407) throw proxyError(proxy, 'refuses the request with 407');
      return onHeaders?.(...response) ?? true;
    },
  });
};

const TUNNEL_TIMEOUT_MS = 10_000;

type Tunnel = {
  /** The host and the port. */
  readonly target: string;
  readonly signal: AbortSignal;
  readonly onOpen: (socket: Socket) => void;
  readonly onError: (error: Error) => void;
};

/** Returns a function that opens a connection to a server through the proxy (`CONNECT`). */
const createTunnels = async (proxy: URL): Promise<(tunnel: Tunnel) => void> => {
  const { request: createRequest } = await import('node:http');
  return ({ target, signal, onOpen, onError }) => {
    const fail = (problem: string) => onError(proxyError(proxy, problem));
    const request = createRequest({
      method: 'CONNECT',
      host: proxy.hostname.replaceAll(/[[\]]/g, ''),
      port: proxy.port || 80,
      path: target,
      headers: { host: target, ...Object.fromEntries(credentialsOf(proxy)) },
      timeout: TUNNEL_TIMEOUT_MS,
      agent: false,
      signal,
    });
    request.once('connect', ({ statusCode = 0 }, socket) => {
      if (statusCode >= 200 && statusCode < 300) return onOpen(socket);
      socket.destroy();
      fail(`refuses a tunnel to ${target} with ${statusCode}`);
    });
    request.once('timeout', () => request.destroy(new Error('no response in time')));
    request.once('error', ({ message }) => fail(`opens no tunnel: ${message}`));
    request.end();
  };
};
