/**
 * Makes `dist/router.d.ts` of @pennon/client stand on its own. In the repository that module takes the router's types from
 * the server; whoever installs the package has no server. So the declarations that the compiler wrote for
 * the server's router are copied, and each type that they name is written out beside them.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '../../..');
const routerModule = join(root, 'server/dist/router/index.d.ts');
const compiler = join(root, 'node_modules/typescript/bin/tsc');
const rolledUp = join(root, 'packages/client/dist/router.d.ts');

/** What only the server itself knows; callers see neither. */
const PRIVATE_TYPES = new Set(['Context', 'Meta']);
/** Where the published package finds what it does not bring along. */
const DEPENDENCY = /^@trpc\/server(\/|$)/;

type Named = { readonly name: string; readonly module: string };

const rollUp = (): void => {
  const router = localNames(readFileSync(routerModule, 'utf8'));
  const types = expandAll(router.named, new Map());
  const text = [
    '// The types of the router, written out. Do not edit.',
    ...[...types].map(([name, type]) => `type ${name} = ${type};`),
    router.text.replace('export declare const', 'declare const').replace(/^\/\/# source.*$/m, ''),
  ].join('\n');
  requireSelfContained(text);
  writeFileSync(rolledUp, text);
  rmSync(`${rolledUp}.map`, { force: true });
};

/** The text with a plain name for each type of ours, and where those types are. */
const localNames = (text: string): { text: string; named: readonly Named[] } => {
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

/** The named types written out, and those that they name in turn. */
const expandAll = (
  wanted: readonly Named[],
  known: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> => {
  const missing = [...new Map(wanted.map(each => [each.name, each])).values()].filter(
    ({ name }) => !known.has(name),
  );
  if (missing.length === 0) return known;
  const { text, named } = localNames(declarationsOf(expansion(missing)));
  return expandAll(named, new Map([...known, ...writtenOut(text)]));
};

/**
 * A module whose declarations are the types, written out one level. The compiler writes a type's name
 * where it knows one, but not of an object that was mapped, nor of a plain type in a box.
 */
const expansion = (types: readonly Named[]): string => `
declare const writtenOut: <T>() => T extends object ? { [Name in keyof T]: T[Name] } : { boxed: T };
${types.map(({ name, module }) => `export const $${name} = writtenOut<import('${module}').${name}>();`).join('\n')}
`;

const writtenOut = (declarations: string): (readonly [string, string])[] =>
  declarations
    .split(/^export declare const \$/m)
    .slice(1)
    .map(declaration => {
      const [name = '', ...type] = declaration.split(': ');
      return [name, withoutBoxes(type.join(': ')).replace(/;\s*(export \{\};)?\s*$/, '')];
    });

const withoutBoxes = (type: string): string => type.replaceAll(/\{\s*boxed: ([^;]+);\s*\}/g, '$1');

const COMPILER_OPTIONS =
  '--declaration --emitDeclarationOnly --strict --exactOptionalPropertyTypes --skipLibCheck ' +
  '--allowImportingTsExtensions --module nodenext --target es2024 --types node --ignoreConfig';

/** Compiled beside the router, so that it finds what the router finds. */
const declarationsOf = (source: string): string => {
  const stem = join(dirname(routerModule), `roll-up-${process.pid}`);
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

const requireSelfContained = (text: string): void => {
  const [foreign] = localNames(text).named;
  if (foreign !== undefined)
    throw new Error(`${foreign.name} of ${foreign.module} was not written out`);
  // A field may be called `any`, and tRPC itself leaves open what an iterator takes and returns.
  if (/\bany\b(?!\??:)/.test(text.replaceAll(', any, any>', '>'))) {
    throw new Error('a type of the router could not be resolved');
  }
};

rollUp();
