import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { setPriority, tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { errorMessage } from '../error-message.ts';
import { failureOf, isBuilt } from './files.ts';

/** Logs what keeps the console from being built or stored. Nothing else depends on it. */
type Report = (problem: string, reason: string) => void;

const NOT_BUILT = 'the console could not be built';

/** The folder of the console, and what builds it. A published server comes with its console. */
export type ConsoleLocation = {
  readonly folder: string;
  readonly builder?: string;
  /** Removes a folder that lasts as long as the server. */
  readonly remove: () => void;
};

const pathOf = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** Returns the location of the console, or undefined for a server without its sources, or without a place for a build. */
export const locateConsole = (report: Report): ConsoleLocation | undefined => {
  try {
    return locate(report);
  } catch (error) {
    report(NOT_BUILT, errorMessage(error));
    return undefined;
  }
};

const locate = (report: Report): ConsoleLocation | undefined => {
  const published = pathOf('./console');
  if (isBuilt(published)) return { folder: published, remove: () => {} };
  const sources = pathOf('../../../packages/console');
  const builder = join(sources, 'build.ts');
  if (!existsSync(builder)) return undefined;
  const dist = join(sources, 'dist');
  const folder = join(dist, stampOf(sources));
  if (isBuilt(folder) || isWritable(dist)) return { folder, builder, remove: () => {} };
  const location = { ...temporary(basename(folder)), builder };
  report('the console is built at each start', `${dist} cannot be written to`);
  return location;
};

const STAMP_LENGTH = 16;
/** Not what other programs leave beside them. */
const SOURCES = ['{build.ts,index.html,package.json}', 'src/**/*.*'];

/** Returns the name of a build: a digest of its sources and of the versions of its dependencies. */
const stampOf = (sources: string): string => {
  const paths = globSync(SOURCES, { cwd: sources }).toSorted();
  const hash = createHash('sha256');
  for (const path of [...paths, '../../pnpm-lock.yaml'])
    hash.update(`${path}\0`).update(readFileSync(join(sources, path)));
  return hash.digest('hex').slice(0, STAMP_LENGTH);
};

const isWritable = (directory: string): boolean => {
  try {
    mkdirSync(directory, { recursive: true });
    rmSync(mkdtempSync(join(directory, '.write-')), { recursive: true });
    return true;
  } catch {
    return false;
  }
};

/** Only the user of the server can write to this folder, so no other user can replace the console. */
const temporary = (name: string): ConsoleLocation => {
  const directory = mkdtempSync(join(tmpdir(), 'pennon-console-'));
  return {
    folder: join(directory, name),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
};

export type BuildOptions = ConsoleLocation & {
  /** The program that runs the builder. */
  readonly node: string;
  readonly report: Report;
};

/** Evaluations come first. */
const LOW_PRIORITY = 10;
const MAX_REASON_LENGTH = 1_000;

/** Builds the console in another process, unless there is a build. Returns a function that ends the process. */
export const buildConsole = (options: BuildOptions): (() => void) => {
  const { folder, builder, node, report } = options;
  if (builder === undefined || isBuilt(folder)) return () => {};
  attempt(() => rmSync(failureOf(folder), { force: true }));
  const child = spawn(node, [builder, folder], { stdio: ['ignore', 'ignore', 'pipe'] });
  let reason = '';
  const fail = (text: string): void => {
    report(NOT_BUILT, text.trim().replaceAll(/\s+/g, ' ').slice(0, MAX_REASON_LENGTH));
    attempt(() => writeFileSync(failureOf(folder), text));
  };
  child.stderr.on('data', (chunk: Buffer) => (reason += chunk.toString()));
  child.once('error', error => fail(error.message));
  const { pid } = child;
  if (pid !== undefined) attempt(() => setPriority(pid, LOW_PRIORITY));
  child.once('close', (code, signal) => {
    if (isBuilt(folder)) attempt(() => removeOthers(folder));
    else if (signal !== 'SIGTERM') fail(reason || `exit code ${code ?? signal}`);
  });
  return () => void child.kill();
};

/** For what a full disk or missing permissions may prevent, and a server can do without. */
const attempt = (action: () => void): void => {
  try {
    action();
  } catch {
    // At most, a file remains, a notice is less exact, or the build slows others down.
  }
};

/** Removes the builds of other sources. Servers that use one have it in memory. */
const removeOthers = (folder: string): void => {
  const directory = dirname(folder);
  for (const name of readdirSync(directory))
    if (!name.startsWith(basename(folder)))
      rmSync(join(directory, name), { recursive: true, force: true });
};
