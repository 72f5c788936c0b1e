import { shortened, similarName, type ErrorBody } from '@pennon/schema';
import type {
  FastifyBaseLogger,
  FastifyError,
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
} from 'fastify';

import type { Caller } from '../auth/caller.ts';
import {
  bodyTooLarge,
  errorBody,
  errorFor,
  ERRORS,
  PennonError,
  toPennonError,
} from '../errors.ts';
import { StoreError } from '../store/store.ts';
import type { GuardedRoute } from './access.ts';
import { isManifest, manifestErrorBody, type ManifestError } from './manifest-errors.ts';
import { isOfrep, ofrepErrorBody, ofrepStatus, type OfrepError } from './ofrep-errors.ts';
import { API } from './request.ts';

/** Converts everything that routes throw to an error response. */
export const handleErrors = (
  app: FastifyInstance,
  routes: readonly GuardedRoute[],
  basePath: string,
): void => {
  app.setErrorHandler((error: FastifyError, request, reply) =>
    sendError(withBound(error, request), request, reply),
  );
  // A parameter can be empty, so a slash at the end would otherwise be an empty key.
  app.addHook('onRequest', async request => {
    const path = pathOf(request);
    if (path !== '/' && path.endsWith('/')) throw trailingSlash(basePath + path);
  });
  // A handler of unknown routes would run only after the body has been read.
  app.addHook('onRequest', async (request, reply) => {
    if (!request.is404) return;
    const allowed = methodsOf(routes, request.url);
    if (allowed.length === 0) throw noRoute(pathOf(request), routes, basePath);
    reply.header('allow', allowed.join(', '));
    throw wrongMethod(request, allowed);
  });
};

/** The error of the HTTP framework about a body that is too large does not contain the bound. */
const withBound = (error: FastifyError, { routeOptions }: FastifyRequest): Error =>
  error.code === 'FST_ERR_CTP_BODY_TOO_LARGE' && routeOptions.bodyLimit !== undefined
    ? bodyTooLarge(routeOptions.bodyLimit)
    : error;

const pathOf = ({ url }: FastifyRequest): string => url.split('?', 1)[0] ?? '';

const trailingSlash = (path: string) =>
  new PennonError(
    'NOT_FOUND',
    `this route does not exist: remove the slash at the end, as in ${shortened(path.replace(/\/+$/, ''))}`,
  );

const noRoute = (path: string, routes: readonly GuardedRoute[], basePath: string) => {
  const similar = similarRoute(path, routes);
  const suggestion = similar === undefined ? '' : `; did you mean ${basePath}${similar}?`;
  return new PennonError(
    'NOT_FOUND',
    `this route does not exist${suggestion || ';'} see ${basePath}/docs`,
  );
};

/** Returns the route with the prefix that a path lacks, or the route with a similar name, if there is one. */
const similarRoute = (path: string, routes: readonly GuardedRoute[]): string | undefined => {
  const paths = [API + path, path.replace(/^\/(?:api|v1)\//, `${API}/`)];
  const steps = path.split('/');
  const filled = routes.map(({ url }) => ({
    url,
    like: url
      .split('/')
      .map((part, at) => (part.startsWith(':') ? (steps[at] ?? '') : part))
      .join('/'),
  }));
  const prefixed = routes.find(({ url }) =>
    paths.some(each => matches(url.split('/'), each.split('/'))),
  );
  const similar = similarName(
    path,
    filled.map(({ like }) => like),
  );
  const found = prefixed?.url ?? filled.find(({ like }) => like === similar)?.url;
  return found?.replaceAll(/:(\w+)/g, '{$1}');
};

const wrongMethod = ({ method }: FastifyRequest, allowed: readonly string[]) =>
  new PennonError(
    'METHOD_NOT_SUPPORTED',
    `this route does not support ${method}; use ${allowed.join(', ')}`,
  );

/** The methods of the routes that match a path. Parameters, and `*` at the end, match any text. */
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
    (part, i) => part === '*' || part === steps[i] || (part.startsWith(':') && steps[i] !== ''),
  );

/** Sends an error response for anything thrown. */
export const sendError = (thrown: unknown, request: FastifyRequest, reply: FastifyReply) => {
  const { url, caller, log } = request;
  const { error, status, headers, body } = errorResponse(thrown, { url, caller, log });
  const sent = isTrpc(request) ? trpcEnvelope(error, status) : body;
  return reply.code(status).headers(headers).send(sent);
};

/** The response for anything thrown, and the error as the caller may see it. */
export type ErrorResponse = {
  readonly error: PennonError;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: ErrorBody | OfrepError | ManifestError;
};

/** A request that failed. */
type FailedRequest = {
  /** Without the base path. */
  readonly url: string;
  readonly caller: Caller | undefined;
  readonly log: FastifyBaseLogger;
};

/** Returns the response for anything thrown, and logs what it leaves out. */
export const errorResponse = (
  thrown: unknown,
  { url, caller, log }: FailedRequest,
): ErrorResponse => {
  const error = errorFor(caller, toPennonError(thrown));
  logFailure(log, error);
  const { status, body } = formOf(url, error);
  const challenge = status === 401 ? { 'www-authenticate': 'Bearer' } : {};
  return { error, status, headers: { ...errorHeaders(error), ...challenge }, body };
};

/** Returns the status and the body of an error as the clients of a route read them. */
export const formOf = (url: string, error: PennonError): Pick<ErrorResponse, 'status' | 'body'> => {
  const { http: status } = ERRORS[error.code];
  if (isOfrep(url)) return { status: ofrepStatus(error, status), body: ofrepErrorBody(url, error) };
  return { status, body: isManifest(url) ? manifestErrorBody(error) : errorBody(error) };
};

/** Logs what the response leaves out: unexpected errors, and why the store failed. */
export const logFailure = (log: FastifyBaseLogger, error: PennonError, fields = {}): void => {
  const { code, cause } = error;
  if (code === 'INTERNAL_SERVER_ERROR')
    log.error({ ...fields, err: cause ?? error }, 'request failed');
  else if (cause instanceof StoreError)
    log.warn({ ...fields, reason: cause.message }, 'request failed in the store');
};

/** Headers of an error response: when to retry, and the current entity tag. */
export const errorHeaders = ({ extra }: PennonError): Record<string, string> => ({
  'cache-control': 'no-store',
  ...(extra.retryAfterSeconds === undefined
    ? {}
    : { 'retry-after': String(extra.retryAfterSeconds) }),
  ...(extra.etag === undefined ? {} : { etag: extra.etag }),
});

const isTrpc = (request: FastifyRequest): boolean =>
  request.routeOptions?.url?.startsWith('/trpc/') === true;

/** JSON-RPC's code for an invalid request. */
const INVALID_REQUEST = -32_600;

/** The envelope that tRPC clients expect, for requests rejected before tRPC receives them. */
const trpcEnvelope = (error: PennonError, httpStatus: number) => ({
  error: {
    message: error.message,
    code: INVALID_REQUEST,
    data: { code: ERRORS[error.code].trpc, httpStatus, ...errorBody(error) },
  },
});
