import type { FastifyInstance } from 'fastify';

import type { Metrics } from '../metrics.ts';

/** Counts every request by its route's pattern, and serves what is measured at /metrics. */
export const serveMetrics = (app: FastifyInstance, metrics: Metrics): void => {
  app.addHook('onResponse', async (request, reply) => {
    const route = request.is404 ? '(unknown)' : (request.routeOptions.url ?? '(unknown)');
    metrics.countRequest(route, request.method, reply.statusCode, reply.elapsedTime / 1_000);
  });
  app.get(
    '/metrics',
    { config: { access: { permission: 'metrics.read', everywhere: true } } },
    async (_, reply) => reply.type(metrics.contentType).send(await metrics.text()),
  );
};
