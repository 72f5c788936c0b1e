import { spawn } from 'node:child_process';
import { delimiter, join } from 'node:path';

/** The root of the workspace, where every command runs. */
export const root = join(import.meta.dirname, '..');

const environment = {
  ...process.env,
  // Without a terminal the output is a log, where escape codes are noise.
  ...(process.stdout.isTTY ? {} : { NO_COLOR: '1' }),
  PATH: [join(root, 'node_modules', '.bin'), process.env['PATH']].join(delimiter),
};

export type RunOptions = {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly quiet?: boolean;
};

/** Runs a program with its output on the terminal. Returns its exit code, or 127 if it cannot be started. */
export const run = (command: string, args: readonly string[], options: RunOptions = {}) =>
  new Promise<number>(resolve => {
    const child = spawn(command, args, {
      cwd: options.cwd ?? root,
      env: { ...environment, ...options.env },
      stdio: [
        'ignore',
        ...(options.quiet ? (['ignore', 'ignore'] as const) : (['inherit', 'inherit'] as const)),
      ],
    });
    child.on('error', () => resolve(127));
    child.on('exit', (code, signal) => resolve(code ?? (signal === null ? 1 : 128)));
  });

/** Returns whether a program is in the PATH. */
export const isInstalled = async (program: string): Promise<boolean> =>
  (await run('sh', ['-c', `command -v ${program}`], { quiet: true })) === 0;
