import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { settle } from '../../../packages/sync/test/support/fake-runtime.ts';
import { PennonProvider } from '../src/index.ts';
import { startFakeServer } from './support/fake-server.ts';
import { booleanFlag } from './support/flags.ts';
import { openOn, startOn } from './support/open.ts';

let directory: string;
let cacheFile: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pennon-provider-'));
  cacheFile = join(directory, 'flags', 'last.json');
});
afterEach(() => rm(directory, { recursive: true }));

const bootstrap = { formatVersion: 1, flags: { f: booleanFlag('f', true, { version: 7 }) } };
const on = { f: booleanFlag('f', true) };
const off = { f: booleanFlag('f', false) };

/** Real files take real time. */
const written = (path: string) => vi.waitFor(() => readFile(path, 'utf8'));

describe('a start', () => {
  it('waits for the flags of the server, and no longer', async () => {
    const server = startFakeServer(on);
    const { client, started, told, provider } = openOn(server);
    expect(await started).toBe('ok');
    expect(await client.getBooleanValue('f', false)).toBe(true);
    expect(told).toEqual(['READY']);
    expect(provider.freshness()).toMatchObject({
      mode: 'streaming',
      source: 'stream',
      revision: 1,
    });
    expect([server.count('stream'), server.count('poll')]).toEqual([1, 1]);
  });

  it('takes the flags of a poll where the stream is held back', async () => {
    const server = startFakeServer(on);
    server.behave('silently', 'stream');
    const { client, started } = openOn(server);
    await server.advance(1_000);
    expect(await started).toBe('ok');
    expect(await client.getBooleanValue('f', false)).toBe(true);
  });

  const troubles = {
    'says nothing': 'silently',
    'answers 500': { status: 500 },
    'answers 503 for ten minutes': { status: 503, retryAfter: '600' },
    'cannot be reached': 'broken',
  } as const;

  describe.each(Object.entries(troubles))('while the server %s', (_, manner) => {
    it('ends after 2 s, and falls back on the flags given at the start, which are stale', async () => {
      const server = startFakeServer(off);
      server.behave(manner);
      const { client, started, told, provider } = openOn(server, { bootstrap });
      await server.advance(1_999);
      expect(told).toEqual([]);
      await server.advance(1);
      expect(await started).toBe('ok');
      expect(await client.getBooleanValue('f', false)).toBe(true);
      expect(told).toEqual(['READY', 'STALE']);
      expect(client.providerStatus).toBe('STALE');
      expect(provider.freshness()).toMatchObject({ source: 'bootstrap' });
    });

    it('ends after the time that was given, with an error where there are no flags at all', async () => {
      const server = startFakeServer();
      server.behave(manner);
      const { client, started, told } = openOn(server, { initTimeoutMs: 300 });
      await server.advance(300);
      expect(await started).toMatch(/^GENERAL: no flags could be had: /);
      expect(told).toEqual(['ERROR']);
      expect(client.providerStatus).toBe('ERROR');
      const details = await client.getBooleanDetails('f', true);
      expect(details).toMatchObject({
        value: true,
        reason: 'ERROR',
        errorCode: 'PROVIDER_NOT_READY',
      });
    });

    it('goes on trying after it failed, and is ready when the server is', async () => {
      const server = startFakeServer(on);
      server.behave(manner);
      const { client, started, told } = openOn(server);
      await server.advance(2_000);
      await started;
      server.behave('well');
      await server.advance(700_000);
      expect(told).toEqual(['ERROR', 'CHANGED f', 'READY']);
      expect(client.providerStatus).toBe('READY');
      expect(await client.getBooleanValue('f', false)).toBe(true);
    });
  });

  it.each([401, 403])(
    'fails for good where the key is refused by %i, whatever copies there are',
    async status => {
      const server = startFakeServer(on);
      server.behave({ status });
      const { client, started, told } = openOn(server, { bootstrap });
      await server.advance(1_500);
      expect(await started).toBe(
        `PROVIDER_FATAL: the server refuses the key: the server responded with ${status}: refused with ${status}`,
      );
      expect(told).toEqual(['ERROR']);
      expect(client.providerStatus).toBe('FATAL');
      expect(await client.getBooleanValue('f', false)).toBe(false);
    },
  );

  it('with a refused key is mended by whoever mends the key', async () => {
    const server = startFakeServer(on);
    server.behave({ status: 401 });
    const { client, started } = openOn(server);
    await server.advance(1_500);
    await started;
    server.behave('well');
    await server.advance(120_000);
    expect(client.providerStatus).toBe('READY');
    expect(await client.getBooleanValue('f', false)).toBe(true);
  });

  it('can be given up: closing ends it, and leaves nothing', async () => {
    const server = startFakeServer();
    server.behave('silently');
    const { started, provider } = openOn(server);
    await settle();
    await provider.onClose();
    expect(await started).toContain('closed before it had started');
    await server.advance(0);
    expect(server.timers()).toBe(0);
  });

  it('can be made again after a close, and a second one at once is the same', async () => {
    const server = startFakeServer(on);
    const provider = new PennonProvider({ url: 'http://flags.test', key: 'k' }, server.world);
    await Promise.all([provider.initialize(), provider.initialize()]);
    expect(server.count('stream')).toBe(1);
    await provider.onClose();
    await provider.onClose();
    expect(provider.evaluate('f')).toMatchObject({ errorCode: 'PROVIDER_NOT_READY' });
    expect(provider.freshness()).toMatchObject({ mode: 'stopped', revision: undefined });
    await provider.initialize();
    expect(provider.evaluate('f')).toMatchObject({ value: true });
    await provider.onClose();
    await server.advance(0);
    expect([server.timers(), server.openStreams()]).toEqual([0, 0]);
  });
});

describe('the last flags that were good', () => {
  it('are kept in the file, whole, for its owner alone, and with every change', async () => {
    const server = startFakeServer(on);
    const { provider } = await startOn(server, { cacheFile });
    const first = JSON.parse(await written(cacheFile));
    expect(first).toMatchObject({
      formatVersion: 1,
      revision: 1,
      flags: { f: { defaultVariant: 'on' } },
    });
    await server.change(off);
    await provider.onClose();
    const second = JSON.parse(await readFile(cacheFile, 'utf8'));
    expect(second).toMatchObject({ revision: 2, flags: { f: { defaultVariant: 'off' } } });
    expect(await readdir(join(directory, 'flags'))).toEqual(['last.json']);
  });

  it('serve a start without the server, before the flags given at the start', async () => {
    const server = startFakeServer(off);
    await (await startOn(server, { cacheFile })).provider.onClose();
    server.behave('broken');
    const { client, started, told, provider } = openOn(server, { cacheFile, bootstrap });
    await vi.waitFor(() => expect(provider.freshness().source).toBe('cacheFile'));
    await server.advance(2_000);
    expect(await started).toBe('ok');
    expect(await client.getBooleanValue('f', true)).toBe(false);
    expect(told).toEqual(['READY', 'STALE']);
    expect(provider.freshness()).toMatchObject({ revision: 1, source: 'cacheFile' });
    expect(provider.freshness().dataAgeMs).toBeTypeOf('number');
  });

  it('are not sent again where they are current', async () => {
    const server = startFakeServer(on);
    await (await startOn(server, { cacheFile })).provider.onClose();
    const { told, provider } = await startOn(server, { cacheFile });
    expect(told).toEqual(['READY']);
    expect(provider.freshness()).toMatchObject({
      mode: 'streaming',
      source: 'stream',
      revision: 1,
    });
  });

  it('are passed over where the file is damaged, which is told', async () => {
    await writeFile(join(directory, 'damaged.json'), '{"formatVersion":1,"fla');
    const server = startFakeServer(on);
    server.behave('silently');
    const opened = openOn(server, { cacheFile: join(directory, 'damaged.json'), bootstrap });
    await vi.waitFor(() => expect(opened.provider.freshness().source).toBe('bootstrap'));
    expect(opened.provider.freshness().lastError?.message).toContain('damaged.json cannot be used');
    await server.advance(2_000);
    expect(await opened.started).toBe('ok');
    expect(await opened.client.getBooleanValue('f', false)).toBe(true);
  });

  it('are passed over where a newer release has written them, and the server is waited for', async () => {
    const newer = join(directory, 'newer.json');
    await writeFile(newer, '{"formatVersion":2,"flags":{}}');
    const server = startFakeServer(on);
    server.behave('silently', 'stream');
    const { client, started, provider } = openOn(server, { cacheFile: newer });
    await vi.waitFor(() => expect(server.count('stream')).toBe(1));
    expect(provider.freshness().lastError?.message).toContain('format version');
    await server.advance(1_000);
    expect(await started).toBe('ok');
    expect(await client.getBooleanValue('f', false)).toBe(true);
  });

  it('are passed over where they are of another environment', async () => {
    const server = startFakeServer(on);
    await (await startOn(server, { cacheFile })).provider.onClose();
    server.behave('silently');
    const { started, provider } = openOn(server, { cacheFile, environment: 'staging', bootstrap });
    await vi.waitFor(() => expect(provider.freshness().source).toBe('bootstrap'));
    expect(provider.freshness().lastError?.message).toContain('of the environment "production"');
    await server.advance(2_000);
    expect(await started).toBe('ok');
  });

  it('that cannot be written are no reason to stop, and it is told', async () => {
    await writeFile(join(directory, 'no-directory'), '');
    const server = startFakeServer(on);
    const impossible = join(directory, 'no-directory', 'flags.json');
    const { client, provider } = await startOn(server, { cacheFile: impossible });
    await vi.waitFor(() =>
      expect(provider.freshness().lastError?.message).toContain('flags.json was not written'),
    );
    expect(await client.getBooleanValue('f', false)).toBe(true);
  });
});

describe('flags given at the start', () => {
  it('may be a file', async () => {
    const path = join(directory, 'flags.yaml');
    await writeFile(path, 'flags:\n  f:\n    enabled: true\n');
    const server = startFakeServer();
    server.behave('broken');
    const { client, started, provider } = openOn(server, { bootstrap: path });
    await vi.waitFor(() => expect(provider.freshness().source).toBe('bootstrap'));
    await server.advance(2_000);
    await started;
    expect(await client.getBooleanValue('f', false)).toBe(true);
  });

  it('are copied: what becomes of the object is of no effect', async () => {
    const given = structuredClone(bootstrap);
    const server = startFakeServer();
    server.behave('broken');
    const { client, started } = openOn(server, { bootstrap: given });
    await settle();
    given.flags.f.defaultVariant = 'off';
    await server.advance(2_000);
    await started;
    expect(await client.getBooleanValue('f', false)).toBe(true);
  });

  it('give way to those of the server, and only what differs is told', async () => {
    const server = startFakeServer({ f: bootstrap.flags.f, g: booleanFlag('g', true) });
    server.behave('broken');
    const { started, told } = openOn(server, { bootstrap });
    await server.advance(2_000);
    await started;
    server.behave('well');
    await server.advance(10_000);
    expect(told).toEqual(['READY', 'STALE', 'CHANGED g', 'READY']);
  });
});

describe('options that can never work', () => {
  it.each([
    [{ url: 'flags.test', key: 'k' }, '"url" must be'],
    [{ url: 'ftp://flags.test', key: 'k' }, '"url" must be'],
    [{ url: 'http://flags.test', key: '' }, '"key" must be'],
    [{ url: 'http://flags.test', key: 'two words' }, '"key" must be'],
    [{ url: 'http://flags.test', key: 'k', initTimeoutMs: 0 }, '"initTimeoutMs" must be'],
    [
      { url: 'http://flags.test', key: 'k', pollIntervalMs: Number.NaN },
      '"pollIntervalMs" must be',
    ],
    [{ url: 'http://flags.test', key: 'k', ...JSON.parse('{"initTimeoutMs":"5000"}') }, 'must be'],
    [{ url: 'http://flags.test', key: 'k', ...JSON.parse('{"mode":"Remote"}') }, '"mode" must be'],
    [
      { url: 'http://flags.test', key: 'k', offlineFile: 'f.json' },
      'either "url" or "offlineFile"',
    ],
  ])('%j are refused where they are written', (options, message) => {
    expect(() => new PennonProvider(options)).toThrow(message);
  });
});
