import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';

export type ServerProcess = {
  readonly url: string;
  readonly child: ChildProcess;
  readonly output: () => string;
  /** Sends a signal and resolves to the exit code, or the name of the signal that ended it. */
  stop(signal?: NodeJS.Signals): Promise<number | string | null>;
};

const MAIN = new URL('../../src/main.ts', import.meta.url).pathname;

type Start = {
  readonly env: Readonly<Record<string, string>>;
  /** A command that the server runs under, such as `bash -c 'ulimit -f 100; exec "$@"' --`. */
  readonly under?: readonly string[];
};

const NOBODY = 65_534;
const READS_ALL = '+dac_read_search';

/**
 * As another user than root, who may write anywhere: one who can read all, since the checkout may be
 * in a place of root's own. Who is not root already runs as they are.
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

const start = ({ env, under = [] }: Start) => {
  const [command, ...args] = [...under, process.execPath, MAIN];
  const child = spawn(command ?? process.execPath, args, {
    env: { PATH: process.env['PATH'] ?? '', HOST: '127.0.0.1', PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const { promise: ready, resolve } = Promise.withResolvers<string>();
  const collect = (chunk: Buffer) => {
    output += chunk.toString();
    const url = /listens on (http:\/\/\S+)/.exec(output)?.[1];
    if (url !== undefined && output.includes('Try: ')) resolve(url);
  };
  child.stdout?.on('data', collect);
  child.stderr?.on('data', collect);
  return { child, ready, output: () => output, exited: once(child, 'close') };
};

/** Starts the server as a process of its own, and resolves once it says where it listens. */
export const startProcess = async (given: Start): Promise<ServerProcess> => {
  const { child, ready, output, exited } = start(given);
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
    async stop(signal = 'SIGTERM') {
      child.kill(signal);
      const [code, endedBy] = await exited;
      return code ?? endedBy;
    },
  };
};

/** Starts the server where it cannot start, and resolves to its exit code and what it said. */
export const startInVain = async (
  given: Start,
): Promise<{ code: number | null; output: string }> => {
  const { exited, output } = start(given);
  const [code] = await exited;
  return { code, output: output() };
};
