import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { startRedis, type RedisProcess } from '../redis/processes.ts';
import { ADMIN_KEY, newDirectory } from '../redis/servers.ts';
import { MAIN, startProcess, type ServerProcess } from '../support/process.ts';

const PRELOADED = new URL('clock.ts', import.meta.url).pathname;

export type StoreName = 'SQLite' | 'Redis';

/** Servers of one store, which may be killed at any time, and a time of day that is set. */
export type ProofServers = {
  readonly count: number;
  /** The address of a server. It changes when the server is killed. */
  readonly url: (index: number) => string;
  readonly setTime: (ms: number) => void;
  /** Ends a server with SIGKILL, and starts it again. */
  readonly killServer: (index: number) => Promise<void>;
  /** Ends Redis with SIGKILL, and starts it again with what it has on disk. */
  readonly killRedis: () => Promise<void>;
  readonly [Symbol.asyncDispose]: () => Promise<void>;
};

/** The recommended durability of Redis, and the strictest one. */
export type Fsync = 'everysec' | 'always';

type Options = {
  readonly store: StoreName;
  /** Of Redis. With the embedded store there is one. */
  readonly servers?: number;
  readonly fsync?: Fsync;
  readonly env?: Readonly<Record<string, string>>;
  readonly startMs: number;
};

export const startServers = async ({
  store,
  servers: wanted = 1,
  fsync = 'everysec',
  env = {},
  startMs,
}: Options): Promise<ProofServers> => {
  const redis: RedisProcess | undefined =
    store === 'Redis' ? await startRedis({ appendonly: 'yes', appendfsync: fsync }) : undefined;
  const count = redis === undefined ? 1 : wanted;
  const clockFile = join(newDirectory(), 'now');
  const setTime = (ms: number): void => {
    // Servers never read half of it.
    writeFileSync(`${clockFile}.new`, String(ms));
    renameSync(`${clockFile}.new`, clockFile);
  };
  setTime(startMs);
  const start = (directory: string): Promise<ServerProcess> =>
    startProcess({
      command: ['--import', PRELOADED, MAIN],
      env: {
        PENNON_ADMIN_KEY: ADMIN_KEY,
        PENNON_DATA: directory,
        PROOF_CLOCK: clockFile,
        PENNON_RATE_LIMIT: '0',
        LOG_LEVEL: 'fatal',
        ...(redis && { REDIS_URL: redis.url, PENNON_INIT: 'empty' }),
        ...env,
      },
    });
  const directories = Array.from({ length: count }, newDirectory);
  const running: ServerProcess[] = [];
  for (const directory of directories) running.push(await start(directory));
  return {
    count,
    url: index => running[index]?.url ?? '',
    setTime,
    async killServer(index) {
      const [killed, directory] = [running[index], directories[index]];
      if (killed === undefined || directory === undefined) return;
      await killed.stop('SIGKILL');
      running[index] = await start(directory);
    },
    async killRedis() {
      await redis?.kill();
      await redis?.start();
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(running.map(each => each.stop('SIGKILL')));
      await redis?.remove();
    },
  };
};
