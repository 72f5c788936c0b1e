import { execFile, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { promisify } from 'node:util';

import { z } from 'zod';

const execute = promisify(execFile);

const exists = (program: string): boolean =>
  spawnSync(program, ['--version'], { stdio: 'ignore' }).error === undefined;

/** Servers run on the first core and the load on the second, if the machine can assign cores. */
const canPin = availableParallelism() > 1 && exists('taskset');
const hasWrk = exists('wrk');

const pinned = (core: number, command: readonly string[]): readonly string[] =>
  canPin ? ['taskset', '-c', String(core), ...command] : command;

/** What a reader must know about the load. */
export const loadNote = (): string =>
  `Load from ${hasWrk ? 'wrk' : 'a Node process, because wrk is not installed: it is slower than some servers'}, ` +
  `${CONNECTIONS} connections; ${canPin ? 'server on core 0, load on core 1' : 'cores are shared'}.`;

export type ServerProcess = {
  readonly url: string;
  /** Seconds of CPU time since the start. */
  readonly cpuSeconds: () => number;
  readonly stop: () => Promise<void>;
};

/** Starts a server, and resolves once it prints "listens on <url>". */
export const startServer = async (
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<ServerProcess> => {
  const [command = '', ...rest] = pinned(0, [process.execPath, ...args]);
  const child = spawn(command, rest, {
    env: { PATH: process.env['PATH'] ?? '', NODE_ENV: 'production', PENNON_CONSOLE: 'off', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const url = await urlOf(child);
  return {
    url,
    cpuSeconds: () => cpuSecondsOf(child.pid ?? 0),
    async stop() {
      child.kill('SIGKILL');
      await once(child, 'close');
    },
  };
};

const urlOf = (child: ChildProcess): Promise<string> =>
  new Promise((resolve, reject) => {
    let output = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      const url = /listens on (http:\/\/\S+)/.exec(output)?.[1];
      if (url !== undefined) resolve(url);
    });
    child.once('close', () => reject(new Error(`a server of the benchmark ended: ${output}`)));
  });

/** Clock ticks per second of Linux. */
const TICKS = 100;

/** User and system time of a process. The name in parentheses may contain spaces. */
const cpuSecondsOf = (pid: number): number => {
  const [, fields = ''] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(/\) /);
  const [, , , , , , , , , , , user = '0', system = '0'] = fields.split(' ');
  return (Number(user) + Number(system)) / TICKS;
};

const Measured = z.strictObject({
  requests: z.number().positive(),
  seconds: z.number(),
  p50: z.number(),
  p99: z.number(),
  errors: z.literal(0),
});

/** The result of one round. Durations are in milliseconds. */
export type Round = {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  /** CPU time of the server per request, in microseconds. */
  readonly cpuMicros: number;
};

export type Load = {
  readonly path: string;
  /** A file with one request body per line. */
  readonly bodies: string;
  readonly seconds: number;
  readonly key?: string | undefined;
};

const CONNECTIONS = 32;
const WRK_SCRIPT = new URL('wrk.lua', import.meta.url).pathname;
const NODE_LOAD = new URL('load.ts', import.meta.url).pathname;

const commandOf = (url: string, { path, bodies, seconds, key }: Load): readonly string[] => {
  const secret = key === undefined ? [] : [key];
  const options = ['-t1', `-c${CONNECTIONS}`, `-d${seconds}`, '-s', WRK_SCRIPT, url, '--'];
  return hasWrk
    ? ['wrk', ...options, path, bodies, ...secret]
    : [process.execPath, NODE_LOAD, url, path, bodies, `${seconds}`, `${CONNECTIONS}`, ...secret];
};

/** Sends requests for some seconds. Throws if a request fails, because errors are fast. */
export const measure = async (server: ServerProcess, load: Load): Promise<Round> => {
  const before = server.cpuSeconds();
  const [command = '', ...args] = pinned(1, commandOf(server.url, load));
  const { stdout } = await execute(command, args);
  const cpu = server.cpuSeconds() - before;
  const line = stdout.trim().split('\n').at(-1) ?? '';
  const { requests, seconds, p50, p99 } = Measured.parse(JSON.parse(line));
  return { perSecond: requests / seconds, p50, p99, cpuMicros: (cpu * 1e6) / requests };
};
