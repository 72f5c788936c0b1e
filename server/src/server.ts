import type { RequestListener } from 'node:http';

import type { FastifyBaseLogger, FastifyInstance } from 'fastify';

import { createAuthenticate } from './auth/authenticate.ts';
import { createAuthenticateSession } from './auth/sessions.ts';
import { createTickets } from './auth/tickets.ts';
import { createRateLimit } from './auth/rate-limit.ts';
import type { EmptyStorePolicy } from './bootstrap/empty-store.ts';
import { openReplicas, type Replicas } from './bootstrap/replicas.ts';
import { formatInstant, type Clock } from './clock.ts';
import type { Limits, SignInSettings } from './config.ts';
import { errorMessage } from './error-message.ts';
import { PennonError } from './errors.ts';
import type { MomentsSource } from './experiments/moments.ts';
import { createAnalyst } from './experiments/analysis/analyst.ts';
import { startLooks } from './experiments/looks.ts';
import { startSchedule } from './experiments/schedule.ts';
import { createPointCache } from './experiments/series.ts';
import { startPurge } from './environments/purge.ts';
import { createPreviewLimit } from './evaluation/preview-limit.ts';
import { createAudiences } from './evaluation/audience.ts';
import { createBulkEvaluationCache } from './evaluation/bulk-evaluation-cache.ts';
import { createTurns } from './turns.ts';
import { createLastEvaluated } from './flags/last-evaluated.ts';
import { createEvents } from './events/events.ts';
import { createExposer } from './events/exposer.ts';
import { createUsage } from './usage/usage.ts';
import { startReleases } from './experiments/layers/schedule.ts';
import { degradedMs, longestOutage, sourceAges } from './flag-set/health.ts';
import type { GuardedRoute } from './http/access.ts';
import { createApp } from './http/app.ts';
import type { ConsoleSource } from './http/console.ts';
import { listenOnAll, type ListenAddress, type Listeners } from './http/listeners.ts';
import type { GatherMetrics, Metrics, ObservedValues } from './metrics.ts';
import { createMetrics } from './metrics.ts';
import { createOidcProvider } from './oidc/provider.ts';
import { createPasswords } from './people/passwords.ts';
import { startRamps } from './ramps/controller.ts';
import type { Random } from './random.ts';
import { startGuard } from './recovery/guard.ts';
import { createOutageLog } from './replication/outage.ts';
import type { SnapshotFiles } from './replication/snapshot-files.ts';
import type { Services } from './services.ts';
import { shutdownTimes } from './shutdown-times.ts';
import { joinFleet } from './status/fleet.ts';
import type { ServerReport, Store } from './store/store.ts';
import { createBroadcasts } from './streaming/broadcast.ts';
import { createStreamRegistry, type StreamRegistry } from './streaming/stream-registry.ts';
import { VERSION } from './version.ts';

export type ServerOptions = {
  /** Must be open. The server closes it. */
  readonly store: Store;
  /** Whether other servers use the store too. By default it is part of this server. */
  readonly isStoreShared?: boolean | undefined;
  /** Served if the store is unavailable at startup. Undefined when the store is part of this server. */
  readonly snapshotFiles?: SnapshotFiles | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: FastifyBaseLogger;
  /** How many lines of the log this process could not write. */
  readonly countDroppedLines?: () => number;
  readonly limits: Limits;
  readonly signIn: SignInSettings;
  /** The path below which everything is served, such as `/flags`. By default the root. */
  readonly basePath?: string;
  /** Returns the console that is served at `/`. Without it there is none. */
  readonly console?: ConsoleSource;
  /** Collects the metrics of all processes, if the server is one of several on its port. */
  readonly gatherMetrics?: GatherMetrics | undefined;
  /** Becomes the admin key for all environments. Undefined keeps the existing one. */
  readonly adminKey: string | undefined;
  /** Whether this server may initialize the store. By default it may if the store is empty. */
  readonly emptyStore?: EmptyStorePolicy | undefined;
  /** Whether the log of events has the units themselves beside their hashes. */
  readonly keepsUnits?: boolean;
  /** Where results come from. */
  readonly momentsSource?: MomentsSource | undefined;
  /** Returns the admin key of a first start without `adminKey`. Must store it before returning. */
  readonly firstAdminKey: () => string;
};

export type Server = {
  /** Handles a request that arrived otherwise than on the port, for tests. */
  readonly handle: RequestListener;
  /** All routes with their access. */
  readonly routes: readonly GuardedRoute[];
  /** When the snapshot was saved that is served while the store is unavailable; otherwise undefined. */
  readonly snapshotAt: () => number | undefined;
  /** Whether a secret is that of a valid key. */
  readonly accepts: (secret: string) => boolean;
  /** Resolves to the URL of the server, with the first of its addresses. */
  listen(address: ListenAddress): Promise<string>;
  /**
   * Is no longer ready at once, but continues to serve for a grace period, 0 by default. Then waits for pending
   * requests and closes the store.
   */
  close(graceMs?: number): Promise<void>;
};

/** Creates a server: wires everything from the store to the routes. */
export const createServer = async (options: ServerOptions): Promise<Server> => {
  const { logger } = options;
  const metrics = createMetrics(options.gatherMetrics);
  const { services, closeServices } = await openServices(options, metrics);
  metrics.observe(observedValues(services, options));
  const stopPurge = startPurge({
    ...services,
    onError: error => logger.warn({ err: error }, 'a deleted environment is not purged yet'),
  });

  const stopSchedule = startSchedule(services, error =>
    logger.warn({ err: error }, 'an experiment is not ended yet'),
  );
  const stopReleases = startReleases(services, error =>
    logger.warn({ err: error }, 'slots of a layer are not released yet'),
  );
  const stopLooks = startLooks(services, error =>
    logger.warn({ err: error }, 'the results of an experiment are not computed'),
  );

  const stopRamps = startRamps(services, error =>
    logger.warn({ err: error }, 'a ramp is not watched now'),
  );

  let isDraining = false;
  let listeners: Listeners | undefined;
  const { http, routes } = await createApp({
    services,
    metrics,
    logger,
    isDraining: () => isDraining,
    console: options.console,
  });

  return {
    handle: (request, response) => void http.server.emit('request', request, response),
    routes,
    snapshotAt: () => longestOutage(services)?.snapshotAt,
    accepts: secret => accepts(services, secret),
    async listen(address) {
      listeners = await listenOnAll(http.server, address, (host, error) =>
        logger.warn({ reason: errorMessage(error) }, `not listening on ${host}`),
      );
      for (const url of listeners.urls) logger.info(`Server listening at ${url}`);
      return listeners.urls[0] ?? '';
    },
    async close(graceMs = 0) {
      isDraining = true;
      stopPurge();
      stopSchedule();
      stopLooks();
      stopRamps();
      stopReleases();
      await drain({ http, listeners }, services, graceMs);
      await closeServices();
    },
  };
};

/** Opens everything that the routes call. `closeServices` closes it after the last request. */
const openServices = async (options: ServerOptions, metrics: Metrics) => {
  const { logger, snapshotFiles } = options;
  const store = metrics.timed(options.store);
  const outages = createOutageLog(logger);
  const turns = createTurns(options.clock);
  const replicas = await openReplicas({
    ...options,
    store,
    turns,
    reportOutage: outages.report,
    onWarning: message => logger.warn(message),
  });
  const services = await createServices({ ...options, store, turns }, replicas, metrics);
  const stopGuard = startGuard({ ...services, recovery: store.recovery });
  const closeServices = async (): Promise<void> => {
    await services.usage.close();
    await services.analyst.close();
    await services.exposer.close();
    await services.events.close();
    outages.close();
    stopGuard();
    replicas.close();
    await snapshotFiles?.flush();
    await store.close();
  };
  return { services, closeServices };
};

/** How long connections without a request, which are closed at the end, may still send one. */
const LAST_REQUESTS_MS = 500;

/** Ends all streams during the grace period, waits for pending requests, and leaves the fleet. */
const drain = async (
  { http, listeners }: { http: FastifyInstance; listeners: Listeners | undefined },
  { streams, fleet, clock }: Services,
  graceMs: number,
): Promise<void> => {
  const { requestsMs } = shutdownTimes(graceMs);
  const cancel = clock.after(requestsMs, () => http.server.closeAllConnections());
  streams.drain(graceMs);
  if (graceMs > 0) await new Promise<void>(resolve => clock.after(graceMs, resolve));
  await listeners?.stop();
  if (graceMs > 0)
    await Promise.race([
      listeners?.closed,
      new Promise<void>(resolve => clock.after(LAST_REQUESTS_MS, resolve)),
    ]);
  await http.close();
  await listeners?.closed;
  cancel();
  await fleet.close();
};

const createServices = async (
  options: ServerOptions & Pick<Services, 'turns'>,
  replicas: Replicas,
  metrics: Metrics,
): Promise<Services> => {
  const { store, clock, random, limits, basePath = '' } = options;
  const { control, registry } = replicas;
  const streams = createStreamRegistry(control, clock, limits);
  const fleet = await joinFleet({ store, clock, report: createReport(options, replicas, streams) });
  const events = createEvents({
    events: store.events,
    registry,
    control,
    clock,
    random,
    keepsUnits: options.keepsUnits ?? false,
    onError: (error, message) => options.logger.warn({ err: error }, message),
  });
  const audienceOf = createAudiences(limits.showsRuleIdsToClients);
  const exposer = createExposer({ audienceOf, clock, random, events }, error =>
    options.logger.warn({ err: error }, 'exposures of evaluations are lost'),
  );
  return {
    store,
    control,
    registry,
    authenticate: createAuthenticate(control, clock),
    authenticateSession: createAuthenticateSession(control, clock),
    signIn: options.signIn,
    passwords: createPasswords(clock),
    oidc: options.signIn.oidc && createOidcProvider(options.signIn.oidc, clock),
    tickets: createTickets(control, clock),
    countRequest: createRateLimit(limits.requestsPerSecond, fleet.size, clock),
    streams,
    fleet,
    broadcastOf: createBroadcasts(clock),
    cache: createBulkEvaluationCache(limits, clock),
    audienceOf,
    limitPreviews: createPreviewLimit(),
    turns: options.turns,
    counterOf: metrics.counterOf,
    usage: createUsage({ ...options, store: store.usage, registry }),
    events,
    exposer,
    expose: exposer.expose,
    lastEvaluated: createLastEvaluated(store.usage, clock),
    momentsSource: options.momentsSource ?? events,
    analyst: createAnalyst(),
    pointCache: createPointCache(),
    clock,
    random,
    limits,
    basePath,
  };
};

const accepts = ({ authenticate }: Services, secret: string): boolean => {
  try {
    authenticate({ apiKey: secret, visitor: '' });
    return true;
  } catch (error) {
    if (error instanceof PennonError) return false;
    throw error;
  }
};

const SERVER_ID_LENGTH = 12;

/** Returns how to report the state of this server to the others. Its id lasts as long as the process. */
const createReport = (
  { clock, random }: ServerOptions,
  replicas: Replicas,
  streams: StreamRegistry,
): (() => ServerReport) => {
  const id = random(SERVER_ID_LENGTH);
  const startedAt = formatInstant(clock.now());
  return () => ({
    id,
    version: VERSION,
    startedAt,
    revisions: Object.fromEntries(revisionsOf(replicas)),
    streams: streams.count(),
    degradedSeconds: Math.round(degradedMs(replicas, clock) / 1_000),
  });
};

const revisionsOf = ({ registry }: Pick<Replicas, 'registry'>) =>
  registry.all().map(live => [live.environment, live.view().flagSet.revision] as const);

const observedValues = (
  services: Services,
  { countDroppedLines = () => 0 }: ServerOptions,
): ObservedValues => ({
  streams: services.streams.count,
  cachedEvaluations: services.cache.size,
  flags: () =>
    new Map(
      services.registry.all().map(live => [live.environment, live.view().flagSet.flags] as const),
    ),
  revisions: () => revisionsOf(services),
  degradedMs: () => degradedMs(services, services.clock),
  sourceAgeMs: () => sourceAges(services).oldestMs,
  droppedLogLines: countDroppedLines,
  foreignEntries: () => services.store.foreignEntries?.() ?? 0,
  events: () => services.events.counts(),
});
