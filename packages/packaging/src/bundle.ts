import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import { buildSync } from 'esbuild';

/** Returns the source of each export that the package in the current directory publishes. */
const entries = (): readonly string[] => {
  const exported = readFileSync('package.json', 'utf8').matchAll(/"\.\/dist\/([\w-]+)\.js"/g);
  return [...exported].map(([, name = '']) => `src/${name}.ts`);
};

/** Bundles the package in the current directory: one file per export, and one for the code that they share. */
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
 * Replaces the code in `dist` by few files, because Node spends more time on finding and opening a module
 * than on running it. The declarations stay unchanged.
 */
export const bundle = (): void => {
  const modules = readdirSync('dist').filter(file => /\.js(\.map)?$/.test(file));
  for (const file of modules) rmSync(join('dist', file));
  bundleInto('dist');
};
