import cluster from 'node:cluster';
import { lookup } from 'node:dns/promises';
import { setTimeout as sleep } from 'node:timers/promises';

import { generatedAdminKeyFor, type GeneratedAdminKey } from './bootstrap/admin-key.ts';
import { NEVER_LOST, waitForMark } from './bootstrap/empty-store.ts';
import { watchLaunchers } from './bootstrap/launchers.ts';
import {
  ANNOUNCER_VARIABLE,
  CONSOLE_VARIABLE,
  gatherWorkerMetrics,
  onPrimaryEnd,
  startWorkers,
} from './bootstrap/workers.ts';
import { formatInstant, systemClock } from './clock.ts';
import { ConfigError, readConfig, type Config } from './config.ts';
import { buildConsole, locateConsole, type ConsoleLocation } from './console/build.ts';
import { openConsole } from './console/files.ts';
import { errorMessage } from './error-message.ts';
import { problemOf } from './flag-set/health.ts';
import type { ListenAddress } from './http/listeners.ts';
import { openStartupServer } from './http/startup-server.ts';
import {
  capturePlainOutput,
  countDroppedLines,
  createLogger,
  keepServingWithout,
  logFatal,
} from './logging.ts';
import { secureRandom } from './random.ts';
import { openSnapshotFiles } from './replication/snapshot-files.ts';
import { createServer, type Server, type ServerOptions } from './server.ts';
import { shutdownTimes } from './shutdown-times.ts';
import { isTransient, storeErrorCode, StoreError } from './store/store.ts';

/** The only file that uses `process`: reads the settings, starts the server and stops it on a signal. */
/** A repeated signal within this time is a copy: shells and package managers pass signals on. */
const SIGNAL_COPIES_MS = 500;
/** How often a server that waits for its store tries again. */
const RETRY_MS = 500;

const logger = createLogger();

/** Only one of several workers prints the start-up lines. */
const isAnnouncer = (process.env[ANNOUNCER_VARIABLE] ?? '1') === '1';
const print = (line: string) => {
  if (isAnnouncer) process.stdout.write(`${line}\n`);
};

const main = async (): Promise<void> => {
  requireNoArguments();
  const config = readConfig(process.env);
  logger.level = config.logLevel;
  if (config.workers > 1 && cluster.isPrimary) await runWorkers(config);
  else await serve(await resolveHost(config));
};

/** The settings, with all addresses of the host in place of its name. */
type ResolvedConfig = Config & ListenAddress;

const resolveHost = async (config: Config): Promise<ResolvedConfig> => {
  const found = await lookup(config.host, { all: true }).catch((error: unknown) => {
    throw explainListenError(error, config);
  });
  const [host = config.host, ...otherHosts] = new Set(found.map(({ address }) => address));
  return { ...config, host, otherHosts };
};

/** The command `pennon start`, which imports this file, has flags; this file itself has none. */
const requireNoArguments = (): void => {
  if (!import.meta.main || process.argv.length <= 2) return;
  throw new ConfigError(
    'server/src/main.ts has no arguments: use "npx -y pnpm start" or server/src/cli.ts start, which have a flag for each setting',
  );
};

const reportConsole = (problem: string, reason: string): void => logger.warn({ reason }, problem);

/** Returns the location of the console. In a worker, the primary process has chosen and builds it. */
const consoleLocation = ({ hasConsole }: Config): ConsoleLocation | undefined => {
  if (!hasConsole) return undefined;
  const folder = process.env[CONSOLE_VARIABLE];
  if (cluster.isPrimary) return locateConsole(reportConsole);
  return folder ? { folder, remove: () => {} } : undefined;
};

/** Builds the console while the server runs. The build ends with this process. */
const startBuild = (location: ConsoleLocation | undefined): void => {
  if (location === undefined) return;
  const stop = buildConsole({
    ...location,
    node: process.execPath,
    report: reportConsole,
  });
  process.once('exit', () => {
    stop();
    location.remove();
  });
};

const runWorkers = async (config: Config): Promise<void> => {
  const console = consoleLocation(config);
  const workers = startWorkers({
    count: config.workers,
    port: config.port === 0 ? await freePort(config) : config.port,
    clock: systemClock,
    exitTimeoutMs: shutdownTimes(config.shutdownGraceMs).workerMs,
    onWarning: message => logger.warn(message),
    // The worker has logged the reason.
    onStartFailed: () => void workers.close(0).finally(() => process.exit(1)),
    consoleFolder: console?.folder,
  });
  startBuild(console);
  stopOnSignal(workers.close, config.shutdownGraceMs);
};

/** Returns a port that is currently free. */
const freePort = async (config: Config): Promise<number> => {
  const server = await openStartupServer({ ...(await resolveHost(config)), port: 0 });
  await server.close();
  return server.port;
};

const serve = async (config: ResolvedConfig): Promise<void> => {
  const generatedKey = generatedAdminKeyFor(config.store, secureRandom);
  const console = consoleLocation(config);
  const options = {
    ...(await serverOptions(config, generatedKey)),
    console: console && openConsole(console.folder),
  };
  const { server, port } = await createWhenAvailable(options, config);
  if (config.adminKey !== undefined) generatedKey.remove();
  if (config.signIn.allowsInsecureCookies) logger.warn(INSECURE_COOKIES);
  const url = await server.listen({ ...config, port }).catch((error: unknown) => {
    throw explainListenError(error, config);
  });
  stopOnSignal(graceMs => server.close(graceMs), config.shutdownGraceMs);
  const started = { ...config, hasConsole: console !== undefined };
  printStartUp(url + config.basePath, started, generatedKey, server);
  startBuild(console);
};

const INSECURE_COOKIES =
  'PENNON_INSECURE_COOKIES=1: anyone on the network between can take over the session of a browser. Serve HTTPS, and remove it';

const serverOptions = async (
  { store, limits, signIn, workers, adminKey, basePath, beginsEmpty, keepsUnits }: Config,
  generatedKey: GeneratedAdminKey,
): Promise<ServerOptions> => {
  const deps = {
    clock: systemClock,
    random: secureRandom,
    onWarning: (message: string) => logger.warn(message),
  };
  const { snapshotDirectory: directory } = store;
  return {
    ...deps,
    logger,
    countDroppedLines,
    limits,
    signIn,
    basePath,
    keepsUnits,
    adminKey,
    store: await store.open(deps),
    isStoreShared: store.isShared,
    snapshotFiles: directory === undefined ? undefined : openSnapshotFiles({ ...deps, directory }),
    gatherMetrics: workers > 1 ? gatherWorkerMetrics : undefined,
    emptyStore: store.isShared ? waitForMark(systemClock, beginsEmpty) : NEVER_LOST,
    firstAdminKey: generatedKey.readOrCreate,
  };
};

/** Creates the server. If its shared store is unavailable, responds as not ready until it is available. */
const createWhenAvailable = async (
  options: ServerOptions,
  config: ResolvedConfig,
): Promise<{ server: Server; port: number }> => {
  try {
    return { server: await createServer(options), port: config.port };
  } catch (error) {
    if (!isTransient(error) || !config.store.isShared) throw error;
    return waitForStore(options, config, error);
  }
};

const waitForStore = async (options: ServerOptions, config: ResolvedConfig, reason: unknown) => {
  let current = reason;
  const problem = () => problemOf(storeErrorCode(current));
  const startupServer = await openStartupServer(config, problem).catch((error: unknown) => {
    throw explainListenError(error, config);
  });
  const { port } = startupServer;
  const ignoreSignals = stopOnSignal(startupServer.close, 0);
  logger.warn({ reason: errorMessage(reason) }, 'store unavailable; waiting for it');
  print(`Pennon waits for its store, on port ${port}: ${errorMessage(reason)}`);
  for (;;) {
    await sleep(RETRY_MS);
    const server = await createServer(options).catch((error: unknown) => {
      if (!isTransient(error)) throw error;
      if (errorMessage(error) !== errorMessage(current))
        logger.warn({ reason: errorMessage(error) }, 'store unavailable; waiting for it');
      current = error;
    });
    if (server === undefined) continue;
    logger.info('store available');
    await startupServer.close();
    ignoreSignals();
    return { server, port };
  }
};

const printStartUp = (
  url: string,
  config: Config,
  generatedKey: GeneratedAdminKey,
  server: Server,
): void => {
  const snapshotAt = server.snapshotAt();
  if (snapshotAt !== undefined)
    print(
      `The store is unavailable: serving a snapshot saved at ${formatInstant(snapshotAt)}; nothing can be changed.`,
    );
  print(`Pennon listens on ${url} (data in ${config.store.description}; API at ${url}/docs)`);
  if (config.hasConsole) print(`The console is at ${url}/`);
  const key = findAdminKey(config, generatedKey, server);
  print(`Try: curl -s -H "Authorization: Bearer ${key}" ${url}/api/v1/environments`);
};

/** Returns the admin key as a word of a shell command, and prints its location. */
const findAdminKey = (
  { adminKey }: Config,
  generatedKey: GeneratedAdminKey,
  server: Server,
): string => {
  if (adminKey !== undefined) return '$PENNON_ADMIN_KEY';
  const generated = generatedKey.read();
  if (generated !== undefined && server.accepts(generated)) {
    print(generatedKey.notice());
    return generatedKey.shellWord();
  }
  print('The admin key was set earlier. If it is lost, start with a new one in PENNON_ADMIN_KEY.');
  return '$PENNON_ADMIN_KEY';
};

/** Closes and exits on SIGTERM or SIGINT. Returns a function that removes the handlers. */
const stopOnSignal = (
  close: (graceMs: number) => Promise<void>,
  settingMs: number,
): (() => void) => {
  let stoppingSince: number | undefined;
  const stop = (signal: NodeJS.Signals) => {
    if (stoppingSince !== undefined) return exitIfRepeated(stoppingSince);
    stoppingSince = systemClock.monotonic();
    const graceMs = needsGrace(signal) ? settingMs : 0;
    setTimeout(() => process.exit(0), shutdownTimes(graceMs).exitMs).unref();
    close(graceMs).then(
      () => process.exit(0),
      (error: unknown) => exitWithError(error),
    );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  return () => {
    process.off('SIGTERM', stop);
    process.off('SIGINT', stop);
  };
};

/** True once the process that started this one has ended, so that nothing waits for a drained server. */
let isAbandoned = false;

/** Whether clients and load balancers need time. Not if a developer presses Ctrl-C or saves a file. */
const needsGrace = (signal: NodeJS.Signals): boolean =>
  !isAbandoned && !isWatched && !(signal === 'SIGINT' && process.stderr.isTTY);

/** A second signal ends the process at once. A worker receives those of its terminal and of the primary process. */
const exitIfRepeated = (stoppingSince: number): void => {
  const isCopy = systemClock.monotonic() - stoppingSince < SIGNAL_COPIES_MS;
  if (!isCopy && !isAbandoned && cluster.isPrimary) process.exit(0);
};

const LISTEN_ERRORS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'is in use by another program: stop it, or set PORT to another port',
  EACCES: 'is not permitted for this user: set PORT to a port above 1023',
  EADDRNOTAVAIL: 'is not an address of this machine: set HOST to one that is, such as 127.0.0.1',
  EINVAL: 'is not an address to listen on: set HOST to one that is, such as 127.0.0.1',
  EAFNOSUPPORT: 'has an address family that this machine lacks: set HOST to 127.0.0.1, or another',
  EAI_AGAIN: 'cannot be resolved: set HOST to an address of this machine, such as 127.0.0.1',
  ENOTFOUND: 'cannot be resolved: set HOST to an address of this machine, such as 127.0.0.1',
};

const explainListenError = (error: unknown, { host, port }: Config): unknown => {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const explanation = LISTEN_ERRORS[code];
  return explanation === undefined
    ? error
    : new ConfigError(`port ${port} on ${host} ${explanation}`, { cause: error });
};

/** Logs why the server cannot run: one line if an operator can fix it, otherwise with the stack. */
const exitWithError = (error: unknown): never => {
  const isExpected = error instanceof ConfigError || error instanceof StoreError;
  const message = `Pennon cannot run: ${errorMessage(error)}`;
  logFatal(logger, message, isExpected ? undefined : error);
  process.exit(1);
};

/** Whether Node's file watcher has started this process. It ends only if it receives a signal itself. */
const isWatched = process.env['WATCH_REPORT_DEPENDENCIES'] !== undefined;

const stopProcess = (launcher: number): void => {
  logger.info({ launcher }, 'the process that started Pennon has ended; stopping');
  abandon();
};

/** The primary process logs why it stops its workers at once, but not that it was killed. */
const stopWorker = (): void => {
  logger.info('the primary process has ended or stops at once; stopping');
  abandon();
};

const abandon = (): void => {
  isAbandoned = true;
  process.kill(isWatched ? process.ppid : process.pid, 'SIGTERM');
};

keepServingWithout(process.stdout);
capturePlainOutput(logger, exitWithError);
if (cluster.isPrimary) watchLaunchers({ env: process.env, onEnd: stopProcess });
else onPrimaryEnd(stopWorker);
main().catch(exitWithError);
