import { fastifyRequestHandler } from '@trpc/server/adapters/fastify';
import type { FastifyInstance, FastifyRequest } from 'fastify';

import { toPennonError } from '../errors.ts';
import type { Services } from '../services.ts';
import { appRouter } from '../router/index.ts';
import type { Context } from '../router/procedure.ts';
import { authenticateRequest } from './access.ts';
import { refuseEncoded, takeOnlyJson } from './body.ts';
import { errorHeaders } from './errors.ts';
import { procedures } from './rest-route.ts';

const MOST_CALLS_A_BATCH = 20;
const PREFIX = '/trpc/';

/** What a procedure is given of a request. Each call of a batch is admitted, and counted, on its own. */
const contextOf = (parts: Services, request: FastifyRequest): Context => ({
  services: parts,
  authenticateRequest: () => authenticateRequest(parts, request),
});

/** The router at /trpc. tRPC reads the body itself, so it comes as text here. */
export const serveTrpc = async (app: FastifyInstance, parts: Services): Promise<void> => {
  takeOnlyJson(app);
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    try {
      refuseEncoded(request);
      done(null, body);
    } catch (error) {
      done(error instanceof Error ? error : new Error(String(error)));
    }
  });

  const route = (url: string, bodyBytes: number | undefined) =>
    app.route<{ Params: { path?: string } }>({
      method: ['GET', 'POST'],
      url,
      exposeHeadRoute: false,
      ...(bodyBytes === undefined ? {} : { bodyLimit: bodyBytes }),
      config: { access: 'procedures' },
      handler: (request, reply) =>
        fastifyRequestHandler({
          router: appRouter,
          createContext: () => contextOf(parts, request),
          maxBatchSize: MOST_CALLS_A_BATCH,
          req: request,
          res: reply,
          path: request.params.path ?? url.slice(PREFIX.length),
          responseMeta: ({ errors }) => {
            const [first] = errors;
            return {
              headers:
                first === undefined
                  ? { 'cache-control': 'no-store' }
                  : errorHeaders(toPennonError(first)),
            };
          },
          onError: ({ error, path }) => {
            const known = toPennonError(error);
            if (known.code === 'INTERNAL_SERVER_ERROR') {
              request.log.error({ err: known.cause ?? known, procedure: path }, 'procedure failed');
            }
          },
        }),
    });

  route(`${PREFIX}:path`, undefined);
  // An exact path is preferred: alone, and not in a batch, these take a larger body.
  for (const [path, { meta }] of procedures())
    if (meta?.limits !== undefined) route(PREFIX + path, meta.limits.bodyBytes);
};
