import type { IncomingMessage } from 'node:http';

import { fastify, LogController } from 'fastify';
import type { FastifyBaseLogger, FastifyInstance } from 'fastify';

import { PennonError } from '../errors.ts';
import type { Metrics } from '../metrics.ts';
import type { Services } from '../services.ts';
import type { GuardedRoute } from './access.ts';
import { guardRoutes } from './access.ts';
import { routedUrl } from './base-path.ts';
import { parseJsonBodies } from './body.ts';
import {
  closeUnread,
  closeWhileDraining,
  createPendingResponses,
  handleInTurn,
  isTimeout,
  limitConnections,
  parserError,
  requireHost,
  sendRawError,
} from './connections.ts';
import { compressResponses } from './compression.ts';
import { serveAuth } from './auth.ts';
import { addConsolePages, serveConsole, type ConsoleSource } from './console.ts';
import { addCors } from './cors.ts';
import { serveDocs } from './docs.ts';
import { handleErrors, sendError } from './errors.ts';
import { createDirect, DirectRequest, serveBefore } from './direct.ts';
import { evaluationRoutes, serveEvaluations } from './evaluate.ts';
import { serveFlagSet } from './flag-set.ts';
import { serveFlagTypes } from './flag-types.ts';
import { serveHealth } from './health.ts';
import { serveManifest } from './manifest.ts';
import { serveMetrics } from './metrics.ts';
import { logRequest, requestId } from './request-log.ts';
import { serveOidc } from './oidc.ts';
import { serveOfrepEvents } from './ofrep-events.ts';
import { ofrepRoutes } from './ofrep.ts';
import { sendInParts } from './parts.ts';
import { serveRest } from './rest.ts';
import { limitStrangers } from './strangers.ts';
import { serveStreams } from './stream.ts';
import { sendTrpcAsText, serveTrpc } from './trpc.ts';
import { isReceivingUpload, limitUploads } from './uploads.ts';
import { serveEventLog } from './event-log.ts';
import { serveEvents } from './events.ts';
import { serveUsageReports } from './usage.ts';

/** Characters in one part of a path: enough for a tRPC batch, and for keys that are too long to reach their schema. */
const MAX_PARAMETER_LENGTH = 2_000;
const REQUEST_TIMEOUT_MS = 30_000;
/** How often Node looks for requests that have timed out. */
const TIMEOUT_CHECK_MS = 5_000;
/** How long a connection may have no request. */
const KEEP_ALIVE_MS = 50_000;
/** Proxies reuse connections for up to a minute. The server must not close one at the same moment. */
const KEEP_ALIVE_OF_PROXIES_MS = 72_000;

export type AppOptions = {
  readonly services: Services;
  readonly metrics: Metrics;
  readonly logger: FastifyBaseLogger;
  readonly isDraining: () => boolean;
  readonly console: ConsoleSource;
};

export type App = { readonly http: FastifyInstance; readonly routes: readonly GuardedRoute[] };

/** Creates the HTTP server with all routes. Hooks come first: they apply to routes added after them. */
export const createApp = async ({
  services,
  metrics,
  logger,
  isDraining,
  console,
}: AppOptions): Promise<App> => {
  const app = createFastify(services, logger);
  const pendingOf = createPendingResponses();
  const evaluations = [...evaluationRoutes(services), ...ofrepRoutes(services)];
  limitConnections(app.server, services.limits);
  limitStrangers(app, services.clock);
  closeUnread(app, services.clock);
  handleInTurn(app, pendingOf);
  sendTrpcAsText(app);
  compressResponses(app);
  sendInParts(app);
  closeWhileDraining(app, isDraining);
  requireHost(app);
  addCors(app);
  const routes = guardRoutes(app, services);
  addConsolePages(app, services.basePath, console);
  handleErrors(app, routes, services.basePath);
  parseJsonBodies(app);
  setContentTypeOptions(app);
  logRequests(app);
  serveMetrics(app, metrics);
  serveHealth(app, services, isDraining);
  serveDocs(app, services.basePath);
  serveAuth(app, services);
  serveOidc(app, services);
  serveConsole(app, services.basePath, console);
  serveEvaluations(app, evaluations);
  serveFlagSet(app, services);
  serveFlagTypes(app, services);
  serveManifest(app, services);
  serveUsageReports(app, services);
  serveEvents(app, services);
  serveEventLog(app, services);
  serveStreams(app, services);
  serveOfrepEvents(app, services);
  const receiveUploads = limitUploads(app, services.clock);
  serveRest(app, services, receiveUploads);
  await app.register(scope => serveTrpc(scope, services, receiveUploads));
  await app.ready();
  const keepAliveMs = app.server.keepAliveTimeout;
  serveBefore(
    app,
    createDirect({ services, metrics, logger, isDraining, pendingOf, evaluations, keepAliveMs }),
  );
  return { http: app, routes };
};

/** Paths match exactly, including case and, except for clients of OFREP, slashes. */
const createFastify = (
  { limits, random, basePath }: Services,
  loggerInstance: FastifyBaseLogger,
): FastifyInstance =>
  fastify({
    loggerInstance,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: limits.bodyBytes,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: limits.trustedProxies > 0 ? KEEP_ALIVE_OF_PROXIES_MS : KEEP_ALIVE_MS,
    forceCloseConnections: 'idle',
    // A request on a connection that is still open is served, until the last one has its response.
    return503OnClosing: false,
    rewriteUrl: ({ url = '/' }: IncomingMessage) => routedUrl(basePath, url),
    routerOptions: { maxParamLength: MAX_PARAMETER_LENGTH },
    clientErrorHandler: (error, socket) => {
      if (!isTimeout(error) || !isReceivingUpload(socket)) sendRawError(socket, parserError(error));
    },
    // Fastify sets its timeout after Node has created the server, and Node then uses the longer of the two.
    http: {
      IncomingMessage: DirectRequest,
      requireHostHeader: false,
      requestTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: TIMEOUT_CHECK_MS,
    },
    // Errors of the router are about the path, and its own message repeats all of it.
    frameworkErrors: (_, request, reply) => {
      void sendError(invalidPath(), request, reply);
    },
    genReqId: () => requestId(random),
  });

const invalidPath = () =>
  new PennonError(
    'BAD_REQUEST',
    `a part of the path is not percent-encoded UTF-8, or is longer than ${MAX_PARAMETER_LENGTH} characters`,
  );

/** Keeps browsers from guessing another content type. */
const setContentTypeOptions = (app: FastifyInstance): void => {
  app.addHook('onSend', async (_, reply, payload) => {
    reply.header('x-content-type-options', 'nosniff');
    return payload;
  });
};

/** Logs one line for each request. */
const logRequests = (app: FastifyInstance): void => {
  app.addHook('onResponse', async (request, reply) => {
    logRequest(request.log, {
      method: request.method,
      route: request.routeOptions.url ?? '(unknown)',
      status: reply.statusCode,
      ms: reply.elapsedTime,
      key: request.caller?.credential.id,
    });
  });
};
