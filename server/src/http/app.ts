import { fastify, LogController } from 'fastify';
import type { FastifyBaseLogger, FastifyInstance } from 'fastify';

import { PennonError } from '../errors.ts';
import type { Metrics } from '../metrics.ts';
import type { Services } from '../services.ts';
import type { GuardedRoute } from './access.ts';
import { guardRoutes } from './access.ts';
import { parseJsonBodies } from './body.ts';
import { allowOrigins } from './cors.ts';
import { answerRaw, boundConnections, rawErrorOf, requireHost } from './connections.ts';
import { serveDocs } from './docs.ts';
import { answerErrors, sendError } from './errors.ts';
import { serveEvaluations } from './evaluate.ts';
import { serveFlagSet } from './flag-set.ts';
import { serveHealth } from './health.ts';
import { serveMetrics } from './metrics.ts';
import { serveRest } from './rest.ts';
import { serveStreams } from './stream.ts';
import { serveTrpc } from './trpc.ts';

/** Longest part of a path: over-long keys waitForRevision their schema, and a tRPC batch names twenty procedures. */
const LONGEST_PARAMETER = 2_000;
const REQUEST_TIMEOUT_MS = 30_000;
/** How much later than its time a connection may be ended. */
const TIMEOUT_CHECK_MS = 5_000;
const KEEP_ALIVE_MS = 72_000;

export type AppParts = {
  readonly parts: Services;
  readonly metrics: Metrics;
  readonly logger: FastifyBaseLogger;
  readonly draining: () => boolean;
};

export type App = { readonly http: FastifyInstance; readonly routes: readonly GuardedRoute[] };

/** Every door of the server. Paths are matched exactly: no case folding, no merged slashes. */
export const createApp = async ({ parts, metrics, logger, draining }: AppParts): Promise<App> => {
  const { limits } = parts;
  const app = fastify({
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: limits.bodyBytes,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    forceCloseConnections: 'idle',
    trustProxy: (_, hop) => hop < limits.trustedProxies,
    routerOptions: { maxParamLength: LONGEST_PARAMETER },
    clientErrorHandler: (error, socket) => answerRaw(socket, rawErrorOf(error)),
    // Fastify sets its timeout too late for Node to bound the headers by it: the longer of the two is then
    // the request's.
    http: {
      requireHostHeader: false,
      requestTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: TIMEOUT_CHECK_MS,
    },
    // What the router itself refuses is the path; its own message would repeat all of it.
    frameworkErrors: (_, request, reply) => {
      void sendError(badPath(), request, reply);
    },
    genReqId: () => parts.random(REQUEST_ID_LENGTH),
  });
  boundConnections(app.server, limits.connections);

  requireHost(app);
  allowOrigins(app);
  const routes = guardRoutes(app, parts);
  answerErrors(app, routes);
  parseJsonBodies(app);
  logRequests(app);
  serveMetrics(app, metrics);
  serveHealth(app, parts, draining);
  serveDocs(app);
  serveEvaluations(app, parts);
  serveFlagSet(app, parts);
  serveStreams(app, parts);
  serveRest(app, parts);
  await app.register(scope => serveTrpc(scope, parts));
  await app.ready();
  return { http: app, routes };
};

const REQUEST_ID_LENGTH = 12;

const badPath = () =>
  new PennonError(
    'BAD_REQUEST',
    `the path has a part that is not percent-encoded UTF-8, or longer than ${LONGEST_PARAMETER} characters`,
  );

/** One line a request: the route's pattern, never the URL, so that no key or context is written down. */
const logRequests = (app: FastifyInstance): void => {
  app.addHook('onSend', async (_, reply, payload) => {
    reply.header('x-content-type-options', 'nosniff');
    return payload;
  });
  app.addHook('onResponse', async (request, reply) => {
    request.log.debug(
      {
        method: request.method,
        route: request.routeOptions.url ?? '(unknown)',
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime * 10) / 10,
        key: request.caller?.keyId,
      },
      'request',
    );
  });
};
