import { createServer, type ServerResponse } from 'node:http';

import { PennonError } from '../errors.ts';
import { routedUrl } from './base-path.ts';
import { ANY_ORIGIN, STARTUP_PREFLIGHT } from './cors.ts';
import { errorHeaders, formOf } from './errors.ts';
import { listenOnAll, type ListenAddress } from './listeners.ts';

/** Responds while a server waits for its store: it is alive, not ready, and clients should retry. */
export type StartupServer = {
  readonly port: number;
  /** Frees the port for the server. */
  readonly close: () => Promise<void>;
};

const RETRY_AFTER_SECONDS = 1;
const JSON_HEADERS = {
  'content-type': 'application/json; charset=utf-8',
  'cache-control': 'no-store',
};
const NO_CONTENT = 204;

/** `problem` returns what an operator must do about the store, or undefined when waiting is enough. */
export const openStartupServer = async (
  address: ListenAddress & { basePath: string },
  problem: () => string | undefined = () => undefined,
): Promise<StartupServer> => {
  const server = createServer((request, response) => {
    // Closes the connection, so that the next request reaches the real server.
    response.setHeader('connection', 'close');
    request.resume();
    if (request.method === 'OPTIONS')
      response.writeHead(NO_CONTENT, { ...ANY_ORIGIN, ...STARTUP_PREFLIGHT }).end();
    else respond(routedUrl(address.basePath, request.url ?? '/'), response, problem());
  });
  const listeners = await listenOnAll(server, address);
  return {
    port: listeners.port,
    close: async () => {
      await listeners.stop();
      server.close();
      server.closeAllConnections();
      await listeners.closed;
    },
  };
};

const respond = (url: string, response: ServerResponse, problem: string | undefined): void => {
  const [path] = url.split('?', 1);
  if (path === '/healthz') return send(response, 200, { status: 'ok' });
  if (path === '/readyz') return send(response, 503, { status: 'waiting', problem });
  const message = 'this server is waiting for its store and has no snapshot to serve; try again';
  const error = new PennonError('SERVICE_UNAVAILABLE', message, {
    retryAfterSeconds: RETRY_AFTER_SECONDS,
  });
  const { status, body } = formOf(url, error);
  send(response, status, body, { ...errorHeaders(error), ...ANY_ORIGIN });
};

const send = (
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): void => {
  response.writeHead(status, { ...JSON_HEADERS, ...headers });
  response.end(JSON.stringify(body));
};
