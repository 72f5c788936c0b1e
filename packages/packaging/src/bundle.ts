import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type { Metafile } from 'esbuild';
import { buildSync } from 'esbuild';
import { z } from 'zod';

import { dependencyNames, readManifest } from './manifest.ts';
import { licensesOf } from './licenses.ts';

const TARGET = 'es2023';

/**
 * Bundles the package in the current directory into `folder`: as ES modules one file per export and one
 * for the code that they share, and each of these files again as CommonJS. Development dependencies
 * become part of the bundle, so users install only what the package depends on. If properties get shorter names, so do
 * the packages of this repository, because a name is short in one bundle only.
 */
export const bundleInto = (folder: string): void => {
  const mangleProps = shortNames();
  const installed = dependencyNames(readManifest()).filter(
    name => mangleProps === undefined || !name.startsWith('@pennon/'),
  );
  const { metafile } = buildSync({
    entryPoints: [...entries()],
    outdir: folder,
    bundle: true,
    metafile: true,
    external: ['node:*', ...installed.flatMap(name => [name, `${name}/*`])],
    ...(mangleProps && { mangleProps }),
    splitting: true,
    chunkNames: 'shared-[hash]',
    format: 'esm',
    platform: 'neutral',
    mainFields: ['module', 'main'],
    // Replaces constants by their numbers, which a bundler of a page cannot do after this.
    minifySyntax: true,
    target: TARGET,
    sourcemap: true,
    sourcesContent: false,
    logLevel: 'warning',
  });
  writeCommonJs(folder);
  embedBundledSources(folder);
  writeLicenses(folder, metafile);
};

/**
 * Returns the properties that get shorter names, if pages load the package. They are internal to it: the protocol, the
 * options, the SDK, the browser and the storage do not have them, and copies of the package do not share them.
 */
const shortNames = (): RegExp | undefined => {
  if (!existsSync('short-names.json')) return undefined;
  const names = z.array(z.string()).parse(JSON.parse(readFileSync('short-names.json', 'utf8')));
  return new RegExp(`^(?:${names.join('|')})$`);
};

/** The source file of each export of the package in the current directory. */
const entries = (): readonly string[] =>
  Object.values(readManifest().publishConfig.exports)
    .flatMap(({ development = [], ...formats }) => [formats, development].flat())
    .map(({ import: { default: file } }) => file.replace(/^\.\/dist\/(.+)\.js$/, 'src/$1.ts'));

/**
 * Translates each ES module instead of bundling a second time, so the exports share their code in
 * CommonJS too. A dynamic import becomes a `require`, which loads the same copy of a module.
 */
const writeCommonJs = (folder: string): void => {
  const modules = readdirSync(folder).filter(file => file.endsWith('.js'));
  buildSync({
    entryPoints: modules.map(file => join(folder, file)),
    outdir: folder,
    outExtension: { '.js': '.cjs' },
    format: 'cjs',
    platform: 'node',
    target: TARGET,
    supported: { 'dynamic-import': false },
    sourcemap: true,
    sourcesContent: false,
    logLevel: 'warning',
  });
  for (const file of modules) {
    const path = join(folder, file.replace(/\.js$/, '.cjs'));
    const code = readFileSync(path, 'utf8');
    writeFileSync(path, code.replaceAll(/require\("(\.\/[\w-]+)\.js"\)/g, 'require("$1.cjs")'));
  }
};

const SourceMap = z.looseObject({ sources: z.array(z.string()) });

/** Adds the text of bundled dependencies to the source maps: the package contains only its own sources. */
const embedBundledSources = (folder: string): void => {
  for (const file of readdirSync(folder).filter(name => name.endsWith('.map'))) {
    const path = join(folder, file);
    const map = SourceMap.parse(JSON.parse(readFileSync(path, 'utf8')));
    const sourcesContent = map.sources.map(source =>
      source.startsWith('../src/') ? null : readFileSync(join(folder, source), 'utf8'),
    );
    writeFileSync(path, JSON.stringify({ ...map, sourcesContent }));
  }
};

const writeLicenses = (folder: string, { inputs }: Metafile): void => {
  const text = licensesOf(Object.keys(inputs));
  if (text !== '') writeFileSync(join(folder, 'THIRD-PARTY-LICENSES.txt'), text);
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
