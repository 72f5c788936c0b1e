import type { FastifyInstance } from 'fastify';

import { formatInstant } from '../clock.ts';
import { degradedMs, longestOutage, sourceAges, storeProblem } from '../flag-set/health.ts';
import type { Outage } from '../replication/outage.ts';
import type { Services } from '../services.ts';

/**
 * Serves `/healthz`, which succeeds while the process runs, and `/readyz`, which fails while it drains.
 * A server that does not follow its store is degraded but ready: it serves from memory. It is no longer ready
 * once nothing of what it has was current for too long, because another server may have newer flags, or while it has
 * no flags of an environment.
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
    const { newestMs } = sourceAges(services);
    const problem = storeProblem(services);
    const notFollowedMs = degradedMs(services, services.clock);
    const foreignEntries = services.store.foreignEntries?.() || undefined;
    if (notFollowedMs === 0 && outage === undefined && problem === undefined)
      return { status: 'ready', foreignEntries };
    // A snapshot may be much older than its last confirmation, so only the time since the outage began counts.
    const ageMs = outage?.snapshotAt === undefined ? newestMs : notFollowedMs;
    // If the store has a problem that only an operator can solve, no other server has newer flags.
    const isOutdated = problem === undefined && isTooOld(ageMs, services);
    if (isOutdated || lacksFlags(services)) reply.code(503);
    return { ...describeOutage(outage, notFollowedMs), problem, foreignEntries };
  });
};

/**
 * Whether this server cannot serve an environment: others on the same store may have a copy of its flags. A server that
 * has the store for itself serves the environments that it could read.
 */
const lacksFlags = ({ registry, store }: Services): boolean =>
  registry.outage() !== undefined && (store.recovery !== undefined || registry.all().length === 0);

const isTooOld = (ageMs: number, { limits: { readySourceAgeSeconds } }: Services): boolean =>
  readySourceAgeSeconds > 0 && ageMs > readySourceAgeSeconds * 1_000;

const describeOutage = (outage: Outage | undefined, ms: number) => {
  const copy = outage?.snapshotAt === undefined ? {} : { copyOf: formatInstant(outage.snapshotAt) };
  return { status: 'degraded', degradedSeconds: Math.round(ms / 1_000), ...copy };
};
