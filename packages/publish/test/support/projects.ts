import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { PACKAGES } from '../../src/packages.ts';
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

export const createProject = async (
  directory: string,
  { node, typescript }: Versions,
  env: Readonly<Record<string, string>>,
): Promise<Project> => {
  mkdirSync(directory);
  const write = (file: string, text: string) => writeFileSync(join(directory, file), text);
  write('package.json', JSON.stringify({ name: 'a-project', private: true, type: 'module' }));
  const ours = PACKAGES.map(({ name }) => name);
  const theirs = [`node@${node}`, `typescript@${typescript}`, ...OTHERS];
  await run('npm', ['install', '--no-audit', '--no-fund', ...ours, ...theirs], {
    cwd: directory,
    env,
  });
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
