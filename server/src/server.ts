import type { AddressInfo } from 'node:net';

import type { FastifyBaseLogger, FastifyInstance } from 'fastify';

import { formatInstant, type Clock } from './clock.ts';
import type { Limits } from './config.ts';
import { createBroadcasts } from './streaming/broadcast.ts';
import { createStreamRegistry, type StreamRegistry } from './streaming/stream-registry.ts';
import type { Registry } from './flag-set/registry.ts';
import { createEvaluationCache } from './evaluation/evaluation-cache.ts';
import { longestOutage } from './flag-set/health.ts';
import { PennonError } from './errors.ts';
import type { GuardedRoute } from './http/access.ts';
import { createApp } from './http/app.ts';
import { createAuthenticate } from './auth/authenticate.ts';
import { createRateLimit } from './auth/rate-limit.ts';
import { createMetrics, type Gather } from './metrics.ts';
import type { Services } from './services.ts';
import type { Random } from './random.ts';
import type { SnapshotFiles } from './replication/snapshot-files.ts';
import { createOutageLog } from './replication/outage.ts';
import { openReplicas, type Replicas } from './bootstrap/replicas.ts';
import { joinFleet } from './status/fleet.ts';
import type { ServerReport, Store } from './store/store.ts';
import { VERSION } from './version.ts';

export type ServerOptions = {
  /** Open; the server closes it. */
  readonly store: Store;
  /** What is served while the store is away at the start; undefined for a store of this server's own. */
  readonly snapshotFiles?: SnapshotFiles | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: FastifyBaseLogger;
  readonly limits: Limits;
  /** How metrics are gathered where this is one of several servers on its port. */
  readonly gatherMetrics?: Gather | undefined;
  /** Becomes the admin key for all environments; undefined keeps the one that there is. */
  readonly adminKey: string | undefined;
  /** The admin key of a first start where none was set. It must be kept before it is answered. */
  readonly firstAdminKey: () => string;
};

export type Server = {
  /** For requests without a socket, as tests make them. */
  readonly inject: FastifyInstance['inject'];
  /** Every route with who may use it. */
  readonly routes: readonly GuardedRoute[];
  /** When the copy was made that is served while the store is away; undefined: no copy is. */
  readonly copyOf: () => number | undefined;
  /** Does a key with this secret hold? */
  readonly accepts: (secret: string) => boolean;
  /** Resolves to the URL that it listens on. */
  listen(address: { host: string; port: number }): Promise<string>;
  /** Ends streams, answers what is under way, and closes the store. */
  close(): Promise<void>;
};

/** A request that is still under way after this is cut off. */
const DRAIN_MS = 8_000;

/** All wiring of a server, from its store to its doors. */
export const createServer = async (given: ServerOptions): Promise<Server> => {
  const { clock, random, logger, limits } = given;
  const metrics = createMetrics(given.gatherMetrics);
  const store = metrics.timed(given.store);
  const outages = createOutageLog(logger);
  const data = await openReplicas({
    ...given,
    store,
    reportOutage: outages.report,
    onWarning: message => logger.warn(message),
  });
  const { control, registry } = data;

  const streams = createStreamRegistry(control, clock, limits.streams);
  const fleet = await joinFleet({ store, clock, report: reporterOf(given, data, streams) });

  const parts: Services = {
    store,
    control,
    registry,
    authenticate: createAuthenticate(control, clock),
    countRequest: createRateLimit(limits.requestsPerSecond, fleet.size, clock),
    streams,
    fleet,
    broadcastOf: createBroadcasts(clock),
    cache: createEvaluationCache(limits.cachedAnswers, clock),
    counterOf: metrics.counterOf,
    clock,
    random,
    limits,
  };
  metrics.observe(sourceOf(parts));

  let draining = false;
  const { http, routes } = await createApp({
    services: parts,
    metrics,
    logger,
    isDraining: () => draining,
  });

  return {
    inject: http.inject.bind(http),
    routes,
    copyOf: () => longestOutage(parts)?.snapshotAt,
    accepts: secret => accepts(parts, secret),
    async listen(address) {
      await http.listen(address);
      return urlOf(http.server.address());
    },
    async close() {
      draining = true;
      parts.streams.drain();
      const cancel = clock.after(DRAIN_MS, () => http.server.closeAllConnections());
      await http.close();
      cancel();
      await fleet.close();
      outages.close();
      data.close();
      await given.snapshotFiles?.flush();
      await store.close();
    },
  };
};

const accepts = ({ authenticate }: Services, secret: string): boolean => {
  try {
    authenticate({ apiKey: secret });
    return true;
  } catch (error) {
    if (error instanceof PennonError) return false;
    throw error;
  }
};

const SERVER_ID_LENGTH = 12;

/** What this server says of itself; its id lasts as long as the process. */
const reporterOf = ({ clock, random }: ServerOptions, data: Replicas, streams: StreamRegistry) => {
  const id = random(SERVER_ID_LENGTH);
  const startedAt = formatInstant(clock.now());
  return (): ServerReport => ({
    id,
    version: VERSION,
    startedAt,
    revisions: Object.fromEntries(revisionsOf(data.registry)),
    streams: streams.count(),
    degradedSeconds: Math.round(degradedMs(data, clock) / 1_000),
  });
};

const revisionsOf = (registry: Registry) =>
  registry.all().map(live => [live.environment, live.view().flagSet.revision] as const);

const degradedMs = (data: Pick<Replicas, 'control' | 'registry'>, clock: Clock): number => {
  const since = longestOutage(data)?.since;
  return since === undefined ? 0 : clock.now() - since;
};

const sourceOf = (parts: Services) => ({
  streams: parts.streams.count,
  cachedAnswers: parts.cache.size,
  revisions: () => revisionsOf(parts.registry),
  degradedMs: () => degradedMs(parts, parts.clock),
});

const urlOf = (address: string | AddressInfo | null): string => {
  if (address === null || typeof address === 'string') return String(address);
  const host = address.family === 'IPv6' ? `[${address.address}]` : address.address;
  return `http://${host}:${address.port}`;
};
