import { execFile } from 'node:child_process';
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { openApiDocument } from '../src/http/openapi.ts';
import { ADMIN_KEY, startServer } from './support/server.ts';

/** Generators at exact versions. Their output depends on them, and on TypeScript 5, which has the API they call. */
const NPM = ['openapi-typescript@7.13.0', '@hey-api/openapi-ts@0.99.0', 'typescript@5.9.3'];
const PYPI = ['openapi-python-client==0.29.1', 'httpx', 'attrs', 'python-dateutil'];
const GO = 'github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@v2.8.2';

const COMPILER_OPTIONS =
  '--strict --skipLibCheck --target es2022 --lib es2023,dom,dom.iterable --module commonjs --moduleResolution node --typeRoots none --outDir built';

const INSTALL_TIMEOUT_MS = 300_000;

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pennon-generators-'));
  await writeFile(join(directory, 'openapi.json'), JSON.stringify(openApiDocument()));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

/** Runs a command in the directory. Returns what it printed; fails if it does. */
const run = async (command: string, args: readonly string[], env: object = {}): Promise<string> => {
  const options = { cwd: directory, env: { ...process.env, ...env } };
  const { stdout, stderr } = await promisify(execFile)(command, args, options).catch(
    (error: Error & { stdout?: string; stderr?: string }) => {
      throw new Error(`${command} failed: ${error.stdout ?? ''}${error.stderr ?? ''}`);
    },
  );
  return stdout + stderr;
};

const copy = (name: string): Promise<void> =>
  copyFile(new URL(`fixtures/generators/${name}`, import.meta.url), join(directory, name));

/** Runs a program that uses a generated client against a new server, and checks what it printed. */
const expectWorking = async (command: string, args: readonly string[], env?: object) => {
  await using server = await startServer();
  const printed = await run(command, [...args, await server.listen(), ADMIN_KEY], env);
  expect(JSON.parse(printed)).toEqual({ largest: 100, value: 100 });
};

describe('generators of TypeScript', () => {
  const bin = (name: string) => join('node_modules', '.bin', name);
  const compile = (...files: string[]) =>
    run(bin('tsc'), [...COMPILER_OPTIONS.split(' '), ...files]);

  beforeAll(async () => {
    await writeFile(join(directory, 'package.json'), '{ "private": true }');
    await run('npm', ['install', '--no-audit', '--no-fund', ...NPM]);
  }, INSTALL_TIMEOUT_MS);

  it('openapi-typescript writes types that compile', async () => {
    const printed = await run(bin('openapi-typescript'), ['openapi.json', '-o', 'types.ts']);
    expect(printed).not.toMatch(/warn|error/i);
    await compile('types.ts');
  });

  it('@hey-api/openapi-ts writes a client that compiles and works', async () => {
    const plugins = ['@hey-api/typescript', '@hey-api/sdk', '@hey-api/client-fetch'];
    const args = ['-i', 'openapi.json', '-o', 'client', '--no-log-file', '-p', ...plugins];
    expect(await run(bin('openapi-ts'), args)).not.toMatch(/warn|error/i);
    await copy('use-client.ts');
    await writeFile(
      join(directory, 'globals.d.ts'),
      'declare const process: { readonly argv: readonly string[] };',
    );
    await compile('globals.d.ts', 'use-client.ts');
    await expectWorking(process.execPath, ['built/use-client.js']);
  });
});

describe('generators of Python', () => {
  const environment = () => join(directory, 'venv', 'bin');

  beforeAll(async () => {
    await run('python3', ['-m', 'venv', 'venv']);
    await run(join(environment(), 'pip'), ['install', '--quiet', ...PYPI]);
  }, INSTALL_TIMEOUT_MS);

  it('openapi-python-client writes a client without a warning, and it works', async () => {
    const args = ['generate', '--path', 'openapi.json', '--output-path', 'pennon_api'];
    await run(
      join(environment(), 'openapi-python-client'),
      [...args, '--meta', 'none', '--fail-on-warning'],
      { PATH: `${environment()}:${process.env['PATH']}` },
    );
    await copy('use_client.py');
    await expectWorking(join(environment(), 'python'), ['use_client.py']);
  });
});

/** Go is optional: without it, or without a module proxy, its test is skipped and this is the reason. */
const goProblem: string | undefined = await promisify(execFile)(
  'go',
  ['list', '-m', '-versions', GO.replace(/\/cmd.*/, '')],
  { cwd: tmpdir(), timeout: 20_000 },
).then(
  () => undefined,
  (error: NodeJS.ErrnoException) =>
    error.code === 'ENOENT' ? 'Go is not installed' : 'the module proxy of Go is not available',
);

describe('generators of Go', () => {
  const reason = goProblem === undefined ? '' : ` (skipped: ${goProblem})`;
  it.skipIf(goProblem !== undefined)(
    `oapi-codegen writes a client that compiles and works${reason}`,
    async () => {
      const env = { GOBIN: directory, GOFLAGS: '-mod=mod' };
      await run('go', ['install', GO], { GOBIN: directory });
      await writeFile(join(directory, 'go.mod'), 'module example.com/pennon\n\ngo 1.24\n');
      const args = ['-generate', 'types,client', '-package', 'main', '-o', 'client.go'];
      await run('./oapi-codegen', [...args, 'openapi.json']);
      await copy('use_client.go');
      await run('go', ['mod', 'tidy'], env);
      await run('go', ['build', '-o', 'use-client', '.'], env);
      await expectWorking('./use-client', []);
    },
    INSTALL_TIMEOUT_MS,
  );
});
