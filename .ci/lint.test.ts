import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

import { afterAll, beforeAll, expect, test } from 'vitest';

const root = new URL('..', import.meta.url).pathname;

type Example = readonly [path: string, source: string];

/** For each rule that matters, code that it must refuse. */
const REFUSED: Readonly<Record<string, readonly Example[]>> = {
  'eslint(no-restricted-imports)': [
    ['packages/schema/src/a.ts', "import 'fastify';"],
    ['packages/schema/src/b.ts', "import 'node:fs';"],
    ['packages/engine/src/a.ts', "import 'zod';"],
    ['packages/engine/src/b.ts', "import 'node:crypto';"],
    [
      'packages/engine/src/c.ts',
      "import { Flag } from '@pennon/schema';\nexport const flag = Flag;",
    ],
    ['packages/engine/src/d.ts', "export * from '../../schema/src/flag.ts';"],
    ['packages/engine/src/e.ts', "export const load = () => import('zod');"],
    [
      'packages/client/src/a.ts',
      "import { createServer } from '@pennon/server';\nexport const a = createServer;",
    ],
    [
      'packages/client/src/b.ts',
      "import { router } from '@pennon/server/router';\nexport const b = router;",
    ],
    ['packages/client/src/c.ts', "import 'node:fs';"],
    ['packages/statistics/src/a.ts', "import 'jstat';"],
    ['packages/statistics/src/b.ts', "import '@pennon/engine';"],
    ['packages/sync/src/a.ts', "import '@trpc/client';"],
    ['packages/sync/src/b.ts', "import 'node:http';"],
    ['packages/console/src/a.ts', "import 'node:fs';"],
    [
      'packages/console/src/b.ts',
      "import { createApiClient } from '@pennon/client';\nexport const b = createApiClient;",
    ],
    ['providers/server/src/a.ts', "import 'zod';"],
    [
      'providers/server/src/b.ts',
      "import { Flag } from '@pennon/schema';\nexport const flag = Flag;",
    ],
    ['providers/web/src/a.ts', "import '@trpc/client';"],
    ['providers/web/src/b.ts', "import 'node:fs';"],
    ['server/src/a.ts', "import 'ioredis';"],
    ['server/src/b.ts', "import { env } from 'node:process';\nexport const home = env['HOME'];"],
    ['server/src/main.ts', "import 'ioredis';"],
    ['server/src/store/sqlite/a.ts', "import 'ioredis';"],
    ['server/src/store/redis/a.ts', "import 'fastify';"],
    ['server/src/store/redis/b.ts', "import '@trpc/server';"],
    [
      'server/src/flags/a.ts',
      "import type { FastifyRequest } from 'fastify';\nexport type A = FastifyRequest;",
    ],
    ['server/src/flags/b.ts', "import '../http/app.ts';"],
    ['server/src/segments/a.ts', "import '../router/flags.ts';"],
    [
      'server/src/environments/a.ts',
      "import type { Server } from 'node:http';\nexport type A = Server;",
    ],
    ['server/src/auth/a.ts', "import 'ioredis';"],
    [
      'server/src/streaming/a.ts',
      "import type { TrackedEnvelope } from '@trpc/server';\nexport type A = TrackedEnvelope<string>;",
    ],
    ['server/src/audit/a.ts', "import '@fastify/cors';"],
    ['server/src/evaluation/deep/a.ts', "import '../../http/app.ts';"],
  ],
  'eslint(no-restricted-globals)': [
    ['packages/engine/src/f.ts', 'export const now = new Date();'],
    ['packages/engine/src/g.ts', 'export const home = process.env;'],
    ['packages/engine/src/h.ts', "export const get = () => fetch('https://a.example');"],
    ['packages/engine/src/i.ts', 'export const now = globalThis.Date;'],
    ['server/src/c.ts', 'export const home = process.env;'],
    ['server/src/http/a.ts', 'export const home = process.env;'],
  ],
  'eslint(no-restricted-properties)': [
    ['packages/engine/src/j.ts', 'export const random = Math.random();'],
    ['server/src/auth/b.ts', 'export const random = Math.random();'],
    ['server/src/auth/c.ts', 'export const now = Date.now();'],
    ['server/src/auth/d.ts', 'export const home = globalThis.process;'],
    ['server/src/auth/e.ts', 'export const now = performance.now();'],
    ['packages/sync/src/c.ts', 'export const now = Date.now();'],
    ['packages/client/src/d.ts', 'export const now = performance.now();'],
    ['providers/server/src/c.ts', 'export const now = Date.now();'],
    ['providers/web/src/c.ts', 'export const now = performance.now();'],
  ],
  'eslint(no-console)': [
    ['packages/engine/src/k.ts', 'console.log(1);'],
    ['server/src/d.ts', 'console.log(1);'],
    ['server/test/a.test.ts', 'console.log(1);'],
  ],
  'typescript(consistent-type-assertions)': [
    ['packages/schema/src/c.ts', 'export const a = (value: unknown) => value as string;'],
    ['packages/engine/src/l.ts', 'export const a = (value: unknown) => value as string;'],
    ['server/src/store/a.ts', 'export const a = (value: unknown) => value as string;'],
  ],
  'typescript(no-explicit-any)': [['server/src/e.ts', 'export const a: any = 1;']],
  'typescript(no-non-null-assertion)': [
    ['server/src/f.ts', 'export const a = (b?: string) => b!;'],
  ],
  'typescript(consistent-type-imports)': [
    ['server/src/g.ts', "import { Flag } from '@pennon/schema';\nexport type A = Flag;"],
  ],
  'typescript(no-floating-promises)': [
    ['server/src/h.ts', 'export const a = () => {\n  Promise.resolve(1);\n};'],
  ],
  'typescript(switch-exhaustiveness-check)': [
    [
      'server/src/i.ts',
      "export const a = (b: 'x' | 'y') => {\n  switch (b) {\n    case 'x':\n      return 1;\n  }\n  return 2;\n};",
    ],
  ],
  'typescript(no-unsafe-member-access)': [
    ['server/src/j.ts', "export const a = () => JSON.parse('{}').b;"],
  ],
  'eslint(max-params)': [
    ['server/src/n.ts', 'export const n = (a: 1, b: 1, c: 1, d: 1, e: 1) => [a, b, c, d, e];'],
    [
      'packages/engine/src/m.ts',
      'export function m(a: 1, b: 1, c: 1, d: 1, e: 1) {\n  return [a, b, c, d, e];\n}',
    ],
  ],
  'import(no-default-export)': [['server/src/k.ts', 'export default 1;']],
  'import(no-cycle)': [
    ['server/src/l.ts', "import { m } from './m.ts';\nexport const l = () => m;"],
    ['server/src/m.ts', "import { l } from './l.ts';\nexport const m = () => l;"],
  ],
};

/** Code that the same rules must accept. */
const ACCEPTED: readonly Example[] = [
  ['packages/schema/src/y.ts', "export { z } from 'zod';"],
  ['packages/schema/src/z.ts', "export { y } from './y.ts';"],
  ['packages/engine/src/x.ts', "export { v3 } from 'murmurhash';"],
  ['packages/engine/src/y.ts', "export { RE2JS } from 're2js';"],
  [
    'packages/engine/src/z.ts',
    "import type { Flag } from '@pennon/schema';\nexport { x } from './x.ts';\nexport type Z = Flag;",
  ],
  [
    'packages/client/src/z.ts',
    "import type { AppRouter } from '@pennon/server/router';\nexport type Z = AppRouter;",
  ],
  [
    'providers/server/src/z.ts',
    "import type { Flag } from '@pennon/schema';\nexport { readFile } from 'node:fs/promises';\nexport type Z = Flag;",
  ],
  ['server/src/store/redis/z.ts', "export { Redis } from 'ioredis';"],
  [
    'server/src/http/z.ts',
    "import type { FastifyInstance } from 'fastify';\nexport type Z = FastifyInstance;",
  ],
  ['server/src/router/z.ts', "export { tracked } from '@trpc/server';"],
  ['server/src/y.ts', 'export const y = (a: 1, b: 1, c: 1, d: 1) => [a, b, c, d];'],
  ['server/src/clock.ts', 'export const now = () => Date.now();'],
  ['packages/sync/src/runtime.ts', 'export const monotonic = () => performance.now();'],
  ['server/src/random.ts', 'export const random = () => Math.random();'],
  ['packages/bench/src/z.ts', 'console.log(1);'],
  ['a.config.ts', 'export default {};'],
];

type Diagnostic = { readonly code: string; readonly filename: string };

let folder = '';
let found: readonly Diagnostic[] = [];

const write = async ([path, source]: Example): Promise<void> => {
  await mkdir(dirname(join(folder, path)), { recursive: true });
  await writeFile(join(folder, path), `${source}\n`);
};

const typescript = {
  extends: './tsconfig.base.json',
  compilerOptions: { types: ['node'] },
  include: ['**/*.ts'],
  references: [],
};

const lint = async (): Promise<readonly Diagnostic[]> => {
  const args = [join(root, 'node_modules/oxlint/bin/oxlint'), '--type-aware', '--format=json'];
  const run = promisify(execFile)(process.execPath, args, { cwd: folder });
  const { stdout } = await run.catch((failed: { stdout: string }) => failed);
  const report: { diagnostics: Diagnostic[] } = JSON.parse(stdout);
  return report.diagnostics;
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pennon-lint-'));
  await cp(join(root, '.oxlintrc.json'), join(folder, '.oxlintrc.json'));
  await cp(join(root, 'tsconfig.json'), join(folder, 'tsconfig.base.json'));
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
  await write(['tsconfig.json', JSON.stringify(typescript)]);
  await Promise.all([...Object.values(REFUSED).flat(), ...ACCEPTED].map(write));
  found = await lint();
});

afterAll(() => rm(folder, { recursive: true }));

const codesOf = (path: string): string[] =>
  found.filter(({ filename }) => filename === path).map(({ code }) => code);

const refused = Object.entries(REFUSED).flatMap(([code, examples]) =>
  examples.map(([path, source]) => [code, path, source] as const),
);

test.each(refused)('the rule %s refuses in %s: %s', (code, path) => {
  expect(codesOf(path)).toContain(code);
});

test.each(ACCEPTED)('the rules accept in %s: %s', path => {
  expect(codesOf(path)).toEqual([]);
});
