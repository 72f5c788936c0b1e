import { cpSync } from 'node:fs';
import { join } from 'node:path';

import type { Project } from './projects.ts';

/** What the bundlers need, besides the packages of an application. */
export const BUNDLER_PACKAGES = [
  'vite',
  'webpack',
  'webpack-cli',
  'rollup',
  '@rollup/plugin-node-resolve',
  '@rollup/plugin-commonjs',
];

/** A bundler that makes `dist/<name>.js` of `page.js`, with its default settings as far as possible. */
type Bundler = {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
};

const CONFIGS = join(import.meta.dirname, '../fixtures/bundlers');

export const BUNDLERS: readonly Bundler[] = [
  {
    name: 'vite',
    command: ['vite', 'build'],
  },
  {
    name: 'webpack',
    command: ['webpack'],
  },
  {
    name: 'rollup',
    command: ['rollup', '--config'],
  },
];

/** Returns the path of the bundle. */
export const bundlePage = async (
  project: Project,
  { name, command: [program, ...args] }: Bundler,
): Promise<string> => {
  const config = `${name}.config.js`;
  cpSync(join(CONFIGS, config), join(project.directory, config));
  await project.run(program, ...args);
  return join(project.directory, 'dist', `${name}.js`);
};
