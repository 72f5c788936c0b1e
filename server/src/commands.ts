import cluster from 'node:cluster';
import { parseArgs } from 'node:util';

import { flagOf, readConfig, SECRET_SETTINGS, Settings, similarName } from './config.ts';
import { errorMessage } from './error-message.ts';
import { SYSTEM } from './audit/record.ts';
import { systemClock } from './clock.ts';
import { createLogger, logFatal } from './logging.ts';
import { secureRandom } from './random.ts';
import { NO_COPIES, readCopies } from './recovery/saved-copies.ts';
import { restoreFromCopies, type RestoreReport } from './recovery/restore.ts';
import { backUp, requireIntactData, restore } from './store/sqlite/index.ts';
import { CONTROL_LEDGER } from './store/store.ts';
import { requireDirectory, type StoreLocation } from './store/stores.ts';
import { VERSION } from './version.ts';

const names = Object.keys(Settings.shape);

const settingLines = (): string =>
  Object.entries(Settings.shape)
    .map(([name, { description = '' }]) => {
      const flag = SECRET_SETTINGS.has(name) ? '(variable only)' : `--${flagOf(name)}`;
      return `  ${flag.padEnd(24)} ${name.padEnd(26)} ${description}`;
    })
    .join('\n');

const HELP = `Usage: pennon <command> [flags]

Commands:
  start           Start the server.
  backup FILE     Write a copy of the embedded store to a new file, even while the server runs.
  restore FILE    Create the embedded store of an empty data directory from a backup.
  restore         Bring back what Redis has lost, from the copies of all running servers and in PENNON_DATA.
  check           Check the settings and the data.

Settings, as flags and as environment variables (a flag wins):
${settingLines()}

Other flags:
  --help, --version

Exit codes: 0 success, 1 the command failed, 2 the command line is invalid.
`;

/** An invalid command line. */
class UsageError extends Error {}

type CommandLine = { readonly command: string; readonly file: string };

/** Parses the command line, and copies its settings to `env`. */
const parseCommandLine = (args: readonly string[], env: Environment): CommandLine => {
  const options = Object.fromEntries(
    names.map(name => [flagOf(name), { type: 'string' as const, multiple: true as const }]),
  );
  const { values, positionals } = parse(args, options);
  for (const name of names) {
    const [value, ...more] = values[flagOf(name)] ?? [];
    if (value === undefined) continue;
    if (more.length > 0) throw new UsageError(`--${flagOf(name)} is given more than once`);
    if (value === '')
      throw new UsageError(`--${flagOf(name)} has no value; leave it out for the default`);
    if (SECRET_SETTINGS.has(name))
      throw new UsageError(
        `--${flagOf(name)} would show the secret to every user of this machine: set ${name} instead`,
      );
    env[name] = value;
  }
  const [command = 'help', file = '', ...more] = positionals;
  const [surplus] = takesFile(command) ? more : [file, ...more].filter(Boolean);
  if (surplus !== undefined)
    throw new UsageError(`"${surplus}" is one argument too many; see pennon --help`);
  return { command, file };
};

const takesFile = (command: string): boolean => command === 'backup' || command === 'restore';

/** pnpm passes on the `--` that npm needs before the flags of a script, and removes. */
const withoutSeparator = ([command, separator, ...rest]: readonly string[]): string[] =>
  [command, command === 'start' && separator === '--' ? undefined : separator, ...rest].filter(
    arg => arg !== undefined,
  );

const parse = (
  commandLine: readonly string[],
  options: Record<string, { type: 'string'; multiple: true }>,
) => {
  const args = withoutSeparator(commandLine);
  for (const arg of args) {
    const flag = /^--?([^=]*)/.exec(arg)?.[1];
    if (flag !== undefined && !(flag in options)) throw new UsageError(unknownFlag(flag));
  }
  try {
    return parseArgs({ args, options, allowPositionals: true });
  } catch (error) {
    throw new UsageError(errorMessage(error), { cause: error });
  }
};

const unknownFlag = (flag: string): string => {
  const similar = similarName(flag, names.map(flagOf));
  return `--${flag} is not a flag${similar === undefined ? '; see pennon --help' : `; did you mean --${similar}?`}`;
};

/** Reads where the data is. Throws if its directory cannot be one. */
const locateData = (env: Environment): StoreLocation => {
  const { store } = readConfig(env);
  if (store.data !== undefined) requireDirectory(store.data.directory);
  return store;
};

/** Returns the directory of the embedded store. Throws if the settings select another store. */
const dataDirectory = (env: Environment): string => {
  const { data, description } = locateData(env);
  if (data !== undefined) return data.directory;
  throw new Error(
    `the data is in ${description}, not in a directory: back up that store with its own tools`,
  );
};

const requireFile = (file: string): string => {
  if (file === '') throw new UsageError('the command needs the name of a file; see pennon --help');
  return file;
};

/** Checks the settings and the data. Throws an error with the first problem. */
const check = async (env: Environment): Promise<string> => {
  const store = locateData(env);
  if (store.data === undefined) {
    const opened = await store.open({
      clock: systemClock,
      random: secureRandom,
      onWarning: () => {},
    });
    try {
      await opened.head(CONTROL_LEDGER);
    } finally {
      await opened.close();
    }
  } else if (store.data.exists()) requireIntactData(store.data.directory);
  else return `The settings are valid. ${store.description} has no data yet.\n`;
  return `The settings are valid, and the data in ${store.description} is sound.\n`;
};

/** Restores what Redis has lost. */
const restoreRedis = async (location: StoreLocation): Promise<string> => {
  const warnings: string[] = [];
  const deps = {
    clock: systemClock,
    random: secureRandom,
    onWarning: (message: string) => void warnings.push(message),
  };
  const { snapshotDirectory: directory } = location;
  const copies = directory === undefined ? NO_COPIES : await readCopies({ ...deps, directory });
  const store = await location.open(deps);
  try {
    const options = { ...deps, store, copies, actor: SYSTEM, overwrite: false };
    const report = await restoreFromCopies(options);
    return [...warnings.map(message => `Warning: ${message}`), describeRestore(report)].join('\n');
  } finally {
    await store.close();
  }
};

const describeRestore = ({ environments, keys, lost }: RestoreReport): string =>
  [
    ...environments.map(
      ({ key, outcome, flags, segments }) =>
        `${key}: ${outcome} (${flags} flags, ${segments} segments)`,
    ),
    `${keys} API keys`,
    ...lost.map(part => `Not restored: ${part}`),
    '',
  ].join('\n');

export type Environment = Record<string, string | undefined>;

export type CommandResult = {
  /** Undefined when the command started the server, which ends the process itself. */
  readonly exitCode: number | undefined;
  readonly output?: string;
  readonly error?: string;
};

/** Runs a command. `env` receives the settings of the command line. */
export const runCommand = async (
  args: readonly string[],
  env: Environment,
): Promise<CommandResult> => {
  try {
    if (args.includes('--help') || args.includes('-h')) return { exitCode: 0, output: HELP };
    if (args.includes('--version')) return { exitCode: 0, output: `${VERSION}\n` };
    // A worker inherits the settings, and its port, from the primary process.
    if (cluster.isPrimary || args[0] !== 'start')
      return await perform(parseCommandLine(args, env), env);
    await import('./main.ts');
    return { exitCode: undefined };
  } catch (error) {
    const exitCode = error instanceof UsageError ? 2 : 1;
    if (args.includes('start')) {
      logFatal(createLogger(), `pennon: ${errorMessage(error)}`);
      return { exitCode };
    }
    return { exitCode, error: `pennon: ${errorMessage(error)}\n` };
  }
};

const perform = async (
  { command, file }: CommandLine,
  env: Environment,
): Promise<CommandResult> => {
  switch (command) {
    case 'help':
      return { exitCode: 0, output: HELP };
    case 'start':
      await import('./main.ts');
      return { exitCode: undefined };
    case 'backup':
      backUp(dataDirectory(env), requireFile(file));
      return { exitCode: 0, output: `Wrote ${file}\n` };
    case 'restore':
      if (file === '' && locateData(env).isShared)
        return { exitCode: 0, output: await restoreRedis(locateData(env)) };
      restore(dataDirectory(env), requireFile(file));
      return { exitCode: 0, output: `Restored ${file} to ${dataDirectory(env)}\n` };
    case 'check':
      return { exitCode: 0, output: await check(env) };
    default:
      throw new UsageError(`"${command}" is not a command; see pennon --help`);
  }
};
