import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { OpenFeature } from '@openfeature/server-sdk';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { eventually } from '../../../packages/sync/test/support/patience.ts';
import { PennonProvider } from '../src/index.ts';
import type { OnlineOptions } from '../src/index.ts';
import { startFakeServer } from './support/fake-server.ts';
import { booleanFlag } from './support/flags.ts';
import { openOn, openProvider, openReal, startOn } from './support/open.ts';

import { collectWarnings } from '../../../packages/sync/test/support/options.ts';

const flags = { f: booleanFlag('f', true) };

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pennon-options-'));
});
afterEach(() => {
  vi.unstubAllEnvs();
  return rm(directory, { recursive: true, maxRetries: 5 });
});

describe('the environment', () => {
  it('has the defaults of `url` and `key`', async () => {
    vi.stubEnv('PENNON_URL', 'http://flags.test');
    vi.stubEnv('PENNON_KEY', 'key-of-the-environment');
    const server = startFakeServer(flags);
    const { client, started } = openProvider(new PennonProvider(undefined, server.runtime));
    expect(await started).toBe('ok');
    expect(await client.getBooleanValue('f', false)).toBe(true);
    expect(server.headers().get('authorization')).toBe('Bearer key-of-the-environment');
  });

  it('is not used for options that are passed', async () => {
    vi.stubEnv('PENNON_URL', 'http://other.test');
    vi.stubEnv('PENNON_KEY', 'other-key');
    const server = startFakeServer(flags);
    await startOn(server);
    expect(server.headers().get('authorization')).toBe('Bearer server-key');
    expect(() => new PennonProvider({ offlineFile: 'flags.json' })).not.toThrow();
    expect(() => new PennonProvider({ flags: {} })).not.toThrow();
  });

  it('has no URL if the variable is empty', () => {
    vi.stubEnv('PENNON_URL', '');
    vi.stubEnv('PENNON_KEY', 'k');
    expect(() => new PennonProvider()).toThrow('pass "url" and "key"');
  });
});

describe('the options for the network', () => {
  it.each(['in-process', 'remote'] as const)('add headers to each request (%s)', async mode => {
    const server = startFakeServer(flags);
    const { client } = await startOn(server, { mode, headers: { 'X-Tenant': 'shop' } });
    await client.getBooleanValue('f', false);
    expect(server.headers().get('x-tenant')).toBe('shop');
    expect(server.headers().get('authorization')).toBe('Bearer server-key');
  });

  it('replace fetch', async () => {
    const server = startFakeServer(flags);
    const options = { url: 'http://flags.test', key: 'k', fetch: server.runtime.fetch };
    const { client, started } = openReal(options);
    expect(await started).toBe('ok');
    expect(await client.getBooleanValue('f', false)).toBe(true);
  });
});

describe('the logger', () => {
  const open = async (options: Partial<OnlineOptions> = {}, extra: object = {}) => {
    const { warnings, logger } = collectWarnings();
    const server = startFakeServer({ ...flags, ...extra });
    const opened = await startOn(server, { logger, ...options });
    return { ...opened, server, warnings };
  };

  it('receives a warning when the flags may be out of date', async () => {
    const { server, warnings } = await open();
    server.behave('broken');
    await server.cut();
    await server.advance(1_000);
    expect(warnings).toEqual(['Pennon: the flags may be out of date: fetch failed: ECONNREFUSED']);
  });

  it('receives a warning for each malformed flag, once', async () => {
    const bad = booleanFlag('bad', true, { rules: 'all' });
    const { client, server, warnings } = await open({}, { bad });
    await eventually(() =>
      expect(warnings).toEqual([expect.stringContaining('flag "bad": rules')]),
    );
    await client.getBooleanValue('bad', false);
    await server.change({ f: booleanFlag('f', false) });
    expect(warnings).toHaveLength(1);
    await server.change({ bad: booleanFlag('bad', true, { rules: 'none' }) });
    await eventually(() => expect(warnings).toHaveLength(2));
  });

  it('receives a warning for each malformed flag of the option bootstrap, once', async () => {
    const bad = booleanFlag('bad', true, { rules: 'all' });
    const bootstrap = { flags: { ...flags, bad } };
    const { warnings } = await open({ bootstrap }, { bad });
    await eventually(() =>
      expect(warnings).toEqual([expect.stringContaining('flag "bad": rules')]),
    );
  });

  it('receives a warning if the folder of the cache file cannot be created', async () => {
    // Node's own way to create several folders never ends here.
    const { warnings } = await open({ cacheFile: '/proc/pennon/1/flags.json' });
    await eventually(() =>
      expect(warnings).toEqual([expect.stringContaining('could not be written: ENOENT')]),
    );
  });

  it('receives a warning if the cache file cannot be written, and another if it cannot be read', async () => {
    await writeFile(join(directory, 'file'), '{');
    const unwritable = await open({ cacheFile: join(directory, 'file', 'flags.json') });
    await eventually(() =>
      expect(unwritable.warnings).toEqual([expect.stringContaining('could not be written')]),
    );
    const unreadable = await open({ cacheFile: join(directory, 'file') });
    await eventually(() =>
      expect(unreadable.warnings).toEqual([expect.stringContaining('cannot be used')]),
    );
  });

  it('receives a warning that names the option if bootstrap has no flags, or is a folder', async () => {
    const start = 'Pennon: the option "bootstrap" has no effect: ';
    const withoutFlags = await open({ bootstrap: { a: true } });
    await eventually(() =>
      expect(withoutFlags.warnings).toEqual([
        `${start}it must be an object with an object "flags"`,
      ]),
    );
    const folder = await open({ bootstrap: directory });
    await eventually(() =>
      expect(folder.warnings).toEqual([expect.stringContaining(`${start}${directory} cannot`)]),
    );
  });

  it('receives a warning if the offline file has malformed flags', async () => {
    const { warnings, logger } = collectWarnings();
    const offlineFile = join(directory, 'flags.json');
    await writeFile(offlineFile, '{"flags":{"bad":{"enabled":"yes"}}}');
    expect(await openReal({ offlineFile, logger }).started).toBe('ok');
    expect(warnings).toEqual([expect.stringContaining('flag "bad": enabled')]);
  });

  it('receives a warning for each option that has an effect in remote mode only', () => {
    const { warnings, logger } = collectWarnings();
    const options = { url: 'http://flags.test', key: 'k', cacheTtlMs: 5, logger };
    expect(() => new PennonProvider({ ...options, mode: 'remote' })).not.toThrow();
    expect(() => new PennonProvider({ ...options, requestTimeoutMs: undefined })).not.toThrow();
    expect(warnings).toEqual([
      'Pennon: the option "cacheTtlMs" has no effect unless "mode" is "remote"',
    ]);
  });

  it('is that of OpenFeature by default', async () => {
    const { warnings, logger } = collectWarnings();
    OpenFeature.setLogger(logger);
    const server = startFakeServer(flags);
    server.behave('broken');
    const { started } = openOn(server, { bootstrap: { flags } });
    await server.advance(250);
    await started;
    OpenFeature.setLogger(collectWarnings().logger);
    expect(warnings).toEqual([expect.stringContaining('Pennon: the flags may be out of date')]);
  });
});
