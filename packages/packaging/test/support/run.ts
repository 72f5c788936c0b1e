import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const execute = promisify(execFile);

type Where = { readonly cwd: string; readonly env?: Readonly<Record<string, string>> };

/** Runs a program to its end and answers what it said; where it fails, the error says that too. */
export const run = async (
  program: string,
  args: readonly string[],
  { cwd, env = {} }: Where,
): Promise<string> => {
  const running = execute(program, args, {
    cwd,
    env: { ...process.env, ...env },
    maxBuffer: 64 * 1_048_576,
  });
  const { stdout } = await running.catch((error: unknown) => {
    throw new Error(`${program} ${args.join(' ')} failed: ${saidBy(error)}`, { cause: error });
  });
  return stdout;
};

const saidBy = (error: unknown): string => {
  const { stdout, stderr } = { stdout: '', stderr: String(error), ...(error as object) };
  return `${stdout}${stderr}`;
};
