import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';

/**
 * A package manager that receives a signal ends without the programs that it has started, so
 * `npx -y pnpm start` would leave a server without an owner. So the server watches the package managers, and
 * the shells between, that started it. Programs such as systemd, Docker, `nohup`, `setsid` and shells of a
 * user are not launchers: what they start may outlive them.
 */
export type LauncherOptions = {
  /** The environment: each package manager sets a variable that names it. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Called once, with the id of a launcher that has ended. */
  readonly onEnd: (pid: number) => void;
};

const POLL_MS = 500;

/** Watches the launchers of this process. Does nothing when a package manager has not started it. */
export const watchLaunchers = ({ env, onEnd }: LauncherOptions): void => {
  const launchers = env['npm_config_user_agent'] === undefined ? [] : launchersOf(process.pid);
  if (launchers.length === 0) return;
  const [parent] = launchers;
  const timer = setInterval(() => {
    const ended = process.ppid === parent ? launchers.find(pid => !isRunning(pid)) : parent;
    if (ended === undefined) return;
    clearInterval(timer);
    onEnd(ended);
  }, POLL_MS);
  timer.unref();
};

/** Returns the ids of the processes that started a process, up to the first that is not a launcher. */
const launchersOf = (pid: number): number[] => {
  const own = readProcess(pid);
  const launchers: number[] = [];
  let at = own?.parent;
  while (at !== undefined) {
    const found = readProcess(at);
    if (found === undefined || found.session !== own?.session || !isLauncher(found.command)) break;
    launchers.push(at);
    at = found.parent;
  }
  return launchers;
};

type ProcessInfo = {
  readonly parent: number;
  /** A process that `setsid` has started has a session of its own. Undefined when it is not known. */
  readonly session: number | undefined;
  /** The program and its arguments. A program may have replaced them by one text. */
  readonly command: readonly string[];
};

/** Returns undefined when the process has ended, or if the system does not show it, as on Windows. */
const readProcess = (pid: number): ProcessInfo | undefined => {
  try {
    return process.platform === 'linux' ? readLinuxProcess(pid) : readPosixProcess(pid);
  } catch {
    return undefined;
  }
};

/** Returns the fields of a process from its state on. The name before them can contain parentheses. */
const statusOf = (pid: number): string => {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2);
};

const readLinuxProcess = (pid: number): ProcessInfo => {
  const [, parent, , session] = statusOf(pid).split(' ');
  const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  return { parent: Number(parent), session: Number(session), command };
};

const readPosixProcess = (pid: number): ProcessInfo => {
  const args = ['-o', 'ppid=,command=', '-p', String(pid)];
  const [parent, ...command] = execFileSync('ps', args, { encoding: 'utf8' }).trim().split(/\s+/);
  return { parent: Number(parent), session: undefined, command };
};

const PACKAGE_MANAGER = /^(npm|npx|pnpm|pnpx|yarn|yarnpkg|bunx?|corepack)(-cli)?(\.[cm]?js)?$/;
const SHELL = /^(ba|da|k|z)?sh$/;
const NODE = /^node(js)?$/;

const isLauncher = ([program = '', ...args]: readonly string[]): boolean => {
  const names = [basename(program), program.split(' ', 1)[0] ?? ''];
  if (names.some(name => PACKAGE_MANAGER.test(name))) return true;
  if (names.some(name => SHELL.test(name))) return args[0] === '-c';
  if (!names.some(name => NODE.test(name))) return false;
  return PACKAGE_MANAGER.test(basename(args[0] ?? '')) || args.includes('--watch');
};

/** A process that has ended remains as a zombie, in state Z, until its parent collects its exit code. */
const isRunning = (pid: number): boolean => {
  try {
    if (process.platform === 'linux') return !/^[ZX]/.test(statusOf(pid));
    return process.kill(pid, 0);
  } catch (error) {
    // A process of another user is running, although it cannot be signalled.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
};
