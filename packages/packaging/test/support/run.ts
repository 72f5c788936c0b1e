import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const execute = promisify(execFile);

type RunOptions = { readonly cwd: string; readonly env?: Readonly<Record<string, string>> };

/** Runs a program and returns its output. If it fails, the error contains the output. */
export const run = async (
  program: string,
  args: readonly string[],
  { cwd, env = {} }: RunOptions,
): Promise<string> => {
  const running = execute(program, args, {
    cwd,
    env: { ...process.env, ...env },
    maxBuffer: 64 * 1_048_576,
  });
  const { stdout } = await running.catch((error: unknown) => {
    throw new Error(`${program} ${args.join(' ')} failed: ${outputOf(error)}`, { cause: error });
  });
  return stdout;
};

const outputOf = (error: unknown): string => {
  const { stdout, stderr } = { stdout: '', stderr: String(error), ...(error as object) };
  return `${stdout}${stderr}`;
};
