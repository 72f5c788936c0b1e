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
  readonly config: { readonly file: string; readonly text: string };
  readonly command: readonly [string, ...string[]];
};

export const BUNDLERS: readonly Bundler[] = [
  {
    name: 'vite',
    config: {
      file: 'vite.config.js',
      text: `export default {
        logLevel: 'error',
        build: { emptyOutDir: false, rollupOptions: { input: 'page.js', output: { entryFileNames: 'vite.js' } } },
      };`,
    },
    command: ['vite', 'build'],
  },
  {
    name: 'webpack',
    config: {
      file: 'webpack.config.js',
      text: `export default {
        mode: 'production',
        entry: './page.js',
        output: { filename: 'webpack.js' },
        experiments: { topLevelAwait: true },
      };`,
    },
    command: ['webpack'],
  },
  {
    name: 'rollup',
    config: {
      file: 'rollup.config.js',
      text: `import commonjs from '@rollup/plugin-commonjs';
        import { nodeResolve } from '@rollup/plugin-node-resolve';
        export default {
          input: 'page.js',
          output: { file: 'dist/rollup.js' },
          plugins: [nodeResolve({ browser: true }), commonjs()],
        };`,
    },
    command: ['rollup', '--config'],
  },
];

/** Returns the path of the bundle. */
export const bundlePage = async (
  project: Project,
  { name, config, command: [program, ...args] }: Bundler,
): Promise<string> => {
  project.write(config.file, config.text);
  await project.run(program, ...args);
  return join(project.directory, 'dist', `${name}.js`);
};
