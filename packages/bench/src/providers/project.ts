import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';

const root = resolve(import.meta.dirname, '../../../..');
const execute = promisify(execFile);

/** Programs finish in a fraction of this time, unless they wait for something that never happens. */
const TIMEOUT_MS = 20_000;

/** A project of a user, with the published form of our packages, and with the packages they are compared with. */
export type Project = {
  readonly directory: string;
  /** Runs a program in a new process, and returns its output. */
  run(text: string, ...args: readonly string[]): Promise<string>;
  remove(): void;
};

/** Our packages, by name, with their folders. */
const OUR_PACKAGES = {
  '@pennon/engine': 'packages/engine',
  '@pennon/sync': 'packages/sync',
  '@pennon/server-provider': 'providers/server',
  '@pennon/web-provider': 'providers/web',
};

/** Their dependencies and the packages they are compared with, by the folder that has them installed. */
const OTHER_PACKAGES = {
  'packages/engine': ['murmurhash', 're2js'],
  'providers/server': ['@openfeature/server-sdk', '@openfeature/core', 'yaml'],
  'providers/web': ['@openfeature/web-sdk'],
  'packages/bench': ['@growthbook/growthbook', '@openfeature/flagd-core', 'unleash-client'],
};

const writePackage = join(root, 'packages/packaging/src/write-package.ts');

const install = (modules: string): void => {
  for (const [name, folder] of Object.entries(OUR_PACKAGES)) {
    execFileSync(process.execPath, [writePackage, join(modules, name)], {
      cwd: join(root, folder),
    });
  }
  for (const [folder, names] of Object.entries(OTHER_PACKAGES)) {
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
        timeout: TIMEOUT_MS,
      });
      return stdout.trim();
    },
    remove: () => rmSync(directory, { recursive: true }),
  };
};
