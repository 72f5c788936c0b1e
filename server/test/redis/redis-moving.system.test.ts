import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, it } from 'vitest';

import { startProcess, type ServerProcess } from '../support/process.ts';
import { ADMIN_KEY, request, newDirectory, startServerOn, type RedisServer } from './servers.ts';
import { useRedis } from './setup.ts';

const page = readFileSync(new URL('../../../docs/operations.md', import.meta.url), 'utf8');
const [, printed = ''] = /## Import and export[^]*?```sh\n([^]*?)```/.exec(page) ?? [];

const redis = useRedis();
const servers: ServerProcess[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map(server => server.stop('SIGKILL')));
});

let directory: string;
let embedded: ServerProcess;
let shared: RedisServer;
let sdkKey: string;

const requestEmbedded = (method: string, path: string, body?: unknown) =>
  request(embedded.url, method, `/api/v1${path}`, { key: adminKey(), body });
const adminKey = () => readFileSync(join(directory, 'pennon-data', 'admin-key'), 'utf8').trim();

beforeEach(async () => {
  redis().cli('flushall');
  directory = newDirectory();
  embedded = await startProcess({ env: { PENNON_DATA: join(directory, 'pennon-data') } });
  shared = await startServerOn(redis().url);
  servers.push(embedded, shared);
  await requestEmbedded('POST', '/environments', { key: 'staging' });
  for (const environment of ['production', 'staging'])
    await requestEmbedded('POST', `/flags?environment=${environment}`, {
      key: 'new-checkout',
      enabled: true,
      description: `of ${environment} 📏`,
      rules: [{ attribute: 'plan', operator: 'equals', value: 'pro', percentage: 50 }],
    });
  const key = { name: 'sdk', role: 'server', environment: 'staging' };
  sdkKey = (await requestEmbedded('POST', '/keys', key)).body.secret;
});

/** Runs the commands of the documentation against these two servers. Returns the exit code and the output. */
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

it('two commands copy everything from the embedded store to Redis, byte for byte', async () => {
  expect(printed.trim().split('\n')).toHaveLength(2);
  expect(await move()).toMatchObject({ code: 0 });
  const exported = await shared.request('GET', '/api/v1/export');
  expect(exported.text).toBe(readFileSync(join(directory, 'pennon-export.json'), 'utf8'));
  expect(exported.body.environments).toHaveLength(3);
  expect(exported.text).not.toContain(sdkKey);
});

it('an application key still works on every server, with the same results', async () => {
  const body = { flagKey: 'new-checkout', context: { targetingKey: 'ada', plan: 'pro' } };
  const before = await request(embedded.url, 'POST', '/api/v1/evaluate', { key: sdkKey, body });
  const other = await startServerOn(redis().url);
  servers.push(other);
  await move();
  for (const server of [shared, other]) {
    // The key and the flag may arrive at the other server one after the other.
    const evaluate = async () =>
      (await server.request('POST', '/api/v1/evaluate', { key: sdkKey, body })).text;
    await expect.poll(evaluate).toBe(before.text);
  }
});

it('a second run changes nothing, and never overwrites differences without `overwrite`', async () => {
  await move();
  expect((await move()).code).toBe(0);
  const path = '/api/v1/flags/new-checkout?environment=staging';
  await shared.request('PATCH', path, { body: { enabled: false } });
  expect((await move()).code).not.toBe(0);
  expect((await shared.request('GET', path)).body.enabled).toBe(false);
});

it('an export from Redis can be imported into an embedded store, byte for byte', async () => {
  await move();
  const exported = await shared.request('GET', '/api/v1/export');
  const home = newDirectory();
  const fresh = await startProcess({ env: { PENNON_DATA: home, PENNON_ADMIN_KEY: ADMIN_KEY } });
  servers.push(fresh);
  const imported = await request(fresh.url, 'POST', '/api/v1/import', { body: exported.body });
  expect(imported.status).toBe(200);
  expect((await request(fresh.url, 'GET', '/api/v1/export')).text).toBe(exported.text);
});
