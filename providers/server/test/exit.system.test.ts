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
import { startForwardProxy } from './support/forward-proxy.ts';
import { PATIENT_START } from './support/open.ts';

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
  await rm(directory, { recursive: true, maxRetries: 5 });
});

/** Runs the program until it exits. Returns its output, and the timers and sockets that are left at the end. */
const runChild = async (options: object) => {
  const given = JSON.stringify({ ...PATIENT_START, ...options });
  const { stdout } = await run(process.execPath, [CHILD, given], {
    timeout: 90_000,
  });
  const [started, value, active = 'nothing printed'] = stdout.split('\n');
  expect(active).toMatch(/^active /);
  const left = active.split(/[ ,]/).filter(name => /timeout|tcp|tls|fs|file/i.test(name));
  return { output: [started, value], left };
};

describe('a process that closes its provider exits by itself', () => {
  it.each(['in-process', 'remote'])('%s, with an open stream', async mode => {
    const cacheFile = join(directory, `${mode}.json`);
    const { output, left } = await runChild({ url: server.url(), key, mode, cacheFile });
    expect(output).toEqual(['started', 'value true']);
    expect(left).toEqual([]);
  });

  it.each([
    ['follows the flags', 'http://127.0.0.1:PROXY'],
    ['cannot reach the proxy', 'http://127.0.0.1:4'],
  ])('through a proxy, when it %s', async (_, proxy) => {
    const bootstrap = { flags: { live: { enabled: true } } };
    const forwarder = await startForwardProxy();
    const given = { proxy: proxy.replace('PROXY', String(forwarder.port)), bootstrap };
    const { output, left } = await runChild({ url: server.url(), key, ...given });
    forwarder.close();
    expect(output).toEqual(['started', 'value true']);
    expect(left).toEqual([]);
  });

  it('while polling', async () => {
    const { output, left } = await runChild({ url: server.url(), key, stream: false });
    expect(output).toEqual(['started', 'value true']);
    expect(left).toEqual([]);
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
    const { output, left } = await runChild(given);
    await proxy.close();
    expect(output).toEqual(['started', 'value true']);
    expect(left).toEqual([]);
  });

  it('after its key was rejected', async () => {
    const { output, left } = await runChild({ url: server.url(), key: 'no-such-key' });
    expect(output[0]).toContain('failed: ProviderFatalError');
    expect(left).toEqual([]);
  });

  it('while following a file', async () => {
    const offlineFile = join(directory, 'flags.yaml');
    await writeFile(offlineFile, 'flags: { live: { enabled: true } }');
    const { output, left } = await runChild({ offlineFile });
    expect(output).toEqual(['started', 'value true']);
    expect(left).toEqual([]);
  });
});
