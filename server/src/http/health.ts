import type { FastifyInstance } from 'fastify';

import { formatInstant } from '../clock.ts';
import { longestOutage } from '../flag-set/health.ts';
import type { Services } from '../services.ts';

/** `/healthz`: the process answers. `/readyz`: it has its data and takes requests. */
export const serveHealth = (
  app: FastifyInstance,
  parts: Services,
  draining: () => boolean,
): void => {
  const config = { access: 'public' } as const;
  app.get('/healthz', { config }, async () => ({ status: 'ok' }));

  app.get('/readyz', { config }, async (_, reply) => {
    reply.header('cache-control', 'no-store');
    if (draining()) return reply.code(503).send({ status: 'draining' });
    const outage = longestOutage(parts);
    if (outage === undefined) return { status: 'ready' };
    const degradedSeconds = Math.round((parts.clock.now() - outage.since) / 1_000);
    const { snapshotAt } = outage;
    const copy = snapshotAt === undefined ? {} : { copyOf: formatInstant(snapshotAt) };
    return { status: 'degraded', degradedSeconds, ...copy };
  });
};
