import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const execute = promisify(execFile);

type RunOptions = { readonly cwd: string; readonly env?: Readonly<Record<string, string>> };

/** The environment of this process without the settings of Pennon, which a developer may have set. */
const environment = Object.fromEntries(
  Object.entries(process.env).filter(
    ([name]) => !/^(PENNON_.*|HOST|PORT|LOG_LEVEL|REDIS_URL)$/.test(name),
  ),
);

/** Runs a program and returns its output. If it fails, the error contains the output. */
export const run = async (
  program: string,
  args: readonly string[],
  { cwd, env = {} }: RunOptions,
): Promise<string> => {
  const running = execute(program, args, {
    cwd,
    env: { ...environment, ...env },
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
