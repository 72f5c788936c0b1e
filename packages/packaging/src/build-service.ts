/** Runs in packages/pennon: bundles the server into `dist`, with every file that it reads. */
import { chmodSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

import { buildSync } from 'esbuild';
import { z } from 'zod';

import { licensesOf } from './licenses.ts';
import { root } from './packages.ts';

const source = join(root, 'server/src');
const { dependencies } = z
  .object({ dependencies: z.record(z.string(), z.string()) })
  .parse(JSON.parse(readFileSync('package.json', 'utf8')));

rmSync('dist', { recursive: true, force: true });
const { metafile } = buildSync({
  entryPoints: {
    pennon: join(source, 'cli.ts'),
    'thread-main': join(source, 'store/sqlite/thread-main.ts'),
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
});
chmodSync('dist/pennon.js', 0o755);
cpSync(join(source, 'store/redis/scripts'), 'dist/scripts', { recursive: true });

const swagger = dirname(
  createRequire(join(source, 'main.ts')).resolve('swagger-ui-dist/package.json'),
);
mkdirSync('dist/swagger-ui');
for (const file of ['swagger-ui.css', 'swagger-ui-bundle.js', 'LICENSE'])
  cpSync(join(swagger, file), join('dist/swagger-ui', file));
writeFileSync(
  'dist/THIRD-PARTY-LICENSES.txt',
  licensesOf(Object.keys(metafile.inputs).map(input => join(process.cwd(), input))),
);
