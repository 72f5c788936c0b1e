import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { compileCache } from '../support/process.ts';

const SCRIPT = fileURLToPath(new URL('./child.ts', import.meta.url));

/** A process that owns a store. See child.ts for its commands. */
export type Child = {
  readonly pid: number;
  /** Sends a command. Resolves to its result. */
  readonly send: (line: string) => Promise<unknown>;
  /** Resolves to the next line of output. */
  readonly next: () => Promise<unknown>;
  /** Closes the input and waits for the exit code. */
  readonly finish: () => Promise<unknown>;
  readonly kill: () => Promise<void>;
};

export type ChildOptions = {
  readonly node?: string;
  readonly script?: string;
  /** The user that the process runs as. */
  readonly uid?: number;
  /** The maximum size of a file that the process writes, in bytes. */
  readonly fileLimit?: number;
};

export const startChild = (options: ChildOptions = {}): Child => {
  const process = launch(options);
  const lines = createInterface({ input: process.stdout })[Symbol.asyncIterator]();
  const ended = once(process, 'exit');
  const next = async () => {
    const { value, done } = await lines.next();
    if (done === true) throw new Error(`the process has ended: ${String(await ended)}`);
    return JSON.parse(value) as unknown;
  };
  return {
    pid: process.pid ?? 0,
    next,
    async send(line) {
      process.stdin.write(`${line}\n`);
      return next();
    },
    async finish() {
      process.stdin.end();
      const [code] = await ended;
      return code;
    },
    async kill() {
      process.kill('SIGKILL');
      await ended;
    },
  };
};

const launch = ({ node = process.execPath, script = SCRIPT, uid, fileLimit }: ChildOptions) => {
  const [command, args] =
    fileLimit === undefined
      ? [node, [script]]
      : ['prlimit', [`--fsize=${fileLimit}:`, node, script]];
  const child: ChildProcessWithoutNullStreams = spawn(command, args, {
    cwd: '/',
    env: compileCache,
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
  child.stderr.pipe(process.stderr);
  return child;
};
