import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

import { errorBody, ERRORS, PennonError, toPennonError } from '../errors.ts';

/** The one boundary where what was thrown becomes an answer. */
export const answerErrors = (app: FastifyInstance): void => {
  app.setErrorHandler((error: FastifyError, request, reply) => sendError(error, request, reply));
  app.setNotFoundHandler((request, reply) =>
    sendError(new PennonError('NOT_FOUND', 'there is no such route: see /docs'), request, reply),
  );
};

/** Sends what was thrown as the one shape of an error. */
export const sendError = (thrown: unknown, request: FastifyRequest, reply: FastifyReply) => {
  const error = toPennonError(thrown);
  if (error.code === 'INTERNAL_SERVER_ERROR')
    request.log.error({ err: error.cause ?? error }, 'request failed');
  const { http } = ERRORS[error.code];
  reply.headers(errorHeaders(error));
  if (http === 401) reply.header('www-authenticate', 'Bearer');
  return reply.code(http).send(isTrpc(request) ? trpcEnvelope(error, http) : errorBody(error));
};

/** Headers that an error brings: when to try again, what the resource's entity tag is now. */
export const errorHeaders = ({ extra }: PennonError): Record<string, string> => ({
  'cache-control': 'no-store',
  ...(extra.retryAfterSeconds === undefined
    ? {}
    : { 'retry-after': String(extra.retryAfterSeconds) }),
  ...(extra.etag === undefined ? {} : { etag: extra.etag }),
});

const isTrpc = (request: FastifyRequest): boolean =>
  request.routeOptions?.url?.startsWith('/trpc/') === true;

/** JSON-RPC's code for a request that was refused before tRPC saw it. */
const INVALID_REQUEST = -32_600;

/** A refusal before tRPC saw the request, in the envelope that tRPC clients read. */
const trpcEnvelope = (error: PennonError, httpStatus: number) => ({
  error: {
    message: error.message,
    code: INVALID_REQUEST,
    data: { code: ERRORS[error.code].trpc, httpStatus, ...errorBody(error) },
  },
});
