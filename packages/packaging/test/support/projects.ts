import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { PACKAGES } from '../../src/packages.ts';
import type { Registry } from './registry.ts';
import { run } from './run.ts';

/** A project of somebody else: empty but for what it installs. */
export type Project = {
  readonly directory: string;
  write(file: string, text: string): void;
  /** Runs a program of its own `node_modules/.bin`. */
  run(program: string, ...args: readonly string[]): Promise<string>;
  /** What its compiler finds wrong, but for what is wrong in OpenFeature's own declarations. */
  typeErrors(): Promise<readonly string[]>;
};

export type Versions = { readonly node: string; readonly typescript: string };

const OTHERS = [
  '@openfeature/server-sdk',
  '@openfeature/web-sdk',
  '@openfeature/core',
  '@types/node',
  'esbuild',
];

/**
 * The registry says that there is no such package wherever npm's own fails it once, and npm takes
 * its word; so an install is tried again. What had come by then is kept.
 */
const install = async (
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
): Promise<Project> => {
  mkdirSync(directory);
  const write = (file: string, text: string) => writeFileSync(join(directory, file), text);
  write('package.json', JSON.stringify({ name: 'a-project', private: true, type: 'module' }));
  const ours = PACKAGES.map(({ name }) => name);
  const theirs = [`node@${node}`, `typescript@${typescript}`, ...OTHERS];
  await install(directory, [...ours, ...theirs], registry);
  const bin = join(directory, 'node_modules/.bin');
  const runOwn: Project['run'] = (program, ...args) =>
    run(join(bin, program), args, { cwd: directory });
  return {
    directory,
    write,
    run: runOwn,
    async typeErrors() {
      const said = await runOwn('tsc', '--pretty', 'false').catch(String);
      return said.split('\n').filter(line => /error TS/.test(line) && !/@openfeature\//.test(line));
    },
  };
};
