import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';

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
}, 5 * MINUTES);
afterAll(async () => {
  await registry.close();
  rmSync(directory, { recursive: true });
});

const start = async (project: string, ...args: readonly string[]) => {
  const bin = join(project, 'node_modules/.bin');
  const child: ChildProcess = spawn(join(bin, 'pennon'), ['start', '--port', '0', ...args], {
    cwd: project,
    env: { PATH: `${bin}:${process.env['PATH']}`, PENNON_ADMIN_KEY: KEY },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let output = '';
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
  return { child, url, output: () => output };
};

const call = async (url: string, body?: object): Promise<Response> =>
  fetch(`${url}/api/v1/flags?environment=production`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });

describe.each(['22.13.0', '24', '26'])('the package pennon, installed with Node %s', node => {
  it(
    'serves, is backed up while it writes, and serves the restored data',
    { timeout: 5 * MINUTES },
    async () => {
      const project = join(directory, `node-${node}`);
      mkdirSync(project);
      writeFileSync(join(project, 'package.json'), '{"private": true}');
      await install(project, [tarball, `node@${node}`], registry);
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

      const server = await start(project, '--data', 'first');
      expect(server.output()).not.toContain('ExperimentalWarning');
      expect((await call(server.url, { key: 'kept', enabled: true })).status).toBe(201);
      const writes = Array.from({ length: 50 }, (_, i) => call(server.url, { key: `flag-${i}` }));
      await pennon('backup', 'copy.db', '--data', 'first');
      await Promise.all(writes);
      expect(await pennon('check', '--data', 'first')).toContain('is sound');
      expect((await fetch(`${server.url}/docs/swagger-ui-bundle.js`)).status).toBe(200);
      const exited = once(server.child, 'exit');
      server.child.kill('SIGKILL');
      await exited;

      await expect(pennon('restore', 'copy.db', '--data', 'first')).rejects.toThrow(/is not empty/);
      await pennon('restore', 'copy.db', '--data', 'second');
      const restored = await start(project, '--data', 'second');
      const { items } = (await (await call(restored.url)).json()) as { items: { key: string }[] };
      expect(items.map(({ key }) => key)).toContain('kept');
      const [end] = [once(restored.child, 'exit')];
      restored.child.kill('SIGTERM');
      expect(await end).toEqual([0, null]);
    },
  );
});
