import { globSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';

import { expect, test } from 'vitest';

import type { Manifest, SourceFile } from './dependency-rules.ts';
import { forbiddenImports, folderCycles, importsOf } from './dependency-rules.ts';

const cwd = new URL('..', import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, cwd), 'utf8');
const manifestOf = (folder: string): Manifest =>
  JSON.parse(read(posix.join(folder, 'package.json')));

const root = manifestOf('.');
const folders = globSync(
  ['packages/*/package.json', 'providers/*/package.json', 'server/package.json'],
  { cwd },
)
  .map(path => posix.dirname(path))
  .toSorted();

const filesOf = (folder: string): SourceFile[] => {
  const manifest = manifestOf(folder);
  return globSync(`${folder}/{src,test}/**/*.{ts,tsx}`, { cwd })
    .toSorted()
    .map(path => ({ path, source: read(path), folder, manifest }));
};

test.each(folders)('every import of %s follows the dependency rules', folder => {
  expect(filesOf(folder).flatMap(file => forbiddenImports(file, root))).toEqual([]);
});

test.each(['.', ...folders])('%s declares dependencies by catalog version only', folder => {
  const { dependencies, devDependencies } = manifestOf(folder);
  const versions = Object.entries({ ...dependencies, ...devDependencies });
  const pinned = versions.filter(([, version]) => !/^(?:catalog:|workspace:\*)$/.test(version));
  expect(pinned).toEqual([]);
});

test('the folders of server/src have no import cycle', () => {
  expect(folderCycles(filesOf('server'), 'server/src')).toEqual([]);
});

/** Returns the packages that a file loads, through all files of its package that it imports. */
const packagesLoadedBy = (file: string): ReadonlySet<string> => {
  const visited = new Set<string>();
  const packages = new Set<string>();
  const visit = (path: string): void => {
    if (visited.has(path)) return;
    visited.add(path);
    for (const { specifier, typeOnly } of importsOf(read(path))) {
      if (typeOnly) continue;
      if (specifier.startsWith('.')) visit(posix.join(posix.dirname(path), specifier));
      else packages.add(specifier);
    }
  };
  visit(file);
  return packages;
};

test('a server starts without the hundreds of files of the statistics, which have a thread', () => {
  expect(packagesLoadedBy('server/src/main.ts')).toContain('fastify');
  expect(packagesLoadedBy('server/src/main.ts')).not.toContain('@pennon/statistics');
  expect(packagesLoadedBy('server/src/experiments/analysis/thread.ts')).toContain(
    '@pennon/statistics',
  );
});

const imports = (path: string, ...specifiers: string[]) => ({
  path,
  source: specifiers.map(specifier => `import '${specifier}';`).join('\n'),
});

test('folders that import each other, directly or through others, form a cycle', () => {
  const audit = { path: 'src/audit/a.ts', source: "import type { Key } from '../keys/b.ts';" };
  const keys = imports('src/keys/b.ts', '../auth/c.ts', '../audit/a.ts');
  const auth = imports('src/auth/c.ts', '../audit/a.ts');
  expect(folderCycles([audit, keys], 'src')).toEqual(['audit -> keys -> audit']);
  expect(folderCycles([audit, keys, auth], 'src')).toEqual([
    'audit -> keys -> auth -> audit',
    'audit -> keys -> audit',
  ]);
  const errors = imports('src/errors.ts', './keys/b.ts');
  expect(folderCycles([errors, imports('src/keys/b.ts', '../errors.ts')], 'src')).toEqual([
    'errors.ts -> keys -> errors.ts',
  ]);
});

test('folders that import in one direction do not form a cycle', () => {
  const files = [
    imports('src/keys/a.ts', './b.ts', '../audit/deep/a.ts', '../clock.ts'),
    imports('src/audit/deep/a.ts', '../b.ts', '../../clock.ts', 'keys'),
    imports('src/clock.ts'),
  ];
  expect(folderCycles(files, 'src')).toEqual([]);
});

const manifest: Manifest = {
  name: '@pennon/engine',
  dependencies: { murmurhash: 'catalog:', '@pennon/sync': 'workspace:*' },
  devDependencies: { '@pennon/schema': 'workspace:*', ajv: 'catalog:' },
};
const problemsOf = (path: string, source: string): string[] =>
  forbiddenImports({ path, source, folder: 'packages/engine', manifest }, root);

test.each([
  [
    'a package that it does not depend on',
    "import { follow } from '@pennon/sync';",
    'may not import @pennon/sync: @pennon/engine does not depend on it',
  ],
  [
    'types of a package that it does not depend on',
    "import type { Follow } from '@pennon/sync';",
    'may not import types of @pennon/sync: @pennon/engine does not depend on it',
  ],
  [
    'a path into another package',
    "import { Flag } from '../../schema/src/flag.ts';",
    'imports packages/schema/src/flag.ts from outside of packages/engine/src/',
  ],
  [
    'a path to a test',
    "export * from '../test/cases.ts';",
    'imports packages/engine/test/cases.ts from outside of packages/engine/src/',
  ],
  [
    'a package that is not declared',
    "import zod from 'zod';",
    'imports zod, which its package.json does not declare',
  ],
  [
    'a development dependency',
    "import { Ajv } from 'ajv';",
    'imports ajv, which its package.json does not declare',
  ],
  [
    'values of a package that only permits types',
    "import { Flag } from '@pennon/schema';",
    'imports @pennon/schema, which its package.json does not declare',
  ],
  [
    'an import for its side effects',
    "import 'zod';",
    'imports zod, which its package.json does not declare',
  ],
  [
    'an import() call',
    "const zod = await import('zod');",
    'imports zod, which its package.json does not declare',
  ],
  [
    'an import over several lines',
    "import {\n  a,\n  type B,\n} from 'zod';",
    'imports zod, which its package.json does not declare',
  ],
  ['a computed import', 'await import(`${name}`);', 'has an import() with a computed name'],
])('in source, importing %s is forbidden', (_, source, problem) => {
  expect(problemsOf('packages/engine/src/a.ts', source)).toEqual([
    `packages/engine/src/a.ts ${problem}`,
  ]);
});

test('a published package may import a development dependency, because its bundle contains it', () => {
  const published = { ...manifest, publishConfig: {} };
  const problems = (source: string) =>
    forbiddenImports(
      { path: 'packages/engine/src/a.ts', source, folder: 'packages/engine', manifest: published },
      root,
    );
  expect(problems("import { Ajv } from 'ajv';")).toEqual([]);
  expect(problems("import { Flag } from '@pennon/schema';")).toHaveLength(1);
  expect(problems("import zod from 'zod';")).toHaveLength(1);
});

test.each([
  ['a file of the same package', "import { b } from './b.ts';"],
  ['a file of the same package in a parent folder', "import { b } from '../b.ts';"],
  [
    'a declared dependency, and a path in it',
    "import { v3 } from 'murmurhash';\nimport 'murmurhash/x';",
  ],
  ['the types of the schema', "import type { Flag } from '@pennon/schema';"],
  ['inside a string literal', 'const text = `\nexport * from "${name}";\n`;'],
  ['inside a comment', "// import 'zod';\n/** import('zod') */"],
])('in source, importing %s is allowed', (_, source) => {
  expect(problemsOf('packages/engine/src/deep/a.ts', source)).toEqual([]);
});

test('a test may import types and test support of another package', () => {
  const types = "import type { Flag } from '../../schema/src/flag.ts';";
  expect(problemsOf('packages/engine/test/a.test.ts', types)).toEqual([]);
  const support = "import { serve } from '../../../server/test/support/server.ts';";
  expect(problemsOf('packages/engine/test/a.test.ts', support)).toEqual([]);
  const processes = "import { startRedis } from '../../../server/test/redis/processes.ts';";
  expect(problemsOf('packages/engine/test/a.test.ts', processes)).toEqual([]);
  expect(problemsOf('packages/engine/src/a.ts', support)).toHaveLength(1);
});

test('a test may import the tools of its package and of the root, but no values of another package by path', () => {
  const tools =
    "import { Ajv } from 'ajv';\nimport fc from 'fast-check';\nimport { Flag } from '@pennon/schema';";
  expect(problemsOf('packages/engine/test/a.test.ts', tools)).toEqual([]);
  expect(
    problemsOf('packages/engine/test/a.test.ts', "import '../../schema/test/b.test.ts';"),
  ).toEqual([
    'packages/engine/test/a.test.ts imports packages/schema/test/b.test.ts from outside of packages/engine/',
  ]);
});

test('imports are listed with whether they are type-only', () => {
  const source = `
    import type { A } from 'a';
    import b, { type B } from "b";
    export type { C } from 'c';
    export * as d from 'd';
    const text = "import x from 'e'";
  `;
  expect(importsOf(source)).toEqual([
    { specifier: 'a', typeOnly: true },
    { specifier: 'b', typeOnly: false },
    { specifier: 'c', typeOnly: true },
    { specifier: 'd', typeOnly: false },
  ]);
});
