import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeEach, expect, it } from 'vitest';

import { startProcess, type ServerProcess } from '../support/process.ts';
import { eventually, startRedis } from './processes.ts';
import {
  ADMIN_KEY,
  ask,
  newDirectory,
  removeDirectories,
  startServerOn,
  type RedisServer,
} from './servers.ts';

const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8');
const [, printed = ''] = /### Import and export[^]*?```sh\n([^]*?)```/.exec(readme) ?? [];

const redis = await startRedis();
const url = `redis://127.0.0.1:${redis.port}`;
const servers: ServerProcess[] = [];
afterAll(async () => {
  await Promise.all(servers.map(server => server.stop('SIGKILL')));
  await redis.remove();
  removeDirectories();
});

let directory: string;
let embedded: ServerProcess;
let shared: RedisServer;
let sdkKey: string;

const askEmbedded = (method: string, path: string, body?: unknown) =>
  ask(embedded.url, method, `/api/v1${path}`, { key: adminKey(), body });
const adminKey = () => readFileSync(join(directory, 'pennon-data', 'admin-key'), 'utf8').trim();

beforeEach(async () => {
  redis.cli('flushall');
  directory = newDirectory();
  embedded = await startProcess({ env: { PENNON_DATA: join(directory, 'pennon-data') } });
  shared = await startServerOn(url);
  servers.push(embedded, shared);
  await askEmbedded('POST', '/environments', { key: 'staging' });
  for (const environment of ['production', 'staging'])
    await askEmbedded('POST', `/flags?environment=${environment}`, {
      key: 'new-checkout',
      enabled: true,
      description: `of ${environment} 📏`,
      rules: [{ attribute: 'plan', operator: 'equals', value: 'pro', percentage: 50 }],
    });
  const key = { name: 'sdk', role: 'server', environment: 'staging' };
  sdkKey = (await askEmbedded('POST', '/keys', key)).body.secret;
});

/** Runs what the README prints, against these two servers; answers its exit code and what it said. */
const move = async () => {
  const script = printed
    .replaceAll('http://127.0.0.1:4400', embedded.url)
    .replaceAll('http://127.0.0.1:4401', shared.url);
  const shell = spawn('bash', ['-e', '-c', script], {
    cwd: directory,
    env: { PATH: process.env['PATH'], PENNON_ADMIN_KEY: ADMIN_KEY },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  shell.stdout.on('data', chunk => (output += String(chunk)));
  shell.stderr.on('data', chunk => (output += String(chunk)));
  const [code] = await once(shell, 'close');
  return { code, output };
};

it('two commands carry everything from the embedded store to Redis, byte for byte', async () => {
  expect(printed.trim().split('\n')).toHaveLength(2);
  expect(await move()).toMatchObject({ code: 0 });
  const exported = await shared.ask('GET', '/api/v1/export');
  expect(exported.text).toBe(readFileSync(join(directory, 'pennon-export.json'), 'utf8'));
  expect(exported.body.environments).toHaveLength(3);
  expect(exported.text).not.toContain(sdkKey);
});

it('a key of an application goes on to work, on every server, and answers what it did', async () => {
  const body = { flagKey: 'new-checkout', context: { targetingKey: 'ada', plan: 'pro' } };
  const before = await ask(embedded.url, 'POST', '/api/v1/evaluate', { key: sdkKey, body });
  const other = await startServerOn(url);
  servers.push(other);
  await move();
  for (const server of [shared, other]) {
    await eventually(
      async () => (await server.ask('GET', '/api/v1/flag-set', { key: sdkKey })).status === 200,
    );
    const after = await server.ask('POST', '/api/v1/evaluate', { key: sdkKey, body });
    expect(after.text).toBe(before.text);
  }
});

it('made again it changes nothing, and what differs there is never overwritten unasked', async () => {
  await move();
  expect((await move()).code).toBe(0);
  const path = '/api/v1/flags/new-checkout?environment=staging';
  await shared.ask('PATCH', path, { body: { enabled: false } });
  expect((await move()).code).not.toBe(0);
  expect((await shared.ask('GET', path)).body.enabled).toBe(false);
});

it('the move back is the identity too', async () => {
  await move();
  const exported = await shared.ask('GET', '/api/v1/export');
  const home = newDirectory();
  const fresh = await startProcess({ env: { PENNON_DATA: home, PENNON_ADMIN_KEY: ADMIN_KEY } });
  servers.push(fresh);
  const imported = await ask(fresh.url, 'POST', '/api/v1/import', { body: exported.body });
  expect(imported.status).toBe(200);
  expect((await ask(fresh.url, 'GET', '/api/v1/export')).text).toBe(exported.text);
});
