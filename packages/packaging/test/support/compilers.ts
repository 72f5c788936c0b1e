import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { install } from './projects.ts';
import type { Registry } from './registry.ts';
import { run } from './run.ts';

/** The supported versions of TypeScript: the oldest, the newest, and two between them. */
export const COMPILERS = ['5.0', '5.4', '5.9', '7'] as const;
type Compiler = (typeof COMPILERS)[number];

const PROGRAMS = join(import.meta.dirname, '../fixtures/compilers');

/** The strictest settings of a project. They check all declarations too. */
const STRICT = {
  strict: true,
  exactOptionalPropertyTypes: true,
  noEmit: true,
  skipLibCheck: false,
  target: 'es2022',
};

/** An application, as an ES module and as CommonJS, without the types of browsers. */
const APPLICATION = { ...STRICT, lib: ['es2022'], types: ['node'] };
const SOURCES = ['page', 'application'];

/** The settings and sources of a project, by the way in which it resolves modules. */
const PROJECTS = {
  nodenext: {
    compilerOptions: { ...APPLICATION, module: 'nodenext' },
    files: SOURCES.flatMap(name => [`${name}.mts`, `${name}.cts`]),
  },
  node10: {
    compilerOptions: { ...APPLICATION, module: 'commonjs', moduleResolution: 'node10' },
    files: SOURCES.map(name => `${name}.cts`),
  },
  /** A page, without the types of Node.js. */
  bundler: {
    compilerOptions: {
      ...STRICT,
      module: 'esnext',
      moduleResolution: 'bundler',
      lib: ['es2022', 'dom'],
      types: [],
    },
    files: ['page.mts'],
  },
} as const;
type Resolution = keyof typeof PROJECTS;

/** TypeScript 7 has no `node10` resolution. */
export const CASES: readonly { readonly compiler: Compiler; readonly resolution: Resolution }[] =
  COMPILERS.flatMap(compiler =>
    (['nodenext', 'node10', 'bundler'] as const)
      .filter(resolution => compiler !== '7' || resolution !== 'node10')
      .map(resolution => ({ compiler, resolution })),
  );

/** The types of flags are part of the program, because the ways to resolve modules differ in their paths. */
const programOf = (name: string): string =>
  ['flags.ts', `${name}.ts`].map(file => readFileSync(join(PROGRAMS, file), 'utf8')).join('\n');

/** Makes a project with the packages, all compilers, and programs that use the packages. */
export const writePrograms = async (
  directory: string,
  packages: readonly string[],
  registry: Registry,
): Promise<void> => {
  mkdirSync(directory);
  writeFileSync(join(directory, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
  const compilers = COMPILERS.map(version => `typescript-${version}@npm:typescript@${version}`);
  // Newer types of Node.js do not compile under TypeScript 5.0.
  await install(directory, [...packages, ...compilers, '@types/node@20'], registry);
  for (const name of SOURCES)
    for (const extension of ['mts', 'cts'])
      writeFileSync(join(directory, `${name}.${extension}`), programOf(name));
  for (const [resolution, project] of Object.entries(PROJECTS))
    writeFileSync(join(directory, `${resolution}.json`), JSON.stringify(project));
};

/** Returns the version of the compiler, and compiles. Throws an error with all errors of the compiler. */
export const compileProgram = async (
  directory: string,
  { compiler, resolution }: (typeof CASES)[number],
): Promise<string> => {
  const tsc = join(directory, `node_modules/typescript-${compiler}/bin/tsc`);
  const project = ['--pretty', 'false', '--project', `${resolution}.json`];
  await run(process.execPath, [tsc, ...project], { cwd: directory });
  return run(process.execPath, [tsc, '--version'], { cwd: directory });
};
