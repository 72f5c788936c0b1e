import { execFileSync } from 'node:child_process';
import {
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { eventually } from '../../../packages/sync/test/support/patience.ts';
import { settle } from '../../../packages/sync/test/support/fake-runtime.ts';
import { PennonProvider } from '../src/index.ts';
import { startFakeServer } from './support/fake-server.ts';
import type { FakeServer } from './support/fake-server.ts';
import { booleanFlag } from './support/flags.ts';
import { openOn, startOn } from './support/open.ts';

let directory: string;
let cacheFile: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pennon-provider-'));
  cacheFile = join(directory, 'flags', 'last.json');
});
afterEach(() => rm(directory, { recursive: true, maxRetries: 5 }));

const bootstrap = { formatVersion: 1, flags: { f: booleanFlag('f', true, { version: 7 }) } };
const on = { f: booleanFlag('f', true) };
const off = { f: booleanFlag('f', false) };

/** Sets when the flags were last current, relative to the clock of the provider. */
const setAge = async (path: string, ageMs: number, { runtime }: FakeServer): Promise<void> => {
  const flagSet = JSON.parse(await readFile(path, 'utf8'));
  await writeFile(path, JSON.stringify({ ...flagSet, currentAt: runtime.now() - ageMs }));
};

/** Files are real, so writing them takes real time. */
const whenWritten = (path: string) => eventually(() => readFile(path, 'utf8'));

describe('a start', () => {
  it('ends as soon as the flags of the server have arrived', async () => {
    const server = startFakeServer(on);
    const { client, started, events, provider } = openOn(server);
    expect(await started).toBe('ok');
    expect(await client.getBooleanValue('f', false)).toBe(true);
    expect(events).toEqual(['READY']);
    expect(provider.freshness()).toMatchObject({
      mode: 'streaming',
      source: 'stream',
      revision: 1,
    });
    expect([server.count('stream'), server.count('poll')]).toEqual([1, 1]);
  });

  it('uses the flags of a poll if the stream does not open', async () => {
    const server = startFakeServer(on);
    server.behave('silent', 'stream');
    const { client, started, provider } = openOn(server);
    expect(await started).toBe('ok');
    expect(await client.getBooleanValue('f', false)).toBe(true);
    expect(provider.freshness().source).toBe('poll');
  });

  const outages = {
    'does not respond': 'silent',
    'responds with 500': { status: 500 },
    'responds with 503 for ten minutes': { status: 503, retryAfter: '600' },
    'is unreachable': 'broken',
  } as const;

  describe.each(Object.entries(outages))('while the server %s', (_, behavior) => {
    it('ends after a moment, at the latest, with the bootstrap flags, which are stale', async () => {
      const server = startFakeServer(off);
      server.behave(behavior);
      const { client, started, events, provider } = openOn(server, { bootstrap });
      await server.advance(249);
      expect(events).toEqual(behavior === 'silent' ? [] : ['READY', 'STALE']);
      await server.advance(1);
      expect(await started).toBe('ok');
      expect(await client.getBooleanValue('f', false)).toBe(true);
      expect(events).toEqual(['READY', 'STALE']);
      expect(client.providerStatus).toBe('STALE');
      expect(provider.freshness()).toMatchObject({ source: 'bootstrap' });
      server.behave('normal');
      await server.advance(700_000);
      expect(events).toEqual(['READY', 'STALE', 'CHANGED f', 'READY']);
    });

    it('ends after `initTimeoutMs` with an error if there are no flags', async () => {
      const server = startFakeServer();
      server.behave(behavior);
      const { client, started, events } = openOn(server, { initTimeoutMs: 300 });
      await server.advance(300);
      expect(await started).toMatch(/^GENERAL: no flags available: /);
      expect(events).toEqual(['ERROR']);
      expect(client.providerStatus).toBe('ERROR');
      const details = await client.getBooleanDetails('f', true);
      expect(details).toMatchObject({
        value: true,
        reason: 'ERROR',
        errorCode: 'PROVIDER_NOT_READY',
      });
    });

    it('that has failed is retried, and the provider is ready when the server is', async () => {
      const server = startFakeServer(on);
      server.behave(behavior);
      const { client, started, events } = openOn(server);
      await server.advance(2_000);
      await started;
      server.behave('normal');
      await server.advance(700_000);
      expect(events).toEqual(['ERROR', 'CHANGED f', 'READY']);
      expect(client.providerStatus).toBe('READY');
      expect(await client.getBooleanValue('f', false)).toBe(true);
    });
  });

  it.each([401, 403])(
    'fails fatally if the key is rejected with %i, even with bootstrap flags',
    async status => {
      const server = startFakeServer(on);
      server.behave({ status });
      const { client, started, events } = openOn(server, { bootstrap });
      await server.advance(1_500);
      expect(await started).toBe(
        `PROVIDER_FATAL: the server rejected the key: the server responded with ${status}: rejected with ${status}`,
      );
      expect(events).toEqual(['ERROR']);
      expect(client.providerStatus).toBe('FATAL');
      expect(await client.getBooleanValue('f', false)).toBe(false);
    },
  );

  it.each([400, 404])(
    'ends at once if the server rejects the request with %i, and continues to try',
    async status => {
      const server = startFakeServer(on);
      server.behave({ status });
      const { client, started, events } = openOn(server);
      await server.advance(0);
      expect(await started).toBe(
        `GENERAL: no flags available: the server responded with ${status}: rejected with ${status}`,
      );
      server.behave('normal');
      await server.advance(10_000);
      expect(events).toEqual(['ERROR', 'CHANGED f', 'READY']);
      expect(client.providerStatus).toBe('READY');
    },
  );

  it('does not wait for more than one request if the key is rejected', async () => {
    const server = startFakeServer(on);
    server.behave({ status: 401 });
    const { started } = openOn(server);
    await server.advance(0);
    expect(await started).toContain('PROVIDER_FATAL');
    expect([server.count('poll'), server.count('stream')]).toEqual([1, 0]);
  });

  it('is ready only with the flags of a server that responds in time', async () => {
    const server = startFakeServer(off);
    const { client, started, events } = openOn(server, { bootstrap });
    expect(await started).toBe('ok');
    await settle();
    expect(events).toEqual(['READY']);
    expect(await client.getBooleanValue('f', true)).toBe(false);
  });

  it('that failed with a rejected key succeeds when the key becomes valid', async () => {
    const server = startFakeServer(on);
    server.behave({ status: 401 });
    const { client, started } = openOn(server);
    await server.advance(1_500);
    await started;
    server.behave('normal');
    await server.advance(120_000);
    expect(client.providerStatus).toBe('READY');
    expect(await client.getBooleanValue('f', false)).toBe(true);
  });

  it('is ended by `onClose`, which leaves no timers', async () => {
    const server = startFakeServer();
    server.behave('silent');
    const { started, provider } = openOn(server);
    await settle();
    await provider.onClose();
    expect(await started).toContain('closed before it had started');
    await server.advance(0);
    expect(server.timers()).toBe(0);
  });

  it('is possible again after `onClose`, and concurrent calls share one start', async () => {
    const server = startFakeServer(on);
    const provider = new PennonProvider({ url: 'http://flags.test', key: 'k' }, server.runtime);
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

describe('the cache file', () => {
  it('is written completely, with every change', async () => {
    const server = startFakeServer(on);
    const { provider } = await startOn(server, { cacheFile });
    const first = JSON.parse(await whenWritten(cacheFile));
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

  it('is used to start without the server, in preference to the bootstrap flags', async () => {
    const server = startFakeServer(off);
    await (await startOn(server, { cacheFile })).provider.onClose();
    await setAge(cacheFile, 60_000, server);
    server.behave('broken');
    const { client, started, events, provider } = openOn(server, { cacheFile, bootstrap });
    await eventually(() => expect(provider.freshness().source).toBe('cacheFile'));
    await server.advance(2_000);
    expect(await started).toBe('ok');
    expect(await client.getBooleanValue('f', true)).toBe(false);
    expect(events).toEqual(['READY', 'STALE']);
    expect(provider.freshness()).toMatchObject({ revision: 1, source: 'cacheFile' });
    expect(provider.freshness().dataAgeMs).toBe(62_000);
  });

  it('is used if it is from the future, because the clock was set back, and has no age', async () => {
    const server = startFakeServer(off);
    await (await startOn(server, { cacheFile })).provider.onClose();
    await setAge(cacheFile, -3_600_000, server);
    server.behave('broken');
    const { started, provider } = openOn(server, { cacheFile });
    await eventually(() => expect(provider.freshness().source).toBe('cacheFile'));
    await server.advance(2_000);
    expect(await started).toBe('ok');
    expect(provider.freshness()).toMatchObject({ revision: 1, dataAgeMs: undefined });
  });

  it('keeps the age of flags that came from a server that was cut off', async () => {
    const server = startFakeServer(off);
    server.setSourceAge(43_000);
    await (await startOn(server, { cacheFile })).provider.onClose();
    server.behave('broken');
    const { started, provider } = openOn(server, { cacheFile });
    await eventually(() => expect(provider.freshness().source).toBe('cacheFile'));
    await server.advance(2_000);
    expect(await started).toBe('ok');
    expect(provider.freshness().dataAgeMs).toBe(45_000);
  });

  it('of an earlier release has the age of the file', async () => {
    const server = startFakeServer(off);
    await (await startOn(server, { cacheFile })).provider.onClose();
    const { currentAt, ...flagSet } = JSON.parse(await readFile(cacheFile, 'utf8'));
    expect(currentAt).toBe(server.runtime.now());
    await writeFile(cacheFile, JSON.stringify(flagSet));
    await utimes(cacheFile, new Date(0), new Date(server.runtime.now() - 60_000));
    server.behave('broken');
    const { started, provider } = openOn(server, { cacheFile });
    await eventually(() => expect(provider.freshness().source).toBe('cacheFile'));
    await server.advance(2_000);
    expect(await started).toBe('ok');
    expect(provider.freshness().dataAgeMs).toBe(62_000);
  });

  it.each([
    ['a pipe', (path: string) => void execFileSync('mkfifo', [path])],
    ['a folder', (path: string) => mkdir(path)],
    [
      'a link to a pipe',
      async (path: string) => {
        execFileSync('mkfifo', [`${path}.pipe`]);
        await symlink(`${path}.pipe`, path);
      },
    ],
  ])('is neither read nor replaced if it is %s, which is reported', async (_, create) => {
    const path = join(directory, 'special');
    await create(path);
    const { mode, ino } = await lstat(path);
    const names = await readdir(directory);
    const server = startFakeServer(on);
    const warnings: string[] = [];
    const logger = { ...console, warn: (message: string) => void warnings.push(message) };
    const { client, provider } = await startOn(server, { cacheFile: path, logger });
    expect(await client.getBooleanValue('f', false)).toBe(true);
    await provider.onClose();
    expect(warnings).toEqual([
      expect.stringMatching(/"cacheFile" has no effect: it is not a regular file\./),
      expect.stringMatching(/special could not be written: it is not a regular file\./),
    ]);
    expect(await lstat(path)).toMatchObject({ mode, ino });
    expect(await readdir(directory)).toEqual(names);
  });

  it('is the file at the end of a symbolic link, also if that does not exist yet', async () => {
    await mkdir(join(directory, 'elsewhere'));
    const target = join(directory, 'elsewhere', 'last.json');
    const link = join(directory, 'link.json');
    await symlink(join('elsewhere', 'last.json'), link);
    const server = startFakeServer(on);
    const { provider } = await startOn(server, { cacheFile: link });
    await whenWritten(target);
    await server.change(off);
    await provider.onClose();
    expect((await lstat(link)).isSymbolicLink()).toBe(true);
    expect(JSON.parse(await readFile(target, 'utf8'))).toMatchObject({ revision: 2 });
    expect(await readdir(join(directory, 'elsewhere'))).toEqual(['last.json']);
  });

  it('spares the download if its flags are current', async () => {
    const server = startFakeServer(on);
    await (await startOn(server, { cacheFile })).provider.onClose();
    const { events, provider } = await startOn(server, { cacheFile });
    expect(events).toEqual(['READY']);
    expect(provider.freshness()).toMatchObject({
      mode: 'streaming',
      source: 'stream',
      revision: 1,
    });
  });

  it('is not used if it is damaged, which is reported', async () => {
    await writeFile(join(directory, 'damaged.json'), '{"formatVersion":1,"fla');
    const server = startFakeServer(on);
    server.behave('silent');
    const opened = openOn(server, { cacheFile: join(directory, 'damaged.json'), bootstrap });
    await eventually(() => expect(opened.provider.freshness().source).toBe('bootstrap'));
    expect(opened.provider.freshness().lastError?.message).toContain('damaged.json cannot be used');
    await server.advance(2_000);
    expect(await opened.started).toBe('ok');
    expect(await opened.client.getBooleanValue('f', false)).toBe(true);
  });

  it('is not used if a newer release has written it', async () => {
    const newer = join(directory, 'newer.json');
    await writeFile(newer, '{"formatVersion":2,"flags":{}}');
    const server = startFakeServer(on);
    server.behave('silent', 'stream');
    const { client, started, provider } = openOn(server, { cacheFile: newer });
    await eventually(() => expect(server.count('stream')).toBe(1));
    expect(provider.freshness().lastError?.message).toContain('format version');
    await server.advance(1_000);
    expect(await started).toBe('ok');
    expect(await client.getBooleanValue('f', false)).toBe(true);
  });

  it('is not used if it belongs to another environment', async () => {
    const server = startFakeServer(on);
    await (await startOn(server, { cacheFile })).provider.onClose();
    server.behave('silent');
    const { started, provider } = openOn(server, { cacheFile, environment: 'staging', bootstrap });
    await eventually(() => expect(provider.freshness().source).toBe('bootstrap'));
    expect(provider.freshness().lastError?.message).toContain('of the environment "production"');
    await server.advance(2_000);
    expect(await started).toBe('ok');
  });

  it('is not used if a provider with another key has written it', async () => {
    const server = startFakeServer(off);
    await (await startOn(server, { cacheFile })).provider.onClose();
    const key = 'another-key';
    server.behave('silent');
    const other = openOn(server, { cacheFile, key, bootstrap });
    await eventually(() => expect(other.provider.freshness().source).toBe('bootstrap'));
    const { message = '' } = other.provider.freshness().lastError ?? {};
    expect(message).toContain('give each provider a file of its own');
    expect(message).not.toContain(key);
    await server.advance(2_000);
    expect(await other.started).toBe('ok');
    expect(await other.client.getBooleanValue('f', false)).toBe(true);
  });

  it('is complete at any time, even if several providers write it', async () => {
    const server = startFakeServer(on);
    const keys = ['key-a', 'key-b', 'key-c'];
    const providers = await Promise.all(
      keys.map(async key => (await startOn(server, { cacheFile, key })).provider),
    );
    await whenWritten(cacheFile);
    for (let round = 0; round < 20; round += 1) {
      await server.change(round % 2 === 0 ? off : on);
      expect(JSON.parse(await readFile(cacheFile, 'utf8'))).toMatchObject({ formatVersion: 1 });
    }
    await Promise.all(providers.map(provider => provider.onClose()));
    expect(JSON.parse(await readFile(cacheFile, 'utf8'))).toMatchObject({ revision: 21 });
    expect(await readdir(join(directory, 'flags'))).toEqual(['last.json']);
  });

  it('may fail to be written, which is reported', async () => {
    await writeFile(join(directory, 'no-directory'), '');
    const server = startFakeServer(on);
    const impossible = join(directory, 'no-directory', 'flags.json');
    const { client, provider } = await startOn(server, { cacheFile: impossible });
    await eventually(() =>
      expect(provider.freshness().lastError?.message).toContain('flags.json could not be written'),
    );
    expect(await client.getBooleanValue('f', false)).toBe(true);
  });
});

describe('bootstrap flags', () => {
  it('can be a file', async () => {
    const path = join(directory, 'flags.yaml');
    await writeFile(path, 'flags:\n  f:\n    enabled: true\n');
    const server = startFakeServer();
    server.behave('broken');
    const { client, started, provider } = openOn(server, { bootstrap: path });
    await eventually(() => expect(provider.freshness().source).toBe('bootstrap'));
    await server.advance(2_000);
    await started;
    expect(await client.getBooleanValue('f', false)).toBe(true);
  });

  it('are copied, so later changes of the object have no effect', async () => {
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

  it('are replaced by those of the server, and only what differs is reported', async () => {
    const server = startFakeServer({ f: bootstrap.flags.f, g: booleanFlag('g', true) });
    server.behave('broken');
    const { started, events } = openOn(server, { bootstrap });
    await server.advance(2_000);
    await started;
    server.behave('normal');
    await server.advance(10_000);
    expect(events).toEqual(['READY', 'STALE', 'CHANGED g', 'READY']);
  });
});

describe('invalid options', () => {
  it.each([
    [{ url: 'http://flags.test', key: 'k', ...JSON.parse('{"mode":"Remote"}') }, '"mode" must be'],
    [
      { url: 'http://flags.test', key: 'k', offlineFile: 'f.json' },
      '"offlineFile" cannot be combined with "url"; remove one of them',
    ],
    [
      JSON.parse('{"url":"http://flags.test","key":"k","cacheTtl":5}'),
      'PennonProvider: there is no option "cacheTtl"; did you mean "cacheTtlMs"?',
    ],
    [JSON.parse('{"offlineFile":"f.json","cache_file":"c"}'), 'did you mean "cacheFile"?'],
    [JSON.parse('{"apiKey":"k"}'), 'there is no option "apiKey"; did you mean "key"?'],
    [JSON.parse('{"domains":[]}'), 'there is no option "domains"; the options are url, key, '],
    [{ url: 'http://flags.test' }, 'pass "key", or set PENNON_KEY'],
    [{}, 'pass "url" and "key" (or set PENNON_URL and PENNON_KEY), "offlineFile" or "flags"'],
    [undefined, 'pass "url" and "key" (or set PENNON_URL and PENNON_KEY)'],
    [{ offlineFile: 'f.json', flags: {} }, '"flags" cannot be combined with "offlineFile"'],
    [{ flags: JSON.parse('{"f":[1]}') }, 'the flag "f": must be a flag, or its value'],
  ])('%j throw in the constructor', (options, message) => {
    expect(() => new PennonProvider(options)).toThrow(message);
  });
});
