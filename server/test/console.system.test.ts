import {
  appendFileSync,
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { parseLog, startProcess, withoutRoot, type ServerProcess } from './support/process.ts';

const root = new URL('../..', import.meta.url).pathname;

let checkout: string;
const servers = new Set<ServerProcess>();
beforeEach(() => {
  checkout = mkdtempSync(join(tmpdir(), 'pennon-checkout-'));
  chmodSync(checkout, 0o755);
  const copy = (path: string) =>
    cpSync(join(root, path), join(checkout, path), { recursive: true });
  const link = (path: string) => symlinkSync(join(root, path), join(checkout, path));
  copy('server/src');
  copy('packages/console/src');
  for (const name of ['package.json', 'index.html', 'build.ts']) copy(`packages/console/${name}`);
  for (const name of ['pnpm-lock.yaml', 'server/node_modules', 'server/package.json']) link(name);
  link('packages/console/node_modules');
});
afterEach(async () => {
  await Promise.all([...servers].map(server => server.stop()));
  servers.clear();
  rmSync(checkout, { recursive: true });
});

const start = async (
  env: Readonly<Record<string, string>> = {},
  under: readonly string[] = [],
): Promise<ServerProcess> => {
  const server = await startProcess({
    env: { PENNON_DATA: ':memory:', PENNON_CONSOLE: 'on', ...env },
    under,
    command: [join(checkout, 'server/src/main.ts')],
  });
  servers.add(server);
  return server;
};

const dist = () => join(checkout, 'packages/console/dist');
const builds = (): string[] => (existsSync(dist()) ? readdirSync(dist()) : []);

/** Waits for the console, and returns the names of its scripts. */
const scriptsOf = async ({ url }: ServerProcess): Promise<string[]> => {
  const { promise, resolve } = Promise.withResolvers<string>();
  await expect
    .poll(
      async () => {
        const response = await fetch(url);
        const text = await response.text();
        if (response.status === 200) resolve(text);
        return response.status;
      },
      { timeout: 60_000, interval: 200 },
    )
    .toBe(200);
  return [...(await promise).matchAll(/assets\/[\w-]+\.js/g)].map(([name]) => name);
};

describe('a server in a checkout', () => {
  it('serves the API at once and builds the console beside it; its second start builds nothing', async () => {
    const first = await start();
    expect((await fetch(first.url)).status).toBe(503);
    expect((await fetch(`${first.url}/healthz`)).status).toBe(200);
    const scripts = await scriptsOf(first);
    for (const name of scripts) expect((await fetch(`${first.url}/${name}`)).status).toBe(200);
    const [folder = ''] = builds();
    const assets = readdirSync(join(dist(), folder, 'assets'));
    const index = assets.find(name => /^index-.*\.js$/.test(name));
    expect(assets).toEqual(expect.arrayContaining([`${index}.br`, `${index}.gz`]));

    const second = await start();
    expect((await fetch(second.url)).status).toBe(200);
    expect(builds()).toEqual([folder]);
  });

  it('builds the console again after its sources have changed, and removes the previous build', async () => {
    await scriptsOf(await start());
    const previous = builds();
    appendFileSync(join(checkout, 'packages/console/src/main.tsx'), '\nexport const more = 1;\n');
    const server = await start();
    expect((await fetch(server.url)).status).toBe(503);
    await scriptsOf(server);
    await expect.poll(builds).toHaveLength(1);
    expect(builds()).not.toEqual(previous);
  });

  it('builds a console that it cannot store in the checkout for itself', async () => {
    const temporary = join(checkout, 'tmp');
    mkdirSync(temporary);
    chmodSync(temporary, 0o777);
    const server = await start({ TMPDIR: temporary }, withoutRoot);
    expect(await scriptsOf(server)).not.toEqual([]);
    expect(builds()).toEqual([]);
    expect(readdirSync(temporary)).toHaveLength(1);
    await server.stop();
    expect(readdirSync(temporary)).toEqual([]);
  });

  it('logs one line if the console cannot be built, and serves everything else', async () => {
    appendFileSync(join(checkout, 'packages/console/src/main.tsx'), "\nimport './nothing.ts';\n");
    const server = await start();
    await expect.poll(() => server.log(), { timeout: 60_000 }).toContain('could not be built');
    const lines = parseLog(server.log()).filter(({ msg }) => msg.includes('console'));
    expect(lines).toEqual([
      expect.objectContaining({ level: 40, reason: expect.stringContaining('nothing.ts') }),
    ]);
    const page = await fetch(server.url);
    expect([page.status, page.headers.get('refresh')]).toEqual([503, null]);
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
  });

  it('neither builds nor serves the console with PENNON_CONSOLE=off', async () => {
    const server = await start({ PENNON_CONSOLE: 'off' });
    expect((await fetch(server.url, { headers: { accept: 'text/html' } })).status).toBe(404);
    expect(server.output()).not.toContain('console');
    expect(builds()).toEqual([]);
  });
});
