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

/** Runs the program until it exits. Returns its output, and the time between closing the provider and exiting. */
const runChild = async (options: object) => {
  const { stdout } = await run(process.execPath, [CHILD, JSON.stringify(options)], {
    timeout: 20_000,
  });
  const closedAt = Number(/closed at (\d+)/.exec(stdout)?.[1]);
  return { output: stdout.split('\n').slice(0, 2), exitedAfterMs: Date.now() - closedAt };
};

/** Far below every delay, poll interval and timeout, but enough to exit on a busy machine. */
const PROMPTLY_MS = 1_500;

describe('a process that closes its provider exits by itself', () => {
  it.each(['in-process', 'remote'])('%s, with an open stream', async mode => {
    const cacheFile = join(directory, `${mode}.json`);
    const { output, exitedAfterMs } = await runChild({ url: server.url(), key, mode, cacheFile });
    expect(output).toEqual(['started', 'value true']);
    expect(exitedAfterMs).toBeLessThan(PROMPTLY_MS);
  });

  it('while polling', async () => {
    const { output, exitedAfterMs } = await runChild({ url: server.url(), key, stream: false });
    expect(output).toEqual(['started', 'value true']);
    expect(exitedAfterMs).toBeLessThan(PROMPTLY_MS);
  });

  const faults: [string, Fault][] = [
    ['does not respond', { type: 'stall' }],
    ['breaks every connection', { type: 'cut' }],
    [
      'responds with 503 for an hour',
      { type: 'respond', status: 503, headers: { 'retry-after': '3600' } },
    ],
  ];
  it.each(faults)('while the server %s', async (_, fault) => {
    const proxy = await startProxy(server.url());
    proxy.injectFault(fault);
    const bootstrap = { flags: { live: { enabled: true } } };
    const given = { url: proxy.url, key, initTimeoutMs: 200, bootstrap };
    const { output, exitedAfterMs } = await runChild(given);
    await proxy.close();
    expect(output).toEqual(['started', 'value true']);
    expect(exitedAfterMs).toBeLessThan(PROMPTLY_MS);
  });

  it('after its key was rejected', async () => {
    const { output, exitedAfterMs } = await runChild({ url: server.url(), key: 'no-such-key' });
    expect(output[0]).toContain('failed: ProviderFatalError');
    expect(exitedAfterMs).toBeLessThan(PROMPTLY_MS);
  });

  it('while following a file', async () => {
    const offlineFile = join(directory, 'flags.yaml');
    await writeFile(offlineFile, 'flags: { live: { enabled: true } }');
    const { output, exitedAfterMs } = await runChild({ offlineFile });
    expect(output).toEqual(['started', 'value true']);
    expect(exitedAfterMs).toBeLessThan(PROMPTLY_MS);
  });
});
