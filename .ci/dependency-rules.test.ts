import { globSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';

import { expect, test } from 'vitest';

import type { Manifest, SourceFile } from './dependency-rules.ts';
import { brokenArrows, folderCircles, importsOf } from './dependency-rules.ts';

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

test.each(folders)('every import of %s follows an arrow of the architecture', folder => {
  expect(filesOf(folder).flatMap(file => brokenArrows(file, root))).toEqual([]);
});

test.each(['.', ...folders])('%s takes its versions from the catalog', folder => {
  const { dependencies, devDependencies } = manifestOf(folder);
  const versions = Object.entries({ ...dependencies, ...devDependencies });
  const ofItsOwn = versions.filter(([, version]) => !/^(?:catalog:|workspace:\*)$/.test(version));
  expect(ofItsOwn).toEqual([]);
});

test('the folders of server/src import one another in one direction only', () => {
  expect(folderCircles(filesOf('server'), 'server/src')).toEqual([]);
});

const imports = (path: string, ...specifiers: string[]) => ({
  path,
  source: specifiers.map(specifier => `import '${specifier}';`).join('\n'),
});

test('folders that import one another, directly or through others, are circles', () => {
  const audit = { path: 'src/audit/a.ts', source: "import type { Key } from '../keys/b.ts';" };
  const keys = imports('src/keys/b.ts', '../auth/c.ts', '../audit/a.ts');
  const auth = imports('src/auth/c.ts', '../audit/a.ts');
  expect(folderCircles([audit, keys], 'src')).toEqual(['audit -> keys -> audit']);
  expect(folderCircles([audit, keys, auth], 'src')).toEqual([
    'audit -> keys -> auth -> audit',
    'audit -> keys -> audit',
  ]);
  const errors = imports('src/errors.ts', './keys/b.ts');
  expect(folderCircles([errors, imports('src/keys/b.ts', '../errors.ts')], 'src')).toEqual([
    'errors.ts -> keys -> errors.ts',
  ]);
});

test('folders that import one another in one direction are not circles', () => {
  const files = [
    imports('src/keys/a.ts', './b.ts', '../audit/deep/a.ts', '../clock.ts'),
    imports('src/audit/deep/a.ts', '../b.ts', '../../clock.ts', 'keys'),
    imports('src/clock.ts'),
  ];
  expect(folderCircles(files, 'src')).toEqual([]);
});

const manifest: Manifest = {
  name: '@pennon/engine',
  dependencies: { murmurhash: 'catalog:', '@pennon/sync': 'workspace:*' },
  devDependencies: { '@pennon/schema': 'workspace:*', ajv: 'catalog:' },
};
const broken = (path: string, source: string): string[] =>
  brokenArrows({ path, source, folder: 'packages/engine', manifest }, root);

test.each([
  [
    'an arrow that leads nowhere',
    "import { follow } from '@pennon/sync';",
    'no arrow leads from @pennon/engine to @pennon/sync',
  ],
  [
    'types by an arrow that leads nowhere',
    "import type { Follow } from '@pennon/sync';",
    'no arrow leads from @pennon/engine to the types of @pennon/sync',
  ],
  [
    'a path into another package',
    "import { Flag } from '../../schema/src/flag.ts';",
    'reaches out of packages/engine/src/ to packages/schema/src/flag.ts',
  ],
  [
    'a path to a test',
    "export * from '../test/cases.ts';",
    'reaches out of packages/engine/src/ to packages/engine/test/cases.ts',
  ],
  [
    'what is not declared',
    "import zod from 'zod';",
    'imports zod, which its package.json does not declare',
  ],
  [
    'a tool of development',
    "import { Ajv } from 'ajv';",
    'imports ajv, which its package.json does not declare',
  ],
  [
    'values where only types may be taken',
    "import { Flag } from '@pennon/schema';",
    'imports @pennon/schema, which its package.json does not declare',
  ],
  [
    'an import for its effects',
    "import 'zod';",
    'imports zod, which its package.json does not declare',
  ],
  [
    'an import in a call',
    "const zod = await import('zod');",
    'imports zod, which its package.json does not declare',
  ],
  [
    'an import over several lines',
    "import {\n  a,\n  type B,\n} from 'zod';",
    'imports zod, which its package.json does not declare',
  ],
  ['a computed import', 'await import(`${name}`);', 'computes what it imports'],
])('in source, %s is a broken arrow', (_, source, problem) => {
  expect(broken('packages/engine/src/a.ts', source)).toEqual([
    `packages/engine/src/a.ts ${problem}`,
  ]);
});

test.each([
  ['its own file', "import { b } from './b.ts';"],
  ['its own file further up', "import { b } from '../b.ts';"],
  [
    'a declared dependency, and a path in it',
    "import { v3 } from 'murmurhash';\nimport 'murmurhash/x';",
  ],
  ['the types of the schema', "import type { Flag } from '@pennon/schema';"],
  ['a text that it writes', 'const text = `\nexport * from "${name}";\n`;'],
  ['what stands in a comment', "// import 'zod';\n/** import('zod') */"],
])('in source, %s is no broken arrow', (_, source) => {
  expect(broken('packages/engine/src/deep/a.ts', source)).toEqual([]);
});

test('a test may take the types of another package, and the support of its tests', () => {
  const types = "import type { Flag } from '../../schema/src/flag.ts';";
  expect(broken('packages/engine/test/a.test.ts', types)).toEqual([]);
  const support = "import { serve } from '../../../server/test/support/server.ts';";
  expect(broken('packages/engine/test/a.test.ts', support)).toEqual([]);
  expect(broken('packages/engine/src/a.ts', support)).toHaveLength(1);
});

test('a test may take the tools of its package and of the root, and no values of another package by path', () => {
  const tools =
    "import { Ajv } from 'ajv';\nimport fc from 'fast-check';\nimport { Flag } from '@pennon/schema';";
  expect(broken('packages/engine/test/a.test.ts', tools)).toEqual([]);
  expect(broken('packages/engine/test/a.test.ts', "import '../../schema/test/b.ts';")).toEqual([
    'packages/engine/test/a.test.ts reaches out of packages/engine/ to packages/schema/test/b.ts',
  ]);
});

test('the imports of a source are found with whether they are of types only', () => {
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
