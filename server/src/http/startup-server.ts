import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import { errorBody, ERRORS, PennonError } from '../errors.ts';
import { errorHeaders } from './errors.ts';

/** Answers in place of a server that has no data yet: it lives, it is not ready, and when to ask again. */
export type StartupServer = {
  readonly port: number;
  /** Leaves the port to the server. */
  close(): Promise<void>;
};

const RETRY_AFTER_SECONDS = 1;
const JSON_TYPE = {
  'content-type': 'application/json; charset=utf-8',
  'cache-control': 'no-store',
};

export const openStartupServer = async (address: {
  host: string;
  port: number;
}): Promise<StartupServer> => {
  const server = createServer((request, response) => {
    // The connection is not kept: the next request is to meet the server itself.
    response.setHeader('connection', 'close');
    request.resume();
    answer(request.url, response);
  });
  server.listen(address.port, address.host);
  await once(server, 'listening');
  return { port: portOf(server), close: () => closeServer(server) };
};

const portOf = (server: Server): number => {
  const address: AddressInfo | string | null = server.address();
  return address === null || typeof address === 'string' ? 0 : address.port;
};

const answer = (path: string | undefined, response: ServerResponse): void => {
  if (path === '/healthz') return send(response, 200, { status: 'ok' });
  if (path === '/readyz') return send(response, 503, { status: 'waiting' });
  const message = 'this server waits for its store, and has no copy of the data to serve meanwhile';
  const error = new PennonError('SERVICE_UNAVAILABLE', message, {
    retryAfterSeconds: RETRY_AFTER_SECONDS,
  });
  send(response, ERRORS[error.code].http, errorBody(error), errorHeaders(error));
};

const send = (
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): void => {
  response.writeHead(status, { ...JSON_TYPE, ...headers });
  response.end(JSON.stringify(body));
};

const closeServer = async (server: Server): Promise<void> => {
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
};
