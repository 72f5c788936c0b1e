/**
 * Inlines types into declarations, so the published packages need neither the server nor the schemas:
 * users install only what a package depends on.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { root } from './packages.ts';

export const compiler = join(root, 'node_modules/typescript/bin/tsc');

/** A type that a module of this repository exports. */
export type TypeReference = { readonly name: string; readonly module: string };

/** Modules that the published packages depend on. Their types stay references. */
const DEPENDENCY = /^@trpc\/server(\/|$)/;
/** Types of the server that no client uses. */
const PRIVATE_TYPES = new Set(['Context', 'Meta']);

/** Replaces `import("module").Name` by `Name`, and returns the new text with the replaced references. */
export const extractReferences = (
  text: string,
): { text: string; references: readonly TypeReference[] } => {
  const references: TypeReference[] = [];
  const replaced = text.replaceAll(
    /import\("([^"]+)"\)\.(\w+)/g,
    (whole: string, module: string, name: string) => {
      if (DEPENDENCY.test(module)) return whole;
      if (PRIVATE_TYPES.has(name)) return 'object';
      references.push({ name, module });
      return name;
    },
  );
  return { text: replaced, references };
};

/** The source of types, by name. */
export type Types = ReadonlyMap<string, string>;

/**
 * Returns the source of the referenced types and of all types that these refer to. Modules are resolved
 * from `folder`.
 */
export const inlineTypes = (
  references: readonly TypeReference[],
  folder: string,
  known: Types = new Map(),
): Types => {
  const unique = [...new Map(references.map(each => [each.name, each])).values()];
  const missing = unique.filter(({ name }) => !known.has(name));
  if (missing.length === 0) return known;
  const expanded = extractReferences(declarationsOf(expansionOf(missing), folder));
  return inlineTypes(expanded.references, folder, new Map([...known, ...typesIn(expanded.text)]));
};

/**
 * Returns a module that declares the types, expanded by one level. The compiler prints the name
 * of a type if it has one, but a mapped object type and a primitive type in a box have none.
 */
const expansionOf = (types: readonly TypeReference[]): string => `
declare const expand: <T>() => T extends object ? { [Name in keyof T]: T[Name] } : { boxed: T };
${types.map(({ name, module }) => `export const $${name} = expand<import('${module}').${name}>();`).join('\n')}
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

/** Compiles in `folder`, so that modules are resolved from there. */
const declarationsOf = (source: string, folder: string): string => {
  const stem = join(folder, `inline-types-${process.pid}`);
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

/** Throws if declarations still refer to a module of this repository, or contain an unresolved type. */
export const requireSelfContained = (text: string): void => {
  const [foreign] = extractReferences(text).references;
  if (foreign !== undefined)
    throw new Error(`${foreign.name} of ${foreign.module} was not inlined`);
  // A field may be called `any`, and tRPC itself uses `any` for what an iterator returns and accepts.
  if (/\bany\b(?!\??:)/.test(text.replaceAll(', any, any>', '>'))) {
    throw new Error('a type could not be resolved');
  }
};
