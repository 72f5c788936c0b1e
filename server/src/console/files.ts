import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A file of the console, with its compressed copies. */
export type ConsoleAsset = {
  readonly bytes: Buffer;
  readonly br: Buffer | undefined;
  readonly gzip: Buffer | undefined;
};

/** The console as it was built. It is small, so a server keeps all of it in memory. */
export type ConsoleFiles = {
  readonly page: string;
  /** By file name. */
  readonly assets: ReadonlyMap<string, ConsoleAsset>;
};

/** The files, or why there are none yet. */
export type ConsoleState = ConsoleFiles | 'building' | 'failed';

const PAGE = 'index.html';
const ASSETS = 'assets';
const COPY = /\.(?:br|gz)$/;

/** A build that has failed leaves this file in place of its folder. */
export const failureOf = (folder: string): string => `${folder}.failed`;

/** Whether a folder has a complete build. A build is renamed to its folder once it is complete. */
export const isBuilt = (folder: string): boolean => existsSync(join(folder, PAGE));

/** Returns a function that looks for the build in a folder until there is one. */
export const openConsole = (folder: string): (() => ConsoleState) => {
  let files = readBuild(folder);
  return () => {
    files ??= readBuild(folder);
    return files ?? (existsSync(failureOf(folder)) ? 'failed' : 'building');
  };
};

/** Returns undefined if there is no build, or if another server is removing it. */
const readBuild = (folder: string): ConsoleFiles | undefined => {
  try {
    return isBuilt(folder) ? readFiles(folder) : undefined;
  } catch {
    return undefined;
  }
};

const readFiles = (folder: string): ConsoleFiles => {
  const directory = join(folder, ASSETS);
  const names = readdirSync(directory).filter(name => !COPY.test(name));
  return {
    page: readFileSync(join(folder, PAGE), 'utf8'),
    assets: new Map(names.map(name => [name, readAsset(join(directory, name))])),
  };
};

const readAsset = (path: string): ConsoleAsset => ({
  bytes: readFileSync(path),
  br: readIfExists(`${path}.br`),
  gzip: readIfExists(`${path}.gz`),
});

const readIfExists = (path: string): Buffer | undefined =>
  existsSync(path) ? readFileSync(path) : undefined;
