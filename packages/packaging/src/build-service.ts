/**
 * Runs in packages/pennon: bundles the server into `dist`, with every file that it reads and the console. tRPC and
 * trpc-to-openapi are part of the bundle, because they would install the TypeScript compiler.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire, isBuiltin } from 'node:module';
import { basename, dirname, join } from 'node:path';

import { buildSync, type Metafile } from 'esbuild';
import { z } from 'zod';

import { licensesOf } from './licenses.ts';
import { root } from './packages.ts';

const source = join(root, 'server/src');
const { dependencies } = z
  .object({ dependencies: z.record(z.string(), z.string()) })
  .parse(JSON.parse(readFileSync('package.json', 'utf8')));

const REQUIRE = `import { createRequire as createRequireHere } from 'node:module';
const require = createRequireHere(import.meta.url);`;

/** Returns the names of the packages among the imports, which are modules of Node otherwise. */
const externalPackages = (imports: Metafile['outputs'][string]['imports']): string[] =>
  imports
    .filter(({ path, external }) => external === true && !isBuiltin(path))
    .map(({ path }) => /^(@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? path);

/** Throws if the bundle imports other packages than those that are installed with it. */
const requireSameNames = (declared: readonly string[], imported: readonly string[]): void => {
  const different = new Set([
    ...declared.filter(name => !imported.includes(name)),
    ...imported.filter(name => !declared.includes(name)),
  ]);
  if (different.size > 0)
    throw new Error(`declared or imported, but not both: ${[...different].join(', ')}`);
};

rmSync('dist', { recursive: true, force: true });
const { metafile } = buildSync({
  entryPoints: {
    pennon: join(source, 'cli.ts'),
    'check-thread': join(source, 'import-export/check-thread.ts'),
    'analysis-thread': join(source, 'experiments/analysis/thread.ts'),
    'events-thread': join(source, 'events/thread-main.ts'),
    'thread-main': join(source, 'store/sqlite/thread-main.ts'),
    'integrity-main': join(source, 'store/sqlite/integrity-main.ts'),
  },
  outdir: 'dist',
  bundle: true,
  splitting: true,
  metafile: true,
  chunkNames: 'shared-[hash]',
  external: Object.keys(dependencies).flatMap(name => [name, `${name}/*`]),
  format: 'esm',
  platform: 'node',
  target: 'node22',
  logLevel: 'warning',
  // Bundled CommonJS modules require modules of Node.
  banner: { js: REQUIRE },
});
requireSameNames(
  Object.keys(dependencies),
  Object.values(metafile.outputs).flatMap(({ imports }) => externalPackages(imports)),
);
chmodSync('dist/pennon.js', 0o755);
cpSync(join(source, 'store/redis/scripts'), 'dist/scripts', { recursive: true });

const swagger = dirname(
  createRequire(join(source, 'main.ts')).resolve('swagger-ui-dist/package.json'),
);
mkdirSync('dist/swagger-ui');
const swaggerFiles = ['swagger-ui.css', 'swagger-ui-bundle.js'].map(file => join(swagger, file));
for (const file of swaggerFiles) cpSync(file, join('dist/swagger-ui', basename(file)));

const Paths = z.array(z.string());
const buildConsole = join(root, 'packages/console/build.ts');
const consoleInputs = Paths.parse(
  JSON.parse(execFileSync(process.execPath, [buildConsole, 'dist/console'], { encoding: 'utf8' })),
);

const inputs = Object.keys(metafile.inputs).map(input => join(process.cwd(), input));
writeFileSync(
  'dist/THIRD-PARTY-LICENSES.txt',
  licensesOf([...inputs, ...swaggerFiles, ...consoleInputs]),
);
