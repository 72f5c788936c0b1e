/**
 * Writes types out, so that declarations stand on their own: whoever installs a package has only what the
 * package depends on, and neither the server nor the schemas are among that.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

export const root = resolve(import.meta.dirname, '../../..');
export const compiler = join(root, 'node_modules/typescript/bin/tsc');

/** A type that a module of this repository exports. */
export type Named = { readonly name: string; readonly module: string };

/** Where the published packages find what they do not bring along. */
const DEPENDENCY = /^@trpc\/server(\/|$)/;
/** What only the server itself knows; nobody outside sees them. */
const PRIVATE_TYPES = new Set(['Context', 'Meta']);

/** The text with a plain name for each type of ours, and where those types are. */
export const localNames = (text: string): { text: string; named: readonly Named[] } => {
  const named: Named[] = [];
  const replaced = text.replaceAll(
    /import\("([^"]+)"\)\.(\w+)/g,
    (whole: string, module: string, name: string) => {
      if (DEPENDENCY.test(module)) return whole;
      if (PRIVATE_TYPES.has(name)) return 'object';
      named.push({ name, module });
      return name;
    },
  );
  return { text: replaced, named };
};

/** Types by name, as text. */
export type Types = ReadonlyMap<string, string>;

/** The types written out, and those that they name in turn. `folder` is where their modules are found. */
export const writtenOut = (
  wanted: readonly Named[],
  folder: string,
  known: Types = new Map(),
): Types => {
  const unique = [...new Map(wanted.map(each => [each.name, each])).values()];
  const missing = unique.filter(({ name }) => !known.has(name));
  if (missing.length === 0) return known;
  const { text, named } = localNames(declarationsOf(expansion(missing), folder));
  return writtenOut(named, folder, new Map([...known, ...typesIn(text)]));
};

/**
 * A module whose declarations are the types, written out one level. The compiler writes a type's name
 * where it knows one, but not of an object that was mapped, nor of a plain type in a box.
 */
const expansion = (types: readonly Named[]): string => `
declare const writtenOut: <T>() => T extends object ? { [Name in keyof T]: T[Name] } : { boxed: T };
${types.map(({ name, module }) => `export const $${name} = writtenOut<import('${module}').${name}>();`).join('\n')}
`;

const typesIn = (declarations: string): (readonly [string, string])[] =>
  declarations
    .split(/^export declare const \$/m)
    .slice(1)
    .map(declaration => {
      const [name = '', ...type] = declaration.split(': ');
      return [name, withoutBoxes(type.join(': ')).replace(/;\s*(export \{\};)?\s*$/, '')];
    });

const withoutBoxes = (type: string): string =>
  type.replaceAll(/\{\s*boxed: ([^;]+);\s*\}/g, '$1').replaceAll('false | true', 'boolean');

const COMPILER_OPTIONS =
  '--declaration --emitDeclarationOnly --strict --exactOptionalPropertyTypes --skipLibCheck ' +
  '--allowImportingTsExtensions --module nodenext --target es2024 --types node --ignoreConfig';

/** Compiled in that folder, so that it finds what is found from there. */
const declarationsOf = (source: string, folder: string): string => {
  const stem = join(folder, `written-out-${process.pid}`);
  try {
    writeFileSync(`${stem}.ts`, source);
    execFileSync(process.execPath, [compiler, ...COMPILER_OPTIONS.split(' '), `${stem}.ts`], {
      stdio: 'inherit',
    });
    return readFileSync(`${stem}.d.ts`, 'utf8');
  } finally {
    for (const ending of ['.ts', '.d.ts']) rmSync(stem + ending, { force: true });
  }
};

export const requireSelfContained = (text: string): void => {
  const [foreign] = localNames(text).named;
  if (foreign !== undefined)
    throw new Error(`${foreign.name} of ${foreign.module} was not written out`);
  // A field may be called `any`, and tRPC itself leaves open what an iterator takes and returns.
  if (/\bany\b(?!\??:)/.test(text.replaceAll(', any, any>', '>'))) {
    throw new Error('a type could not be resolved');
  }
};
