import { statSync } from 'node:fs';
import cluster from 'node:cluster';
import { createHash } from 'node:crypto';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

import { pino } from 'pino';

import { formatInstant, systemClock } from './clock.ts';
import type { Config } from './config.ts';
import { ConfigError, readConfig } from './config.ts';
import { openStartupServer } from './http/startup-server.ts';
import { secureRandom } from './random.ts';
import { openSnapshotFiles, type SnapshotFiles } from './replication/snapshot-files.ts';
import type { Server, ServerOptions } from './server.ts';
import { createServer } from './server.ts';
import type { AdminKeyFile } from './bootstrap/admin-key.ts';
import { adminKeyFile } from './bootstrap/admin-key.ts';
import { metricsOfAll, ANNOUNCER_VARIABLE, startWorkers } from './bootstrap/workers.ts';
import { openRedisStore } from './store/redis/index.ts';
import { describeAddress } from './store/redis/url.ts';
import { databaseExists, openSqliteStore } from './store/sqlite/index.ts';
import { isTransient, StoreError, type Store } from './store/store.ts';

/** The only file that touches `process`: reads the settings, listens, and drains on a signal. */
const EXIT_DEADLINE_MS = 9_500;
/** How often a server without data looks for its store. */
const WAIT_MS = 500;

/** Of several workers one isAnnouncer, once. */
const isAnnouncer = (process.env[ANNOUNCER_VARIABLE] ?? '1') === '1';
const say = (line: string) => {
  if (isAnnouncer) process.stdout.write(`${line}\n`);
};

const main = async (): Promise<void> => {
  const config = readConfig(process.env);
  if (config.workers > 1 && cluster.isPrimary) await runWorkers(config);
  else await serve(config);
};

const runWorkers = async (config: Config): Promise<void> => {
  const complain = (message: string) => process.stderr.write(`${message}\n`);
  const workers = startWorkers({
    count: config.workers,
    port: config.port === 0 ? await freePort(config) : config.port,
    clock: systemClock,
    onTrouble: complain,
    // The worker has said why.
    onHopeless: () => void workers.close().finally(() => process.exit(1)),
  });
  drainOn(workers.close);
};

/** A port that nobody listens on at this moment. */
const freePort = async ({ host }: Config): Promise<number> => {
  const room = await openStartupServer({ host, port: 0 });
  await room.close();
  return room.port;
};

const serve = async (config: Config): Promise<void> => {
  const logger = pino({ level: config.logLevel }, pino.destination(2));
  const directory = resolve(config.dataDirectory);
  const keyFile = adminKeyFile(directory, secureRandom);
  const warn = (message: string) => logger.warn(message);
  const given: ServerOptions = {
    store: await openStore(config, directory, keyFile, warn),
    snapshotFiles: copiesOf(config, directory, warn),
    clock: systemClock,
    random: secureRandom,
    logger,
    limits: config.limits,
    gatherMetrics: config.workers > 1 ? metricsOfAll : undefined,
    adminKey: config.adminKey,
    firstAdminKey: config.redis === undefined ? keyFile.readOrMake : refuseKeylessStart,
  };
  const { server, port } = await createSoon(given, config);
  if (config.adminKey !== undefined && config.redis === undefined) keyFile.remove();
  const url = await server.listen({ host: config.host, port }).catch((error: unknown) => {
    throw explainListen(error, config);
  });
  drainOn(() => server.close());
  sayHello(url, config, keyFile, server);
};

/** The server as soon as it has data. Until then its port says that it is not ready. */
const createSoon = async (
  given: ServerOptions,
  config: Config,
): Promise<{ server: Server; port: number }> => {
  try {
    return { server: await createServer(given), port: config.port };
  } catch (error) {
    if (!isTransient(error) || config.redis === undefined) throw error;
    return waitForData(given, config, error);
  }
};

const waitForData = async (given: ServerOptions, config: Config, reason: unknown) => {
  const room = await openStartupServer(config).catch((error: unknown) => {
    throw explainListen(error, config);
  });
  const stopDraining = drainOn(() => room.close());
  say(`Pennon waits for its data, on port ${room.port}: ${messageOf(reason)}`);
  for (;;) {
    await wait(WAIT_MS);
    const server = await createServer(given).catch((error: unknown) => {
      if (!isTransient(error)) throw error;
    });
    if (server === undefined) continue;
    await room.close();
    stopDraining();
    return { server, port: room.port };
  }
};

const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);

/** SnapshotFiles belong to one Redis: another one that this directory is used with has other data. */
const copiesOf = (
  { redis }: Config,
  directory: string,
  onWarning: (message: string) => void,
): SnapshotFiles | undefined => {
  if (redis === undefined) return undefined;
  const place = `${describeAddress(redis.address)} ${redis.prefix}`;
  const name = createHash('sha256').update(place).digest('hex').slice(0, 16);
  return openSnapshotFiles({
    directory: join(directory, `copies-${name}`),
    clock: systemClock,
    random: secureRandom,
    onWarning,
  });
};

const openStore = (
  config: Config,
  directory: string,
  keyFile: AdminKeyFile,
  onWarning: (message: string) => void,
): Promise<Store> => {
  if (config.redis !== undefined)
    return openRedisStore({ ...config.redis, random: secureRandom, clock: systemClock, onWarning });
  requireDirectory(directory);
  refuseLostData(directory, keyFile);
  return openSqliteStore({ directory, random: secureRandom });
};

/** A key that one server makes would be in its own file, where the others do not find it. */
const refuseKeylessStart = (): never => {
  throw new ConfigError(
    'Redis is empty, and a first start there takes an admin key that all its servers share: ' +
      'set PENNON_ADMIN_KEY, of 24 characters or more',
  );
};

/** The data directory, or what is there of the way to it. */
const requireDirectory = (path: string): void => {
  const there = statSync(path, { throwIfNoEntry: false });
  if (there === undefined) return requireDirectory(dirname(path));
  if (there.isDirectory()) return;
  throw new ConfigError(`PENNON_DATA: ${path} is no directory; name one, or a place to make one`);
};

/** A key without a database is what is left of data that was lost: never begin anew beside it. */
const refuseLostData = (directory: string, keyFile: AdminKeyFile): void => {
  if (!keyFile.exists() || databaseExists(directory)) return;
  throw new StoreError(
    'corrupt',
    `${directory} holds an admin key but no database: restore pennon.db from a backup, or remove ${keyFile.path} to begin with empty data`,
  );
};

const sayHello = (url: string, config: Config, keyFile: AdminKeyFile, server: Server): void => {
  const snapshotAt = server.snapshotAt();
  if (snapshotAt !== undefined)
    say(
      `The store is away: a copy of the data of ${formatInstant(snapshotAt)} is served, and nothing can be changed.`,
    );
  say(`Pennon listens on ${url} (data in ${placeOf(config)}; API at ${url}/docs)`);
  const key = keySource(config, keyFile, server);
  say(`Try: curl -s -H "Authorization: Bearer ${key}" ${url}/api/v1/environments`);
};

const placeOf = ({ redis, dataDirectory }: Config): string =>
  redis === undefined ? resolve(dataDirectory) : describeAddress(redis.address);

/** Where a shell finds the admin key: never the key itself. */
const keySource = (config: Config, keyFile: AdminKeyFile, server: Server): string => {
  if (config.adminKey !== undefined) return '$PENNON_ADMIN_KEY';
  const kept = config.redis === undefined ? keyFile.read() : undefined;
  if (kept !== undefined && server.accepts(kept)) {
    say(`The admin key is in ${keyFile.path}`);
    return `$(cat '${keyFile.path.replaceAll("'", `'\\''`)}')`;
  }
  say(
    'The admin key is one that was set before. If nobody knows it, start with a new one in PENNON_ADMIN_KEY.',
  );
  return '$PENNON_ADMIN_KEY';
};

/** Closes on a signal and ends the process. Answers how to leave signals to somebody else. */
const drainOn = (close: () => Promise<void>): (() => void) => {
  let draining = false;
  const drain = () => {
    if (draining) return;
    draining = true;
    setTimeout(() => process.exit(0), EXIT_DEADLINE_MS).unref();
    close().then(
      () => process.exit(0),
      (error: unknown) => fail(error),
    );
  };
  process.on('SIGTERM', drain);
  process.on('SIGINT', drain);
  return () => {
    process.off('SIGTERM', drain);
    process.off('SIGINT', drain);
  };
};

const LISTEN_TROUBLE: Readonly<Record<string, string>> = {
  EADDRINUSE: 'is taken by another program: stop it, or set PORT to another port',
  EACCES: 'is not allowed for this user: set PORT to one above 1023',
  EADDRNOTAVAIL: 'is no address of this machine: set HOST to one that is, such as 127.0.0.1',
  ENOTFOUND: 'is no address that can be found: set HOST to one that is, such as 127.0.0.1',
};

const explainListen = (error: unknown, { host, port }: Config): unknown => {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const trouble = LISTEN_TROUBLE[code];
  return trouble === undefined
    ? error
    : new ConfigError(`port ${port} on ${host} ${trouble}`, { cause: error });
};

/** Says why the server cannot go on. What a person can mend is one line; anything else brings its stack. */
const fail = (error: unknown): never => {
  const known = error instanceof ConfigError || error instanceof StoreError;
  const text = !known && error instanceof Error && error.stack ? error.stack : messageOf(error);
  process.stderr.write(`Pennon cannot run: ${text}\n`);
  process.exit(1);
};

main().catch(fail);
