import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';

const root = resolve(import.meta.dirname, '../../../..');
const execute = promisify(execFile);

/** No program of a benchmark takes so long, unless it waits in vain. */
const LONGEST_MS = 20_000;

/** A project of somebody else, with our packages as they are published, and those of our peers. */
export type Project = {
  readonly directory: string;
  /** Runs a program of the project in a process of its own, which has run nothing before. */
  run(text: string, ...args: readonly string[]): Promise<string>;
  remove(): void;
};

const OURS = {
  '@pennon/engine': 'packages/engine',
  '@pennon/sync': 'packages/sync',
  '@pennon/server-provider': 'providers/server',
  '@pennon/web-provider': 'providers/web',
};

/** What they stand on, and what they are measured beside, by where it is installed. */
const OTHERS = {
  'packages/engine': ['murmurhash', 're2js'],
  'packages/sync': ['eventsource-parser'],
  'providers/server': ['@openfeature/server-sdk', '@openfeature/core', 'yaml'],
  'providers/web': ['@openfeature/web-sdk'],
  'packages/bench': ['@growthbook/growthbook', '@openfeature/flagd-core', 'unleash-client'],
};

const writePackage = join(root, 'packages/packaging/src/write-package.ts');

const install = (modules: string): void => {
  for (const [name, folder] of Object.entries(OURS)) {
    execFileSync(process.execPath, [writePackage, join(modules, name)], {
      cwd: join(root, folder),
    });
  }
  for (const [folder, names] of Object.entries(OTHERS)) {
    for (const name of names) {
      mkdirSync(dirname(join(modules, name)), { recursive: true });
      symlinkSync(join(root, folder, 'node_modules', name), join(modules, name));
    }
  }
};

export const createProject = (): Project => {
  const directory = mkdtempSync(join(tmpdir(), 'pennon-bench-'));
  install(join(directory, 'node_modules'));
  let programs = 0;
  return {
    directory,
    async run(text, ...args) {
      programs += 1;
      const program = join(directory, `program-${programs}.mjs`);
      writeFileSync(program, text);
      const { stdout } = await execute(process.execPath, [program, ...args], {
        cwd: directory,
        timeout: LONGEST_MS,
      });
      return stdout.trim();
    },
    remove: () => rmSync(directory, { recursive: true }),
  };
};
