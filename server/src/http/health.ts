import type { FastifyInstance } from 'fastify';

import type { Parts } from '../parts.ts';

/** `/healthz`: the process answers. `/readyz`: it has its data and takes requests. */
export const serveHealth = (app: FastifyInstance, parts: Parts, draining: () => boolean): void => {
  const config = { access: 'public' } as const;
  app.get('/healthz', { config }, async () => ({ status: 'ok' }));

  app.get('/readyz', { config }, async (_, reply) => {
    reply.header('cache-control', 'no-store');
    if (draining()) return reply.code(503).send({ status: 'draining' });
    const degraded = degradedSince(parts);
    if (degraded === undefined) return { status: 'ready' };
    const seconds = Math.round((parts.clock.now() - degraded) / 1_000);
    return { status: 'degraded', degradedSeconds: seconds };
  });
};

/** Since when some ledger is not followed; it is served from memory meanwhile. */
const degradedSince = ({ control, registry }: Parts): number | undefined => {
  const troubles = [control, ...registry.all().map(({ replica }) => replica)]
    .map(replica => replica.trouble()?.since)
    .filter(since => since !== undefined);
  return troubles.length === 0 ? undefined : Math.min(...troubles);
};
