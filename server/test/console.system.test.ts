import { execFile } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { BUILD_MS, copyCheckout, scriptsOf, type Checkout } from './support/checkout.ts';
import { parseLog, startProcess, withoutRoot, type ServerProcess } from './support/process.ts';

let checkout: Checkout;
const servers = new Set<ServerProcess>();
beforeEach(() => {
  checkout = copyCheckout();
});
afterEach(async () => {
  await Promise.all([...servers].map(server => server.stop()));
  servers.clear();
  checkout.remove();
});

const KEY = 'an-admin-key-of-24-characters-or-more';

const start = async (
  env: Readonly<Record<string, string>> = {},
  under: readonly string[] = [],
): Promise<ServerProcess> => {
  const server = await startProcess({
    env: { PENNON_DATA: ':memory:', PENNON_CONSOLE: 'on', PENNON_ADMIN_KEY: KEY, ...env },
    under,
    command: [checkout.main],
  });
  servers.add(server);
  return server;
};

const linesAboutConsole = (server: ServerProcess) =>
  parseLog(server.log()).filter(({ msg }) => msg.includes('console'));

/** A process that has ended may remain until its parent reads its exit code. It has no command line then. */
const isRunning = (pid: number): boolean => {
  const file = `/proc/${pid}/cmdline`;
  return existsSync(file) && readFileSync(file, 'utf8') !== '';
};

/** Writes a flag and evaluates it. */
const evaluate = async ({ url }: ServerProcess): Promise<unknown> => {
  const post = async (path: string, body: object): Promise<Response> =>
    fetch(`${url}/api/v1/${path}?environment=production`, {
      method: 'POST',
      headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  await post('flags', { key: 'first', enabled: true });
  return (await post('evaluate', { flagKey: 'first', context: {} })).json();
};

describe('a server in a checkout', () => {
  it('serves the API at once and builds the console beside it; its second start builds nothing', async () => {
    expect(checkout.countBuilds()).toBe(0);
    const release = checkout.holdBuilds();
    const first = await start();
    expect((await fetch(first.url)).status).toBe(503);
    expect(await evaluate(first)).toMatchObject({ value: true });
    release();
    const scripts = await scriptsOf(first.url);
    for (const name of scripts) expect((await fetch(`${first.url}/${name}`)).status).toBe(200);
    const [folder = ''] = checkout.builds();
    const assets = readdirSync(join(checkout.directory, 'packages/console/dist', folder, 'assets'));
    const index = assets.find(name => /^index-.*\.js$/.test(name));
    expect(assets).toEqual(expect.arrayContaining([`${index}.br`, `${index}.gz`]));

    checkout.append('console.tsbuildinfo', '{}');
    const second = await start();
    expect((await fetch(second.url)).status).toBe(200);
    expect([checkout.countBuilds(), checkout.builds()]).toEqual([1, [folder]]);
  });

  it('serves the API while a build hangs, and ends the build when it stops', async () => {
    const file = join(checkout.directory, 'builder.pid');
    checkout.replaceBuilder(
      `(await import('node:fs')).writeFileSync('${file}.new', String(process.pid)); (await import('node:fs')).renameSync('${file}.new', '${file}'); setInterval(() => {}, 1000);`,
    );
    const server = await start();
    expect(await evaluate(server)).toMatchObject({ value: true });
    await expect.poll(() => existsSync(file), { timeout: BUILD_MS }).toBe(true);
    const builder = Number(readFileSync(file, 'utf8'));
    expect(isRunning(builder)).toBe(true);
    await server.stop();
    await expect.poll(() => isRunning(builder)).toBe(false);
  });

  it('builds the console again after its sources have changed, and removes the previous build', async () => {
    checkout.holdBuilds()();
    await scriptsOf((await start()).url);
    const previous = checkout.builds();
    checkout.append('src/main.tsx', '\nexport const more = 1;\n');
    const release = checkout.holdBuilds();
    const server = await start();
    expect((await fetch(server.url)).status).toBe(503);
    release();
    await scriptsOf(server.url);
    await expect.poll(checkout.builds).toHaveLength(1);
    expect(checkout.builds()).not.toEqual(previous);
  });

  it('builds a console that it cannot store in the checkout for itself', async () => {
    const temporary = join(checkout.directory, 'tmp');
    mkdirSync(temporary);
    chmodSync(temporary, 0o777);
    const server = await start({ TMPDIR: temporary }, withoutRoot);
    expect(await scriptsOf(server.url)).not.toEqual([]);
    expect(checkout.builds()).toEqual([]);
    expect(readdirSync(temporary)).toHaveLength(1);
    expect(linesAboutConsole(server)).toEqual([
      expect.objectContaining({ level: 40, reason: expect.stringContaining('dist') }),
    ]);
    await server.stop();
    expect(readdirSync(temporary)).toEqual([]);
  });

  it('starts without a console if it cannot store one anywhere', async () => {
    const server = await start({ TMPDIR: join(checkout.directory, 'nowhere') }, withoutRoot);
    expect(await evaluate(server)).toMatchObject({ value: true });
    expect((await fetch(server.url)).status).toBe(404);
    expect(server.output()).not.toContain('The console is at');
    await expect
      .poll(() => linesAboutConsole(server))
      .toEqual([
        expect.objectContaining({ level: 40, reason: expect.stringContaining('nowhere') }),
      ]);
  });

  it('logs one line if the console cannot be built, and serves everything else', async () => {
    checkout.append('src/main.tsx', "\nimport './nothing.ts';\n");
    const server = await start();
    await expect.poll(() => server.log(), { timeout: BUILD_MS }).toContain('could not be built');
    expect(linesAboutConsole(server)).toEqual([
      expect.objectContaining({ level: 40, reason: expect.stringContaining('nothing.ts') }),
    ]);
    await expect
      .poll(async () => {
        const page = await fetch(server.url);
        return [page.status, page.headers.get('refresh')];
      })
      .toEqual([503, null]);
    expect(await evaluate(server)).toMatchObject({ value: true });
  });

  it('neither builds nor serves the console with PENNON_CONSOLE=off', async () => {
    const server = await start({ PENNON_CONSOLE: 'off' });
    expect((await fetch(server.url, { headers: { accept: 'text/html' } })).status).toBe(404);
    expect(server.output()).not.toContain('console');
    expect(checkout.builds()).toEqual([]);
  });
});

it('a build consists of sources of the console and of locked dependencies only, so its name covers all of them', async () => {
  const sources = join(checkout.directory, 'packages/console');
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [join(sources, 'build.ts'), join(checkout.directory, 'built')],
    { maxBuffer: 10_000_000 },
  );
  const modules: readonly string[] = JSON.parse(stdout);
  const own = modules.filter(path => path.startsWith(`${sources}/src/`));
  const others = modules.filter(path => !own.includes(path));
  expect(own.length).toBeGreaterThan(10);
  expect(others.filter(path => !path.includes('/node_modules/.pnpm/'))).toEqual([
    join(sources, 'index.html'),
  ]);
});
