import { spawnSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

import { afterAll, beforeAll, expect, it } from 'vitest';

const here = resolve(import.meta.dirname, '..');
const compiler = resolve(here, '../../node_modules/typescript/bin/tsc');

/** A project that has the packed client, what that depends on, and nothing of this repository. */
let project: string;
let installed: string;

const run = (program: string, args: readonly string[], cwd: string) => {
  const { status, stdout, stderr } = spawnSync(program, args, { cwd, encoding: 'utf8' });
  return { status, said: stdout + stderr };
};

beforeAll(() => {
  project = mkdtempSync(join(tmpdir(), 'pennon-client-'));
  installed = join(project, 'node_modules/@pennon/client');
  mkdirSync(installed, { recursive: true });
  const packed = run('npx', ['-y', 'pnpm', 'pack', '--pack-destination', project], here);
  if (packed.status !== 0) throw new Error(packed.said);
  const tarball = readdirSync(project).find(name => name.endsWith('.tgz')) ?? '';
  run('tar', ['-xzf', join(project, tarball), '--strip-components=1', '-C', installed], project);
  for (const name of [
    '@trpc/client',
    '@trpc/server',
    'eventsource',
    '@openfeature/web-sdk',
    '@openfeature/server-sdk',
  ]) {
    const link = join(project, 'node_modules', name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join(here, 'node_modules', name), link);
  }
  writeFileSync(join(project, 'package.json'), JSON.stringify({ type: 'module' }));
});
afterAll(() => rmSync(project, { recursive: true }));

it('the packed client knows the whole router in a project without the server', () => {
  writeFileSync(join(project, 'types.ts'), readFileSync(join(here, 'test/types.ts')));
  const options = [
    '--noEmit',
    '--strict',
    '--module',
    'nodenext',
    '--target',
    'es2023',
    '--ignoreConfig',
  ];
  const libraries = ['--lib', 'es2023,dom', '--types', '', '--skipLibCheck'];
  expect(run(process.execPath, [compiler, ...options, ...libraries, 'types.ts'], project)).toEqual({
    status: 0,
    said: '',
  });
});

it('nothing in the packed declarations or code names the server or its schemas', () => {
  const files = readdirSync(join(installed, 'dist')).filter(name => !name.endsWith('.map'));
  const foreign = files.filter(name =>
    /@pennon\/(?!client)|from 'zod'|import\("zod/.test(
      readFileSync(join(installed, 'dist', name), 'utf8'),
    ),
  );
  expect(foreign).toEqual([]);
  const manifest = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'));
  expect(Object.keys(manifest.dependencies)).toEqual([
    '@trpc/client',
    '@trpc/server',
    'eventsource',
  ]);
});
