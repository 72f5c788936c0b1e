import type { Server } from 'node:http';
import type { Socket } from 'node:net';

import type { FastifyInstance } from 'fastify';

import { errorBody, ERRORS, PennonError } from '../errors.ts';
import { errorHeaders } from './errors.ts';

/** What happens before there is a request: the same shape of error, written by hand. */
const STATUS_TEXT: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  408: 'Request Timeout',
  413: 'Payload Too Large',
  503: 'Service Unavailable',
};

/** Node's codes of what it refuses to read as a request. */
export const rawErrorOf = ({ code }: Error & { code?: string }): PennonError => {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT')
    return new PennonError('TIMEOUT', 'the request did not arrive in time');
  if (code === 'HPE_HEADER_OVERFLOW')
    return new PennonError('PAYLOAD_TOO_LARGE', 'the path and headers are too long together');
  return new PennonError('BAD_REQUEST', 'this is not a valid HTTP request');
};

/** Answers on a bare connection and ends it. */
export const answerRaw = (socket: Socket, error: PennonError): void => {
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

/** A connection too many is told so and ended, and never reaches a route. */
export const boundConnections = (server: Server, most: number): void => {
  let open = 0;
  server.prependListener('connection', (socket: Socket) => {
    open += 1;
    socket.once('close', () => {
      open -= 1;
    });
    if (open <= most) return;
    answerRaw(
      socket,
      new PennonError(
        'SERVICE_UNAVAILABLE',
        `this server has ${most} connections open, its limit`,
        {
          retryAfterSeconds: RETRY_AFTER_SECONDS,
        },
      ),
    );
  });
};

/** HTTP/1.1 wants a Host header; Node's own refusal would have no body. */
export const requireHost = (app: FastifyInstance): void => {
  app.addHook('onRequest', async ({ headers, raw }) => {
    if (headers.host !== undefined || raw.httpVersion !== '1.1') return;
    throw new PennonError('BAD_REQUEST', 'the Host header is missing');
  });
};
