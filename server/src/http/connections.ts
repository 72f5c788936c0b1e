import type { Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

import type { FastifyInstance } from 'fastify';

import { visitorOf } from '../auth/visitor.ts';
import type { Clock } from '../clock.ts';
import type { Limits } from '../config.ts';
import { errorBody, ERRORS, PennonError } from '../errors.ts';
import { createAmounts } from '../amounts.ts';
import { errorHeaders } from './errors.ts';
import { waitAsStranger } from './strangers.ts';

/** How long a peer has to read an error after which its connection is closed. */
const LINGER_MS = 2_000;

const STATUS_TEXT: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  408: 'Request Timeout',
  413: 'Payload Too Large',
  503: 'Service Unavailable',
};

type ParserError = Error & { readonly code?: string };

/** Whether a request has not arrived in time. Node.js reports that once for each request. */
export const isTimeout = ({ code }: ParserError): boolean => code === 'ERR_HTTP_REQUEST_TIMEOUT';

/** Converts an error of Node's HTTP parser. */
export const parserError = (error: ParserError): PennonError => {
  if (isTimeout(error)) return new PennonError('TIMEOUT', 'the request did not arrive in time');
  if (error.code === 'HPE_HEADER_OVERFLOW')
    return new PennonError('PAYLOAD_TOO_LARGE', 'the path and headers together are too long');
  return new PennonError('BAD_REQUEST', 'the request is not valid HTTP');
};

/**
 * Sends an error on a connection that has no request yet, and closes it after a moment, even if the peer does not.
 * The response looks like that of any other error, but is written by hand.
 */
export const sendRawError = (
  socket: Socket,
  error: PennonError,
  lingerMs: number = LINGER_MS,
): void => {
  if (!socket.writable) return void socket.destroy();
  const destroy = () => socket.destroy();
  // A connection that is closed with unread data is reset, and its peer may lose the response.
  socket.once('finish', lingerMs === 0 ? destroy : () => setTimeout(destroy, lingerMs).unref());
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

/** Closes connections above the limits at once with a 503, before they reach a route. */
export const limitConnections = (server: Server, limits: Limits): void => {
  let open = 0;
  const byVisitor = createAmounts();
  server.prependListener('connection', (socket: Socket) => {
    const visitor = visitorOf(socket.remoteAddress ?? '', limits.ipv6Prefix);
    if (open >= limits.connections) return refuse(socket, `this server has ${limits.connections}`);
    if (byVisitor.of(visitor) >= limits.connectionsPerAddress)
      return refuse(socket, `this address has ${limits.connectionsPerAddress}`);
    open += 1;
    byVisitor.add(visitor, 1);
    socket.once('close', () => {
      open -= 1;
      byVisitor.add(visitor, -1);
    });
  });
};

const refuse = (socket: Socket, reason: string): void =>
  sendRawError(
    socket,
    new PennonError('SERVICE_UNAVAILABLE', `${reason} open connections, which is its limit`, {
      retryAfterSeconds: RETRY_AFTER_SECONDS,
    }),
    0,
  );

const UNREAD_CHECK_MS = 5_000;
/** How long a peer may read nothing of a response that waits for it. */
const MAX_UNREAD_MS = 30_000;

/** Closes connections whose peers do not read what waits for them. */
export const closeUnread = (app: FastifyInstance, clock: Clock): void => {
  const open = new Map<Socket, { sent: number; at: number }>();
  app.server.on('connection', (socket: Socket) => {
    open.set(socket, { sent: 0, at: clock.monotonic() });
    socket.once('close', () => open.delete(socket));
  });
  const stop = clock.every(UNREAD_CHECK_MS, () => {
    const now = clock.monotonic();
    for (const [socket, progress] of open) {
      const sent = socket.bytesWritten - socket.writableLength;
      if (socket.writableLength === 0 || sent !== progress.sent)
        open.set(socket, { sent, at: now });
      else if (now - progress.at >= MAX_UNREAD_MS) socket.destroy();
    }
  });
  app.addHook('onClose', async () => stop());
};

/** How many requests of a connection may wait for the responses to those before them. */
const MAX_PIPELINED = 100;

/** The responses of each connection that are not complete, in the order of the requests. */
export type PendingResponses = (socket: Socket) => Set<ServerResponse>;

export const createPendingResponses = (): PendingResponses => {
  const pending = new WeakMap<Socket, Set<ServerResponse>>();
  return socket => {
    const existing = pending.get(socket);
    if (existing !== undefined) return existing;
    const created = new Set<ServerResponse>();
    pending.set(socket, created);
    return created;
  };
};

/**
 * Handles the requests of a connection one after the other, so that none is handled for a peer that does not read
 * the response to the one before. Closes a connection that has too many.
 */
export const handleInTurn = (app: FastifyInstance, pendingOf: PendingResponses): void => {
  app.addHook('onRequest', ({ socket }, { raw }, next) => {
    const responses = pendingOf(socket);
    if (responses.size >= MAX_PIPELINED) return void socket.destroy();
    const previous = [...responses].at(-1);
    responses.add(raw);
    raw.once('close', () => responses.delete(raw));
    if (previous === undefined) return next();
    const endWait = waitAsStranger(socket);
    if (endWait === undefined) return void socket.destroy();
    previous.once('close', () => {
      endWait();
      if (!socket.destroyed) next();
    });
  });
};

/** While `isDraining`, closes each connection after its response, so no client reuses it. */
export const closeWhileDraining = (app: FastifyInstance, isDraining: () => boolean): void => {
  app.addHook('onSend', async (_, reply, payload) => {
    if (isDraining()) reply.header('connection', 'close');
    return payload;
  });
};

/** Requires a Host header, as HTTP/1.1 does. Node's own check would send a response without a body. */
export const requireHost = (app: FastifyInstance): void => {
  app.addHook('onRequest', async ({ headers, raw }) => {
    if (headers.host !== undefined || raw.httpVersion !== '1.1') return;
    throw new PennonError('BAD_REQUEST', 'the Host header is missing');
  });
};
