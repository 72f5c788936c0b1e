import type { FastifyInstance } from 'fastify';

import type { Metrics } from '../metrics.ts';

/** Measures every request by the pattern of its route, and serves all metrics at `/metrics`. */
export const serveMetrics = (app: FastifyInstance, metrics: Metrics): void => {
  app.addHook('onResponse', async (request, reply) => {
    const route = request.is404 ? '(unknown)' : (request.routeOptions.url ?? '(unknown)');
    const observe = metrics.requestObserverOf(route, request.method);
    observe(reply.statusCode, reply.elapsedTime / 1_000);
  });
  app.get(
    '/metrics',
    { config: { access: { permission: 'metrics.read', allEnvironments: true } } },
    async (_, reply) => reply.type(metrics.contentType).send(await metrics.text()),
  );
};
