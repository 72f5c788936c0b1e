import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative, resolve } from 'node:path';

import { z } from 'zod';

import { packageFolder } from './licenses.ts';
import { dependencyNames, readInstalled, readManifest } from './manifest.ts';
import { forOlderCompilers } from './older-compilers.ts';

const dist = 'dist';
const SPECIFIER = /(\bfrom\s*|\bimport\(\s*|^import\s+)(['"])([^'"]+)\2/gm;

/**
 * Copies the declarations of bundled packages to `dist/vendor`, with all modules that they import, and
 * makes the declarations of the package in the current directory refer to the copies.
 */
export const vendorDeclarations = (): void => {
  const installed = new Set([...dependencyNames(readManifest()), 'node:']);
  const copied = new Map<string, string>();

  const isInstalled = (specifier: string) =>
    /^node:|^https?2?$/.test(specifier) || installed.has(packageName(specifier));

  const rewrite = (text: string, source: string, target: string): string =>
    text.replaceAll(SPECIFIER, (whole: string, before: string, quote: string, name: string) => {
      const isRelative = name.startsWith('.');
      if (isRelative ? !copied.has(source) : isInstalled(name)) return whole;
      const module = isRelative
        ? join(dirname(source), name.replace(/\.mjs$/, '.d.mts').replace(/\.[jt]s$/, '.d.ts'))
        : declarationsOf(name, source);
      // An example in a comment may name a module that does not exist.
      if (!existsSync(module)) return whole;
      const path = relative(dirname(target), copy(module)).replace(/\.d\.ts$/, '.js');
      return `${before}${quote}${path.startsWith('.') ? path : `./${path}`}${quote}`;
    });

  const copy = (module: string): string => {
    const known = copied.get(module);
    if (known !== undefined) return known;
    const target = vendorPath(module);
    copied.set(module, target);
    mkdirSync(dirname(target), { recursive: true });
    const text = readFileSync(module, 'utf8').replaceAll(/^\/\/# sourceMappingURL=.*\n?/gm, '');
    writeFileSync(target, rewrite(text, module, target));
    return target;
  };

  for (const file of declarationFiles()) {
    const path = join(dist, file);
    const text = readFileSync(path, 'utf8');
    const rewritten = rewrite(text, resolve('src', file.replace(/\.d\.ts$/, '.ts')), path);
    if (rewritten !== text) writeFileSync(path, rewritten);
  }
};

/**
 * Makes the declarations compile under older compilers and import `.js` files, and writes them again for CommonJS with `.cjs` files:
 * TypeScript takes the format of a module from its extension.
 */
export const writeBothFormats = (): void => {
  for (const file of declarationFiles()) {
    const text = forOlderCompilers(readFileSync(join(dist, file), 'utf8'));
    writeFileSync(join(dist, file), withExtension(text, '.js'));
    const commonJs = text.replaceAll(/^\/\/# sourceMappingURL=.*\n?/gm, '');
    writeFileSync(join(dist, file.replace(/\.d\.ts$/, '.d.cts')), withExtension(commonJs, '.cjs'));
  }
};

const withExtension = (text: string, extension: string): string =>
  text.replaceAll(SPECIFIER, (whole: string, before: string, quote: string, name: string) =>
    name.startsWith('.')
      ? `${before}${quote}${name.replace(/\.[jt]s$/, extension)}${quote}`
      : whole,
  );

const declarationFiles = (): string[] =>
  readdirSync(dist, { recursive: true, encoding: 'utf8' }).filter(file => file.endsWith('.d.ts'));

const packageName = (specifier: string): string =>
  specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');

/** Returns `dist/vendor/<package>/<file>.d.ts`. */
const vendorPath = (module: string): string => {
  const folder = packageFolder(module) ?? dirname(module);
  const name = folder
    .replace(/^.*\/node_modules\//, '')
    .replaceAll(/[@/]+/g, '-')
    .replace(/^-/, '');
  const file = relative(join(folder, 'dist'), module).replace(/\.d\.m?ts$/, '.d.ts');
  return join(dist, 'vendor', name, file);
};

/** The part of an entry of `exports` that names the declarations of ES modules. */
const Entry = z.object({
  types: z.string().optional(),
  import: z.object({ types: z.string().optional() }).optional(),
});

/** Returns the file with the declarations that `import … from specifier` in `source` resolves to. */
const declarationsOf = (specifier: string, source: string): string => {
  const name = packageName(specifier);
  const folder = installedFolder(name, source);
  const { exports, types } = readInstalled(folder);
  const entry = Entry.safeParse(exports[`.${specifier.slice(name.length)}`]).data;
  const found = entry?.import?.types ?? entry?.types ?? types;
  if (found === undefined) throw new Error(`${specifier} has no declarations to publish`);
  return join(folder, found);
};

const installedFolder = (name: string, source: string): string => {
  const folders = createRequire(source).resolve.paths(name) ?? [];
  const found = folders.map(folder => join(folder, name)).find(folder => existsSync(folder));
  if (found === undefined) throw new Error(`${basename(source)} imports ${name}: install it`);
  return found;
};
