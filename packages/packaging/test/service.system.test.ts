import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { isBuiltin } from 'node:module';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';

import { publint } from 'publint';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';

import { freePort } from '../../../server/test/support/free-ports.ts';
import { root } from '../src/packages.ts';
import { install } from './support/projects.ts';
import { startRegistry, type Registry } from './support/registry.ts';
import { run } from './support/run.ts';

const MINUTES = 60_000;
const KEY = 'an-admin-key-of-24-characters-or-more';

let directory: string;
let registry: Registry;
let tarball: string;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'pennon-service-'));
  registry = await startRegistry(directory);
  const cwd = join(root, 'packages/pennon');
  await run('npx', ['-y', 'pnpm', 'pack', '--pack-destination', directory], { cwd });
  tarball = join(directory, readdirSync(directory).find(name => name.endsWith('.tgz')) ?? '');
}, 15 * MINUTES);
afterAll(async () => {
  await registry.close();
  // A server that was killed may still remove files.
  rmSync(directory, { recursive: true, force: true, maxRetries: 10 });
});

const start = async (project: string, args: readonly string[], launcher?: string) => {
  const bin = join(project, 'node_modules/.bin');
  const command = launcher === undefined ? [join(bin, 'pennon')] : [launcher, 'pennon'];
  const [program = '', ...more] = [...command, 'start', '--port', '0', ...args];
  const child: ChildProcess = spawn(program, more, {
    cwd: project,
    env: {
      PATH: `${bin}:${process.env['PATH']}`,
      HOME: homedir(),
      PENNON_ADMIN_KEY: KEY,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let output = '';
  let log = '';
  child.stderr?.on('data', (chunk: Buffer) => (log += chunk.toString()));
  const url = await new Promise<string>((resolve, reject) => {
    const collect = (chunk: Buffer) => {
      output += chunk.toString();
      const found = /listens on (http:\/\/\S+)/.exec(output)?.[1];
      if (found !== undefined) resolve(found);
    };
    child.stdout?.on('data', collect);
    child.stderr?.on('data', collect);
    child.once('exit', () => reject(new Error(output)));
  });
  return { child, url, output: () => output, log: () => log };
};

const call = async (url: string, body?: object): Promise<Response> =>
  fetch(`${url}/api/v1/flags?environment=production`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });

/** Creates a project with the package, and returns its directory. */
const createProject = async (name: string, more: readonly string[] = []): Promise<string> => {
  const project = join(directory, name);
  mkdirSync(project);
  writeFileSync(join(project, 'package.json'), '{"private": true}');
  await install(project, [tarball, ...more], registry);
  return project;
};

describe('the package pennon, packed', () => {
  const unpack = async (): Promise<string> => {
    const target = mkdtempSync(join(directory, 'unpacked-'));
    await run('tar', ['-xf', tarball, '-C', target], { cwd: directory });
    return join(target, 'package');
  };

  it('has no problems in publint, and has its license and those of bundled packages', async () => {
    const pkgDir = await unpack();
    const { messages } = await publint({ pkgDir, strict: true, pack: false });
    expect(messages).toEqual([]);
    expect(readFileSync(join(pkgDir, 'LICENSE'), 'utf8')).toContain('Apache License');
    const licenses = readFileSync(join(pkgDir, 'dist/THIRD-PARTY-LICENSES.txt'), 'utf8');
    for (const name of [
      '@trpc/server',
      'trpc-to-openapi',
      'swagger-ui-dist',
      'react',
      '@base-ui/react',
    ])
      expect(licenses).toMatch(new RegExp(`^${name} \\d`, 'm'));
  });

  it('depends on exactly those packages that its files import, with versions', async () => {
    const pkgDir = await unpack();
    const { dependencies } = JSON.parse(readFileSync(join(pkgDir, 'package.json'), 'utf8'));
    const dist = join(pkgDir, 'dist');
    const code = readdirSync(dist)
      .filter(file => file.endsWith('.js'))
      .map(file => readFileSync(join(dist, file), 'utf8'))
      .join('\n');
    const imported = [...code.matchAll(/^(?:import|\} from|import .* from) "([^".][^"]*)";$/gm)]
      .map(([, specifier = '']) => /^(@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? '')
      .filter(name => !isBuiltin(name));
    expect([...new Set(imported)].toSorted()).toEqual(Object.keys(dependencies).toSorted());
    for (const version of Object.values(dependencies)) expect(version).toMatch(/^\d+\.\d+\.\d+$/);
  });
});

describe('the package pennon, installed, with Redis', () => {
  it(
    'checks Redis, and serves with several workers that log JSON lines only',
    { timeout: 15 * MINUTES },
    async () => {
      const project = await createProject('with-redis');
      expect(existsSync(join(project, 'node_modules/typescript'))).toBe(false);
      const port = await freePort();
      const url = `redis://127.0.0.1:${port}`;
      const check = () =>
        run(join(project, 'node_modules/.bin/pennon'), ['check', '--redis-url', url], {
          cwd: project,
        });
      await expect(check()).rejects.toThrow(/cannot be reached/);
      const redis = spawn('redis-server', ['--port', String(port), '--save', ''], {
        cwd: project,
        stdio: 'ignore',
      });
      onTestFinished(() => void redis.kill('SIGKILL'));
      await expect.poll(check).toContain('is sound');

      const args = ['--redis-url', url, '--workers', '2', '--data', 'snapshots'];
      const server = await start(project, args);
      const readServers = async () => {
        const headers = { authorization: `Bearer ${KEY}` };
        const response = await fetch(`${server.url}/api/v1/status`, { headers });
        return ((await response.json()) as { servers: unknown[] }).servers.length;
      };
      await expect.poll(readServers).toBe(2);
      expect((await call(server.url, { key: 'shared', enabled: true })).status).toBe(201);
      // An import of this size is checked in a thread, which has a file of its own.
      const imported = await fetch(`${server.url}/api/v1/import?dryRun=true`, {
        method: 'POST',
        headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
        body: `{"formatVersion": 1, "environments": []}${' '.repeat(20_000)}`,
      });
      expect(imported.status).toBe(200);
      const ended = once(server.child, 'close');
      server.child.kill('SIGTERM');
      expect(await ended).toEqual([0, null]);
      for (const line of server.log().split('\n').filter(Boolean)) JSON.parse(line);
    },
  );
});

it.each(['20', '22.12.0'])(
  'the package pennon refuses Node %s with a remedy',
  { timeout: 15 * MINUTES },
  async node => {
    const project = await createProject(`old-node-${node}`, [`node@${node}`]);
    const bin = join(project, 'node_modules/.bin');
    const refused = run(join(bin, 'pennon'), ['start'], {
      cwd: project,
      env: { PATH: `${bin}:${process.env['PATH']}` },
    });
    await expect(refused).rejects.toThrow(/Node 22\.13 or newer is required, but this is v2/);
    expect(existsSync(join(project, 'pennon-data'))).toBe(false);
  },
);

describe.each(['22.13.0', '24', '26'])('the package pennon, installed with Node %s', node => {
  it(
    'serves, is backed up while it writes, and serves the restored data',
    { timeout: 15 * MINUTES },
    async () => {
      const project = await createProject(`node-${node}`, [`node@${node}`]);
      const bin = join(project, 'node_modules/.bin');
      const pennon = (...args: readonly string[]) =>
        run(join(bin, 'pennon'), args, {
          cwd: project,
          env: { PATH: `${bin}:${process.env['PATH']}` },
        });
      expect(await run(join(bin, 'node'), ['--version'], { cwd: project })).toContain(`v${node}`);
      expect(await pennon('--version')).toBe(
        `${JSON.parse(readFileSync(join(root, 'packages/pennon/package.json'), 'utf8')).version}\n`,
      );
      await expect(pennon('start', '--admin-key', KEY)).rejects.toThrow(
        /set PENNON_ADMIN_KEY instead/,
      );
      await expect(pennon('start', '--prot', '1')).rejects.toThrow(/did you mean --port\?/);
      for (const args of [
        ['start', 'now'],
        ['check', 'now'],
        ['backup', 'a.db', 'now'],
      ])
        await expect(pennon(...args)).rejects.toThrow(/is one argument too many/);

      const server = await start(project, ['--data', 'first']);
      expect(server.output()).not.toContain('ExperimentalWarning');
      expect((await call(server.url, { key: 'kept', enabled: true })).status).toBe(201);
      const writes = Array.from({ length: 50 }, (_, i) => call(server.url, { key: `flag-${i}` }));
      await pennon('backup', 'copy.db', '--data', 'first');
      await Promise.all(writes);
      expect(await pennon('check', '--data', 'first')).toContain('is sound');
      expect((await fetch(`${server.url}/docs/swagger-ui-bundle.js`)).status).toBe(200);
      const page = await fetch(server.url);
      expect(page.status).toBe(200);
      const [script = ''] = /\/assets\/index-[\w-]+\.js/.exec(await page.text()) ?? [];
      expect((await fetch(server.url + script)).status).toBe(200);
      const exited = once(server.child, 'exit');
      server.child.kill('SIGKILL');
      await exited;

      await expect(pennon('restore', 'copy.db', '--data', 'first')).rejects.toThrow(/is not empty/);
      await pennon('restore', 'copy.db', '--data', 'second');
      const restored = await start(project, ['--data', 'second']);
      const { items } = (await (await call(restored.url)).json()) as { items: { key: string }[] };
      expect(items.map(({ key }) => key)).toContain('kept');
      const [end] = [once(restored.child, 'exit')];
      restored.child.kill('SIGTERM');
      expect(await end).toEqual([0, null]);

      const launched = await start(project, ['--data', 'second'], 'npx');
      launched.child.kill('SIGTERM');
      const isServing = () =>
        call(launched.url).then(
          () => true,
          () => false,
        );
      await expect.poll(isServing).toBe(false);
    },
  );
});
