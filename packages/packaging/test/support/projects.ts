import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { PACKAGES } from '../../src/packages.ts';
import type { Registry } from './registry.ts';
import { run } from './run.ts';

/** A user's project, empty except for its installed packages. */
export type Project = {
  readonly directory: string;
  write(file: string, text: string): void;
  /** Runs a program from its `node_modules/.bin`. */
  run(program: string, ...args: readonly string[]): Promise<string>;
  /** Returns the errors of its compiler, except those in OpenFeature's own declarations. */
  typeErrors(): Promise<readonly string[]>;
};

export type Versions = { readonly node: string; readonly typescript: string };

const DEPENDENCIES = [
  '@openfeature/server-sdk',
  '@openfeature/web-sdk',
  '@openfeature/core',
  '@types/node',
  'esbuild',
];

/**
 * Installs packages into `cwd`. Retries, because the registry reports a missing package if one request
 * to npm's own registry fails. A retry reuses the packages that have been downloaded.
 */
export const install = async (
  cwd: string,
  packages: readonly string[],
  registry: Registry,
  attempts = 5,
): Promise<void> => {
  const args = ['install', '--no-audit', '--no-fund', ...packages];
  try {
    await run('npm', args, { cwd, env: registry.env });
  } catch (error) {
    if (attempts === 1)
      throw new Error(`${String(error)}\n${registry.warnings()}`, { cause: error });
    await install(cwd, packages, registry, attempts - 1);
  }
};

export const createProject = async (
  directory: string,
  { node, typescript }: Versions,
  registry: Registry,
  more: readonly string[] = [],
): Promise<Project> => {
  mkdirSync(directory);
  const write = (file: string, text: string) => writeFileSync(join(directory, file), text);
  write('package.json', JSON.stringify({ name: 'a-project', private: true, type: 'module' }));
  const ours = PACKAGES.map(({ name }) => name);
  const theirs = [`node@${node}`, `typescript@${typescript}`, ...DEPENDENCIES];
  await install(directory, [...ours, ...theirs, ...more], registry);
  const bin = join(directory, 'node_modules/.bin');
  const env = { PATH: `${bin}:${process.env['PATH']}`, NEXT_TELEMETRY_DISABLED: '1' };
  const runOwn: Project['run'] = (program, ...args) =>
    run(join(bin, program), args, { cwd: directory, env });
  return {
    directory,
    write,
    run: runOwn,
    async typeErrors() {
      const output = await runOwn('tsc', '--pretty', 'false').catch(String);
      return output
        .split('\n')
        .filter(line => /error TS/.test(line) && !/@openfeature\//.test(line));
    },
  };
};
