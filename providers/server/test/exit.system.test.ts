import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { startFlagServer } from '../../../packages/sync/test/support/flag-server.ts';
import type { FlagServer } from '../../../packages/sync/test/support/flag-server.ts';
import { startProxy } from '../../../packages/sync/test/support/proxy.ts';
import type { Fault } from '../../../packages/sync/test/support/proxy.ts';

const run = promisify(execFile);
const CHILD = new URL('support/child.ts', import.meta.url).pathname;

let server: FlagServer;
let directory: string;
let key: string;

beforeAll(async () => {
  server = await startFlagServer();
  directory = await mkdtemp(join(tmpdir(), 'pennon-exit-'));
  key = (await server.createKey('server')).secret;
  await server.putFlag('live', {});
});
afterAll(async () => {
  await server.close();
  await rm(directory, { recursive: true });
});

/** Runs the program to its end; answers what it said, and how long it took to end after it had closed. */
const runChild = async (options: object) => {
  const { stdout } = await run(process.execPath, [CHILD, JSON.stringify(options)], {
    timeout: 20_000,
  });
  const closedAt = Number(/closed at (\d+)/.exec(stdout)?.[1]);
  return { said: stdout.split('\n').slice(0, 2), endedAfterMs: Date.now() - closedAt };
};

/** Far below any pause, poll or time-out, and enough for a process to end on a busy machine. */
const AT_ONCE_MS = 1_500;

describe('a process that closes its provider ends by itself', () => {
  it.each(['in-process', 'remote'])('%s, while it streams', async mode => {
    const cacheFile = join(directory, `${mode}.json`);
    const { said, endedAfterMs } = await runChild({ url: server.url(), key, mode, cacheFile });
    expect(said).toEqual(['started', 'value true']);
    expect(endedAfterMs).toBeLessThan(AT_ONCE_MS);
  });

  it('while it polls', async () => {
    const { said, endedAfterMs } = await runChild({ url: server.url(), key, stream: false });
    expect(said).toEqual(['started', 'value true']);
    expect(endedAfterMs).toBeLessThan(AT_ONCE_MS);
  });

  const faults: [string, Fault][] = [
    ['says nothing', { type: 'stall' }],
    ['breaks every connection', { type: 'cut' }],
    [
      'answers 503 for an hour',
      { type: 'respond', status: 503, headers: { 'retry-after': '3600' } },
    ],
  ];
  it.each(faults)('while the server %s', async (_, fault) => {
    const proxy = await startProxy(server.url());
    proxy.injectFault(fault);
    const bootstrap = { flags: { live: { enabled: true } } };
    const given = { url: proxy.url, key, initTimeoutMs: 200, bootstrap };
    const { said, endedAfterMs } = await runChild(given);
    await proxy.close();
    expect(said).toEqual(['started', 'value true']);
    expect(endedAfterMs).toBeLessThan(AT_ONCE_MS);
  });

  it('after its key was refused', async () => {
    const { said, endedAfterMs } = await runChild({ url: server.url(), key: 'no-such-key' });
    expect(said[0]).toContain('failed: ProviderFatalError');
    expect(endedAfterMs).toBeLessThan(AT_ONCE_MS);
  });

  it('while it follows a file', async () => {
    const offlineFile = join(directory, 'flags.yaml');
    await writeFile(offlineFile, 'flags: { live: { enabled: true } }');
    const { said, endedAfterMs } = await runChild({ offlineFile });
    expect(said).toEqual(['started', 'value true']);
    expect(endedAfterMs).toBeLessThan(AT_ONCE_MS);
  });
});
