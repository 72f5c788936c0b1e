import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';

export type ServerProcess = {
  readonly url: string;
  readonly child: ChildProcess;
  /** Standard output and standard error. */
  readonly output: () => string;
  /** Standard error, which has only the log. */
  readonly log: () => string;
  /** Sends a signal. Resolves to the exit code, or the name of the signal that ended the process. */
  stop(signal?: NodeJS.Signals): Promise<number | string | null>;
};

export const MAIN = new URL('../../src/main.ts', import.meta.url).pathname;
export const CLI = new URL('../../src/cli.ts', import.meta.url).pathname;

type StartOptions = {
  readonly env: Readonly<Record<string, string>>;
  /** A command that runs the server, for example `bash -c 'ulimit -f 100; exec "$@"' --`. */
  readonly under?: readonly string[];
  readonly cwd?: string;
  /** The file that starts the server, and its arguments. */
  readonly command?: readonly string[];
};

/**
 * Where Node.js keeps compiled modules, if the tests run with such a directory: a server starts in
 * half the time with it.
 */
export const compileCache: Readonly<Record<string, string>> =
  process.env['NODE_COMPILE_CACHE'] === undefined
    ? {}
    : { NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] };

const NOBODY = 65_534;
const READS_ALL = '+dac_read_search';

/**
 * A command that runs the server as a user other than root, because root may write anywhere. The user may
 * read every file, because the checkout may belong to root. Empty if the tests do not run as root.
 */
export const withoutRoot: readonly string[] =
  process.getuid?.() === 0
    ? [
        'setpriv',
        `--reuid=${NOBODY}`,
        `--regid=${NOBODY}`,
        '--clear-groups',
        `--inh-caps=${READS_ALL}`,
        `--ambient-caps=${READS_ALL}`,
      ]
    : [];

const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** Kills the process with the test process, even if a test file is interrupted. */
export const endWithTests = (child: ChildProcess): void => {
  running.add(child);
  child.once('exit', () => running.delete(child));
};

const start = ({ env, under = [], cwd, command = [MAIN] }: StartOptions) => {
  const [program = '', ...args] = [...under, process.execPath, ...command];
  const child = spawn(program, args, {
    env: {
      ...compileCache,
      PATH: process.env['PATH'] ?? '',
      HOST: '127.0.0.1',
      PORT: '0',
      PENNON_SHUTDOWN_GRACE: '0',
      // Otherwise each server would build it.
      PENNON_CONSOLE: 'off',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(cwd === undefined ? {} : { cwd }),
  });
  endWithTests(child);
  let output = '';
  let log = '';
  const { promise: ready, resolve } = Promise.withResolvers<string>();
  const collect = (chunk: Buffer) => {
    output += chunk.toString();
    const url = /listens on (http:\/\/\S+)/.exec(output)?.[1];
    if (url !== undefined && output.includes('Try: ')) resolve(url);
  };
  child.stdout?.on('data', collect);
  child.stderr?.on('data', collect);
  child.stderr?.on('data', (chunk: Buffer) => (log += chunk.toString()));
  return { child, ready, output: () => output, log: () => log, exited: once(child, 'close') };
};

/** Starts the server in its own process. Resolves once it has printed its URL. */
export const startProcess = async (options: StartOptions): Promise<ServerProcess> => {
  const { child, ready, output, log, exited } = start(options);
  const url = await Promise.race([
    ready,
    exited.then(() => {
      throw new Error(`the server did not start: ${output()}`);
    }),
  ]);
  return {
    url,
    child,
    output,
    log,
    async stop(signal = 'SIGTERM') {
      child.kill(signal);
      const [code, endedBy] = await exited;
      return code ?? endedBy;
    },
  };
};

/** Starts a server that must fail to start. Resolves to its exit code and output. */
export const startAndFail = async (
  options: StartOptions,
): Promise<{ code: number | null; output: string; log: string }> => {
  const { exited, output, log } = start(options);
  const [code] = await exited;
  return { code, output: output(), log: log() };
};

/** One line of the log. */
export type LogLine = Readonly<Record<string, unknown>> & { readonly msg: string };

/** Parses a log. Throws if a line is not JSON. */
export const parseLog = (log: string): LogLine[] =>
  log
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line));
