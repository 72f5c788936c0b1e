import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';

import {
  startFlagServer,
  type FlagServer,
} from '../../../packages/sync/test/support/flag-server.ts';
import { freePort } from '../../../server/test/support/free-ports.ts';
import { compileCache } from '../../../server/test/support/process.ts';

const EXAMPLES = new URL('../examples/', import.meta.url).pathname;

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

/** Makes the timers of a process ten times as slow, so that it waits for flags as long as a busy machine takes. */
const PATIENT = `--import=data:text/javascript,${encodeURIComponent(`
  const real = setTimeout;
  globalThis.setTimeout = (callback, ms, ...args) => real(callback, ms * 10, ...args);
`)}`;

const start = (name: string, env: Readonly<Record<string, string>>, ...options: string[]) => {
  const child = spawn(process.execPath, [...options, join(EXAMPLES, name)], {
    env: { ...compileCache, PATH: process.env['PATH'] ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  let output = '';
  child.stdout.on('data', chunk => (output += String(chunk)));
  child.stderr.on('data', chunk => (output += String(chunk)));
  return { child, output: () => output, exited: once(child, 'close') };
};

const run = async (...args: Parameters<typeof start>) => {
  const { output, exited } = start(...args);
  const [code] = await exited;
  return { code, output: output() };
};

/** The URL that a service prints when it listens. */
const addressOf = async (output: () => string): Promise<string> => {
  await expect.poll(output).toMatch(/port: \d+/);
  const [, port] = /port: (\d+)/.exec(output()) ?? [];
  return `http://127.0.0.1:${port}`;
};

const pageOf = async (url: string, user?: string): Promise<string> =>
  (await fetch(user === undefined ? url : `${url}/?user=${user}`)).text();

let server: FlagServer;
let settings: Record<'PENNON_URL' | 'PENNON_KEY', string>;
beforeAll(async () => {
  server = await startFlagServer();
  await server.putFlag('new-checkout', {
    rules: [{ attribute: 'plan', operator: 'equals', value: 'pro' }],
  });
  const { secret } = await server.createKey('server');
  settings = { PENNON_URL: server.url(), PENNON_KEY: secret };
});
afterAll(() => server.close());

/** Nothing listens there. */
const away = async () => ({
  ...settings,
  PENNON_URL: `http://127.0.0.1:${await freePort()}`,
});

it('the examples are those that these tests run', () => {
  const names = readdirSync(EXAMPLES).filter(name => name.endsWith('.ts'));
  expect(names.toSorted()).toEqual(['script.ts', 'service.ts', 'several.ts']);
});

it('the script prints the value, or the default value while the server is down', async () => {
  const up = await run('script.ts', settings, PATIENT);
  expect(up).toEqual({ code: 0, output: 'new-checkout is on (TARGETING_MATCH)\n' });
  const down = await run('script.ts', await away());
  expect(down.code).toBe(0);
  expect(down.output).toContain('no flags, so the default value applies');
  expect(down.output).toContain('new-checkout is off (ERROR)');
});

it('several flags are evaluated without promises, also while the server is down', async () => {
  const { code, output } = await run('several.ts', settings, PATIENT);
  expect(code).toBe(0);
  expect(output).toContain('true TARGETING_MATCH');
  expect(output).toContain("flagKey: 'new-checkout'");
  const down = await run('several.ts', await away());
  expect(down.code).toBe(0);
  expect(down.output).toContain('no value ERROR');
});

it('the service follows changes, and ends on SIGTERM', async () => {
  const { child, output, exited } = start('service.ts', { ...settings, PORT: '0' }, PATIENT);
  const url = await addressOf(output);
  expect([await pageOf(url), await pageOf(url, 'ada')]).toEqual(['old checkout', 'new checkout']);
  await server.api('PATCH', 'flags/new-checkout?environment=production', { enabled: false });
  await expect.poll(output).toContain('changed flags: new-checkout');
  expect(await pageOf(url, 'ada')).toBe('old checkout');
  await server.api('PATCH', 'flags/new-checkout?environment=production', { enabled: true });
  child.kill('SIGTERM');
  expect(await exited).toEqual([0, null]);
});

it('the service starts while the server is down, and serves the default value', async () => {
  const { output } = start('service.ts', { ...(await away()), PORT: '0' });
  const url = await addressOf(output);
  expect(await pageOf(url, 'ada')).toBe('old checkout');
  expect(output()).toContain('no flags yet');
});
