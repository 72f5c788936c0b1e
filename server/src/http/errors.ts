import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

import { errorBody, ERRORS, PennonError, toPennonError } from '../errors.ts';
import type { GuardedRoute } from './access.ts';

/** The one boundary where what was thrown becomes an answer. */
export const answerErrors = (app: FastifyInstance, routes: readonly GuardedRoute[]): void => {
  app.setErrorHandler((error: FastifyError, request, reply) => sendError(error, request, reply));
  app.setNotFoundHandler((request, reply) => {
    const allowed = methodsOf(routes, request.url);
    if (allowed.length > 0) reply.header('allow', allowed.join(', '));
    return sendError(
      allowed.length > 0 ? wrongMethod(request, allowed) : noRoute(),
      request,
      reply,
    );
  });
};

const noRoute = () => new PennonError('NOT_FOUND', 'there is no such route: see /docs');

const wrongMethod = ({ method }: FastifyRequest, allowed: readonly string[]) =>
  new PennonError(
    'METHOD_NOT_SUPPORTED',
    `this route does not take ${method}: use ${allowed.join(', ')}`,
  );

/** The methods that a path takes. Parameters and the `*` at an end stand for any text. */
const methodsOf = (routes: readonly GuardedRoute[], url: string): readonly string[] => {
  const [path = ''] = url.split('?', 1);
  const steps = path.split('/');
  return routes
    .filter(route => matches(route.url.split('/'), steps))
    .map(({ method }) => method)
    .toSorted();
};

const matches = (pattern: readonly string[], steps: readonly string[]): boolean =>
  (pattern.length === steps.length || (pattern.at(-1) === '*' && steps.length > pattern.length)) &&
  pattern.every(
    (part, at) => part === '*' || part === steps[at] || (part.startsWith(':') && steps[at] !== ''),
  );

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
