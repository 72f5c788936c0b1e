import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';

import { startFlagServer } from '../../../packages/sync/test/support/flag-server.ts';
import type { FlagServer } from '../../../packages/sync/test/support/flag-server.ts';
import { startProxy } from '../../../packages/sync/test/support/proxy.ts';
import { openReal } from './support/open.ts';

let server: FlagServer;
let key: string;
let child: ChildProcess | undefined;

beforeAll(async () => {
  server = await startFlagServer();
  key = (await server.createKey('server')).secret;
});
afterEach(() => {
  vi.useRealTimers();
  child?.kill('SIGKILL');
});
afterAll(() => server.close());

const patiently = { timeout: 90_000, interval: 20 };

const switchTo = (defaultVariant: 'on' | 'off') =>
  server.putFlag('live', {
    type: 'boolean',
    variants: { on: true, off: false },
    defaultVariant,
  });

/** Whether all threads of a process are stopped. */
const isStopped = (pid: number): boolean => /\) T /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));

/**
 * Starts a process with a provider, which stops itself. Continues it after `ms`, and returns for how long it was
 * stopped, what it reports then, and the result of a refresh.
 */
const stopFor = async (ms: number) => {
  const script = new URL('support/frozen-child.ts', import.meta.url).pathname;
  const options = JSON.stringify({ url: server.url(), key, initTimeoutMs: 300_000 });
  const started = spawn(process.execPath, [script, options], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  child = started;
  const lines: string[] = [];
  createInterface({ input: started.stdout }).on('line', line => lines.push(line));
  const lineWith = async (word: string): Promise<string> => {
    const isFound = (line: string) => line.startsWith(word);
    return vi.waitUntil(() => lines.find(isFound), patiently);
  };
  await vi.waitUntil(() => isStopped(started.pid ?? 0), patiently);
  await switchTo('off');
  // Nothing but time shows that a stopped process stays stopped.
  await sleep(ms);
  started.kill('SIGCONT');
  const [, stoppedMs, ...thawed] = (await lineWith('thawed')).split(' ');
  const refreshed = await lineWith('refreshed');
  started.kill('SIGKILL');
  return { stoppedMs: Number(stoppedMs), thawed: thawed.join(' '), refreshed };
};

/** The clock of the provider is ten times as fast, so these are 45 and 20 seconds. */
it.each([
  ['for longer than a stream may be silent', 4_500, Infinity, 'STALE connecting true'],
  ['for less than that', 2_000, 2_900, 'READY connecting true'],
])(
  'a process that was stopped %s notices it at its first evaluation, and a refresh has the new flags',
  async (_, ms, longestMs, thawed) => {
    let result;
    do {
      await switchTo('on');
      result = await stopFor(ms);
      // A busy machine may have continued it later.
    } while (result.stoppedMs > longestMs);
    expect(result).toMatchObject({ thawed, refreshed: 'refreshed true false' });
  },
);

const HOUR_MS = 3_600_000;

/** Sets the clock of this process. Timers and the monotonic clock are real. */
const setClock = (ms: number) => {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + ms });
};

it.each([
  ['back', -HOUR_MS],
  ['forward', HOUR_MS],
])('a provider works as before with a clock that is set %s by an hour', async (_, ms) => {
  await switchTo('on');
  const proxy = await startProxy(server.url());
  const evaluations = () => proxy.count(/evaluate/);
  const options = { url: proxy.url, key, mode: 'remote', cacheTtlMs: 300 } as const;
  const { client, provider, started } = openReal(options);
  expect(await started).toBe('ok');
  expect(await client.getBooleanValue('live', false)).toBe(true);
  setClock(ms);

  // Cached results expire.
  const before = evaluations();
  const evaluated = async () => {
    await client.getBooleanValue('live', false);
    return evaluations() > before;
  };
  await expect.poll(evaluated, patiently).toBe(true);
  // A clock that is ahead may mean that the machine slept, until the server has confirmed the flags.
  await expect.poll(() => provider.freshness().dataAgeMs, patiently).toBeLessThan(60_000);

  // The server is requested again after failures, and a stream that was cut is opened again.
  proxy.injectFault({ type: 'cut' });
  proxy.cutConnections();
  await expect.poll(() => client.providerStatus, patiently).toBe('STALE');
  setClock(ms);
  proxy.clearFaults();
  await expect.poll(() => provider.freshness().mode, patiently).toBe('streaming');
  const during = evaluations();
  const recovered = async () => {
    await client.getBooleanValue('live', false);
    return evaluations() > during;
  };
  await expect.poll(recovered, patiently).toBe(true);
  await proxy.close();
});
