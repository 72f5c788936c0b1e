import type { Server } from 'node:http';
import type { Socket } from 'node:net';

import type { FastifyInstance } from 'fastify';

import { errorBody, ERRORS, PennonError } from '../errors.ts';
import { errorHeaders } from './errors.ts';

const STATUS_TEXT: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  408: 'Request Timeout',
  413: 'Payload Too Large',
  503: 'Service Unavailable',
};

/** Converts an error of Node's HTTP parser. */
export const parserError = ({ code }: Error & { code?: string }): PennonError => {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT')
    return new PennonError('TIMEOUT', 'the request did not arrive in time');
  if (code === 'HPE_HEADER_OVERFLOW')
    return new PennonError('PAYLOAD_TOO_LARGE', 'the path and headers together are too long');
  return new PennonError('BAD_REQUEST', 'the request is not valid HTTP');
};

/**
 * Sends an error on a connection that has no request yet, and closes it. The response looks like that of
 * any other error, but is written by hand.
 */
export const sendRawError = (socket: Socket, error: PennonError): void => {
  if (!socket.writable) return void socket.destroy();
  const { http } = ERRORS[error.code];
  const body = JSON.stringify(errorBody(error));
  const headers = {
    ...errorHeaders(error),
    'content-type': 'application/json; charset=utf-8',
    'content-length': String(Buffer.byteLength(body)),
    connection: 'close',
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${http} ${STATUS_TEXT[http] ?? 'Error'}\r\n${lines.join('')}\r\n${body}`);
};

const RETRY_AFTER_SECONDS = 5;

/** Closes connections above the limit with a 503, before they reach a route. */
export const limitConnections = (server: Server, max: number): void => {
  let open = 0;
  server.prependListener('connection', (socket: Socket) => {
    open += 1;
    socket.once('close', () => {
      open -= 1;
    });
    if (open > max) sendRawError(socket, tooManyConnections(max));
  });
};

const tooManyConnections = (max: number): PennonError =>
  new PennonError(
    'SERVICE_UNAVAILABLE',
    `this server has ${max} open connections, which is its limit`,
    { retryAfterSeconds: RETRY_AFTER_SECONDS },
  );

/** While `isDraining`, closes each connection after its response, so no client reuses it. */
export const closeWhileDraining = (app: FastifyInstance, isDraining: () => boolean): void => {
  app.addHook('onSend', async (_, reply, payload) => {
    if (isDraining()) reply.header('connection', 'close');
    return payload;
  });
  // The system resets connections that are still waiting. Right after an event loop has polled, these are fewest.
  app.addHook('preClose', done => void setImmediate(done));
};

/** Requires a Host header, as HTTP/1.1 does. Node's own check would send a response without a body. */
export const requireHost = (app: FastifyInstance): void => {
  app.addHook('onRequest', async ({ headers, raw }) => {
    if (headers.host !== undefined || raw.httpVersion !== '1.1') return;
    throw new PennonError('BAD_REQUEST', 'the Host header is missing');
  });
};
