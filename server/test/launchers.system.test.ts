import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { compileCache, endWithTests, parseLog, startProcess } from './support/process.ts';

const root = new URL('../..', import.meta.url).pathname;
const main = join(root, 'server/src/main.ts');

let data: string;
/** The servers of a test, which ends them by their id. */
const servers = new Set<number>();
beforeEach(() => {
  data = join(mkdtempSync(join(tmpdir(), 'pennon-')), 'data');
});
afterEach(() => {
  for (const pid of servers) if (isRunning(pid)) process.kill(pid, 'SIGKILL');
  servers.clear();
  rmSync(join(data, '..'), { recursive: true });
});

const isRunning = (pid: number): boolean => {
  try {
    // A zombie has ended.
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
};

const parentOf = (pid: number): number =>
  Number(/\) \S (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1]);

type Launched = {
  readonly child: ChildProcess;
  readonly url: string;
  readonly pid: number;
  readonly log: () => string;
};

/** Runs a command that starts a server. Resolves once the server listens. */
const launch = async (
  command: readonly [string, ...string[]],
  more: Readonly<Record<string, string>> = {},
): Promise<Launched> => {
  const [program, ...args] = command;
  const { PATH = '', HOME = '' } = process.env;
  const npmSettings = Object.entries(process.env).filter(([name]) => name.startsWith('NODE_EXTRA'));
  const child = spawn(program, args, {
    cwd: root,
    env: {
      ...compileCache,
      ...Object.fromEntries(npmSettings),
      PATH: PATH.split(':')
        .filter(entry => !entry.includes('node_modules'))
        .join(':'),
      HOME,
      PORT: '0',
      PENNON_DATA: data,
      ...more,
    },
    // A group of its own, as a terminal or a supervisor gives it.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  endWithTests(child);
  let output = '';
  let log = '';
  child.stderr?.on('data', (chunk: Buffer) => (log += chunk.toString()));
  const url = await new Promise<string>((resolve, reject) => {
    child.once('error', reject);
    const collect = (chunk: Buffer) => {
      output += chunk.toString();
      const found = /"pid":(\d+).*listening at (http:[^"]+)"/.exec(output);
      if (found === null) return;
      servers.add(Number(found[1]));
      resolve(String(found[2]));
    };
    child.stdout?.on('data', collect);
    child.stderr?.on('data', collect);
  });
  const pid = [...servers].at(-1) ?? 0;
  return { child, url, pid, log: () => log };
};

const isServing = (url: string): Promise<boolean> =>
  fetch(`${url}/healthz`).then(
    ({ ok }) => ok,
    () => false,
  );

const ENDED = 'the process that started Pennon has ended; stopping';

const expectEnded = async ({ pid, url }: Launched): Promise<void> => {
  await expect.poll(() => isRunning(pid)).toBe(false);
  expect(await isServing(url)).toBe(false);
  const again = await startProcess({ env: { PENNON_DATA: data } });
  expect(await again.stop()).toBe(0);
};

describe('`npx -y pnpm start`', () => {
  it.each(['SIGTERM', 'SIGKILL'] as const)(
    'ends with npx after %s: port and data are free',
    async signal => {
      const launched = await launch(['npx', '-y', 'pnpm', 'start']);
      launched.child.kill(signal);
      await expectEnded(launched);
      expect(launched.log()).toContain(ENDED);
    },
  );

  // The shell below npx defers a SIGINT that only npx receives, so npx continues as well.
  it('ends after SIGINT to the process group, as Ctrl-C in a terminal sends it', async () => {
    const launched = await launch(['npx', '-y', 'pnpm', 'start']);
    process.kill(-(launched.child.pid ?? 0), 'SIGINT');
    await expectEnded(launched);
  });

  it.each(['SIGTERM', 'SIGINT'] as const)('ends after %s to pnpm', async signal => {
    const launched = await launch(['npx', '-y', 'pnpm', 'start']);
    process.kill(parentOf(parentOf(launched.pid)), signal);
    await expectEnded(launched);
  });

  it.each([
    ['the shell that runs the script', 1],
    ['pnpm', 2],
    ['the shell between npx and pnpm', 3],
  ])('ends with %s', async (_, generations) => {
    const launched = await launch(['npx', '-y', 'pnpm', 'start']);
    let pid = launched.pid;
    for (let i = 0; i < generations; i += 1) pid = parentOf(pid);
    expect(pid).not.toBe(launched.child.pid);
    process.kill(pid, 'SIGKILL');
    await expectEnded(launched);
  });

  it('ends with npx also if nothing collects the exit code of npx', async () => {
    const launched = await launch(['sh', '-c', 'npx -y pnpm start & exec sleep 120']);
    let npx = launched.pid;
    while (parentOf(npx) !== launched.child.pid) npx = parentOf(npx);
    process.kill(npx, 'SIGKILL');
    await expectEnded(launched);
    expect(isRunning(launched.child.pid ?? 0)).toBe(true);
    launched.child.kill('SIGKILL');
  });

  it('finishes pending requests first', async () => {
    const launched = await launch(['npx', '-y', 'pnpm', 'start']);
    const key = readFileSync(join(data, 'admin-key'), 'utf8').trim();
    const stream = await fetch(`${launched.url}/api/v1/flag-set/stream?environment=production`, {
      headers: { authorization: `Bearer ${key}` },
    });
    launched.child.kill('SIGKILL');
    // A stream that is cut off rejects instead.
    expect(await stream.text()).toContain('event: set');
    await expectEnded(launched);
    expect(launched.log()).toContain(ENDED);
  });
});

it('`npx -y pnpm dev` ends with npx, and so does the file watcher', async () => {
  const launched = await launch(['npx', '-y', 'pnpm', 'dev']);
  expect(isRunning(launched.pid)).toBe(true);
  const watcher = parentOf(launched.pid);
  servers.add(watcher);
  launched.child.kill('SIGKILL');
  await expectEnded(launched);
  await expect.poll(() => isRunning(watcher)).toBe(false);
});

describe('a server that no package manager started', () => {
  const POLLS_MS = 1_600;
  const script = `'${process.execPath}' '${main}'`;

  it.each([
    ['nohup', `nohup ${script} & sleep 3`, {}],
    [
      'setsid, below a package manager',
      `setsid ${script} & sleep 3`,
      { npm_config_user_agent: 'npm' },
    ],
    ['a shell', `${script} & sleep 3`, {}],
  ])('continues after its parent has ended: %s', async (_, command, env) => {
    const launched = await launch(['sh', '-c', command], env);
    if (isRunning(launched.child.pid ?? 0)) await once(launched.child, 'exit');
    await new Promise(resolve => setTimeout(resolve, POLLS_MS));
    expect(await isServing(launched.url)).toBe(true);
    process.kill(launched.pid, 'SIGTERM');
    await expect.poll(() => isRunning(launched.pid)).toBe(false);
    expect(parseLog(launched.log().replace(/^nohup.*\n/, ''))).toHaveLength(1);
  });
});
