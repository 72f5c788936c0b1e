import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import { buildSync } from 'esbuild';

/** The sources of what the package in the current directory exports when it is published. */
const entries = (): readonly string[] => {
  const exported = readFileSync('package.json', 'utf8').matchAll(/"\.\/dist\/([\w-]+)\.js"/g);
  return [...exported].map(([, name = '']) => `src/${name}.ts`);
};

/** Writes the code of the package in the current directory: one file for each export, and one for what they share. */
export const bundleInto = (folder: string): void => {
  buildSync({
    entryPoints: [...entries()],
    outdir: folder,
    bundle: true,
    packages: 'external',
    splitting: true,
    chunkNames: 'shared-[hash]',
    format: 'esm',
    platform: 'neutral',
    target: 'es2023',
    sourcemap: true,
    sourcesContent: false,
    logLevel: 'warning',
  });
};

/**
 * Puts the code in `dist` into few files: in Node, finding and opening a module costs more than what is in
 * it. The declarations stay as they are.
 */
export const bundle = (): void => {
  const modules = readdirSync('dist').filter(file => /\.js(\.map)?$/.test(file));
  for (const file of modules) rmSync(join('dist', file));
  bundleInto('dist');
};
