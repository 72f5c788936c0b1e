import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const SCRIPT = fileURLToPath(new URL('./child.ts', import.meta.url));

/** A process with a store of its own; see child.ts for what it can be told. */
export type Child = {
  readonly pid: number;
  /** Says a line, and answers the line that comes back. */
  readonly ask: (line: string) => Promise<unknown>;
  /** The next line. */
  readonly next: () => Promise<unknown>;
  /** Lets the process end by itself; answers its exit code. */
  readonly finish: () => Promise<unknown>;
  readonly kill: () => Promise<void>;
};

export type ChildOptions = {
  readonly node?: string;
  readonly script?: string;
  /** Another user for the process. */
  readonly uid?: number;
  /** The largest file that the process may write, in bytes. */
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
    async ask(line) {
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
    env: {},
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
  child.stderr.pipe(process.stderr);
  return child;
};
