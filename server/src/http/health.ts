import type { FastifyInstance } from 'fastify';

import { formatInstant } from '../clock.ts';
import { longestOutage } from '../flag-set/health.ts';
import type { Services } from '../services.ts';

/**
 * Serves `/healthz`, which succeeds while the process runs, and `/readyz`, which fails while it drains.
 * A server that does not follow its store is degraded but ready: it serves from memory.
 */
export const serveHealth = (
  app: FastifyInstance,
  services: Services,
  isDraining: () => boolean,
): void => {
  const config = { access: 'public' } as const;
  app.get('/healthz', { config }, async () => ({ status: 'ok' }));

  app.get('/readyz', { config }, async (_, reply) => {
    reply.header('cache-control', 'no-store');
    if (isDraining()) return reply.code(503).send({ status: 'draining' });
    const outage = longestOutage(services);
    if (outage === undefined) return { status: 'ready' };
    const degradedSeconds = Math.round((services.clock.monotonic() - outage.since) / 1_000);
    const { snapshotAt } = outage;
    const copy = snapshotAt === undefined ? {} : { copyOf: formatInstant(snapshotAt) };
    return { status: 'degraded', degradedSeconds, ...copy };
  });
};
