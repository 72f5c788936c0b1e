import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { createFakeRuntime, settle } from '../../../packages/sync/test/support/fake-runtime.ts';
import type { FakeRuntime } from '../../../packages/sync/test/support/fake-runtime.ts';
import { PennonProvider } from '../src/index.ts';
import type { OnlineOptions } from '../src/index.ts';
import { startFakeServer } from './support/fake-server.ts';
import { booleanFlag } from './support/flags.ts';
import { openProvider, openReal, startOn } from './support/open.ts';

const on = { f: booleanFlag('f', true) };
const off = { f: booleanFlag('f', false) };

const start = async (options: Partial<OnlineOptions> = {}) => {
  const runtime = createFakeRuntime();
  const server = startFakeServer(on, runtime);
  const opened = await startOn(server, options);
  return { runtime, server, ...opened };
};

describe('a process that was frozen for a minute', () => {
  const evaluations = {
    'client.getBooleanValue': ({ client }: Awaited<ReturnType<typeof start>>) =>
      client.getBooleanValue('f', false),
    'provider.evaluate': ({ provider }: Awaited<ReturnType<typeof start>>) =>
      provider.evaluate('f'),
    'provider.snapshot': ({ provider }: Awaited<ReturnType<typeof start>>) => provider.snapshot(),
    'provider.freshness': ({ provider }: Awaited<ReturnType<typeof start>>) => provider.freshness(),
  };

  it.each(Object.entries(evaluations))('is STALE from its first %s on', async (_, evaluate) => {
    const opened = await start();
    opened.server.behave('silent');
    opened.runtime.freeze(60_000);
    await evaluate(opened);
    expect(opened.client.providerStatus).toBe('STALE');
    expect(opened.provider.freshness().mode).toBe('connecting');
  });

  it('evaluates with its flags, and is READY with the new ones after one poll', async () => {
    const { runtime, server, client, provider, events } = await start();
    server.replace(off);
    runtime.freeze(60_000);
    expect(provider.evaluate('f')).toMatchObject({ value: true });
    await settle();
    expect(await client.getBooleanValue('f', true)).toBe(false);
    expect(client.providerStatus).toBe('READY');
    expect(events).toEqual(['READY', 'STALE', 'CHANGED f', 'READY']);
    expect(provider.freshness().mode).toBe('streaming');
  });

  it('stays STALE while the server is away', async () => {
    const { runtime, server, client, provider } = await start();
    server.behave('broken');
    runtime.freeze(60_000);
    provider.evaluate('f');
    await settle();
    expect([client.providerStatus, provider.freshness().mode]).toEqual(['STALE', 'disconnected']);
    server.behave('normal');
    await server.advance(30_000);
    expect(client.providerStatus).toBe('READY');
  });

  it('does not return results that were cached before, in remote mode', async () => {
    const { runtime, server, client } = await start({ mode: 'remote' });
    expect(await client.getBooleanValue('f', false)).toBe(true);
    // Begins another turn of the event loop, as a process that waits does.
    await settle();
    server.replace(off);
    // The time of day alone: the monotonic clock of a machine may stop while it sleeps.
    runtime.setWallTime(60_000);
    expect(await client.getBooleanValue('f', true)).toBe(false);
  });
});

describe('remote mode with a key that cannot read the flag set', () => {
  /** `delay` holds back responses. */
  const startRemote = async (delay: () => Promise<void> = () => Promise.resolve()) => {
    const runtime = createFakeRuntime();
    const quick = startFakeServer(on, runtime);
    const { fetch } = quick.runtime;
    const fetchWithDelay: typeof fetch = async (...request) => {
      const response = await fetch(...request);
      await delay();
      return response;
    };
    const server = { ...quick, runtime: { ...quick.runtime, fetch: fetchWithDelay } };
    for (const route of ['stream', 'poll'] as const) server.behave({ status: 403 }, route);
    const opened = await startOn(server, { mode: 'remote', cacheTtlMs: 86_400_000 });
    await opened.client.getBooleanValue('f', false);
    await settle();
    return { runtime, server, ...opened };
  };
  const pauses = {
    frozen: (runtime: FakeRuntime) => runtime.freeze(3_600_000),
    asleep: (runtime: FakeRuntime) => runtime.setWallTime(3_600_000),
  };

  describe.each(Object.entries(pauses))('whose process was %s for an hour', (_, pause) => {
    it('is STALE, and counts the hour, until the server responds', async () => {
      const { runtime, server, client, provider, events } = await startRemote();
      server.behave('broken', 'evaluate');
      pause(runtime);
      const { mode, dataAgeMs } = provider.freshness();
      expect([client.providerStatus, mode]).toEqual(['STALE', 'connecting']);
      expect(dataAgeMs).toBeGreaterThanOrEqual(3_600_000);
      server.behave('normal', 'evaluate');
      await server.advance(10_000);
      expect([client.providerStatus, provider.freshness().mode]).toEqual(['READY', 'polling']);
      expect(provider.freshness().dataAgeMs).toBeLessThanOrEqual(10_000);
      expect(events).toEqual(['READY', 'STALE', 'READY']);
    });

    it('evaluates on the server again, and is READY after that', async () => {
      const { runtime, server, client } = await startRemote();
      server.replace(off);
      pause(runtime);
      expect(await client.getBooleanDetails('f', true)).toMatchObject({
        value: false,
        reason: 'STATIC',
      });
      expect(client.providerStatus).toBe('READY');
    });
  });

  it('is not confirmed by a response that was requested before the pause', async () => {
    const arrival = Promise.withResolvers<void>();
    let delay = Promise.resolve();
    const { runtime, server, client, provider } = await startRemote(() => delay);
    delay = arrival.promise;
    const evaluating = client.getBooleanValue('f', false, { plan: 'pro' });
    await settle();
    runtime.setWallTime(3_600_000);
    server.behave('silent', 'evaluate');
    provider.freshness();
    arrival.resolve();
    expect(await evaluating).toBe(true);
    expect([client.providerStatus, provider.freshness().mode]).toEqual(['STALE', 'connecting']);
  });

  it('stays READY after a pause of some seconds', async () => {
    const { runtime, client, provider, events } = await startRemote();
    runtime.freeze(5_000);
    expect([provider.freshness().mode, client.providerStatus]).toEqual(['polling', 'READY']);
    expect(events).toEqual(['READY']);
  });
});

it('a pause of some seconds is checked, and the provider stays READY', async () => {
  const { runtime, server, client, provider, events } = await start();
  server.replace(off);
  runtime.freeze(5_000);
  provider.evaluate('f');
  expect([client.providerStatus, provider.freshness().mode]).toEqual(['READY', 'connecting']);
  await settle();
  expect(await client.getBooleanValue('f', true)).toBe(false);
  expect(events).toEqual(['READY', 'CHANGED f']);
});

it('a clock that is set back by an hour changes nothing', async () => {
  const { runtime, server, client, provider, events } = await start({
    mode: 'remote',
    cacheTtlMs: 1_000,
  });
  expect(await client.getBooleanValue('f', false)).toBe(true);
  runtime.setWallTime(-3_600_000);
  const requests = server.count('evaluate');
  await server.advance(1_000);
  await client.getBooleanValue('f', false);
  expect(server.count('evaluate')).toBe(requests + 1);
  expect([provider.freshness().dataAgeMs, events]).toEqual([1_000, ['READY']]);
});

describe('a refresh', () => {
  it('resolves to true when the new flags are in effect', async () => {
    const { server, provider, client } = await start();
    server.replace(off);
    expect(await provider.refresh()).toBe(true);
    expect(provider.evaluate('f')).toMatchObject({ value: false });
    await settle();
    expect([client.providerStatus, provider.freshness().mode]).toEqual(['READY', 'streaming']);
  });

  it('resolves to false after two seconds, or after timeoutMs, if the server is silent', async () => {
    const { server, provider } = await start();
    server.behave('silent');
    const outcomes: string[] = [];
    void provider.refresh().then(result => outcomes.push(`default ${result}`));
    void provider.refresh({ timeoutMs: 100 }).then(result => outcomes.push(`short ${result}`));
    await server.advance(100);
    expect(outcomes).toEqual(['short false']);
    await server.advance(1_900);
    expect(outcomes).toEqual(['short false', 'default false']);
    expect(provider.evaluate('f')).toMatchObject({ value: true });
  });

  it('resolves to false before the start and after the end', async () => {
    expect(await new PennonProvider({ url: 'http://flags.test', key: 'k' }).refresh()).toBe(false);
    const { provider } = await start();
    await provider.onClose();
    expect(await provider.refresh()).toBe(false);
  });

  it('resolves to true at once with the option "flags"', async () => {
    const { started, provider } = openReal({ flags: { f: true } });
    expect(await started).toBe('ok');
    expect(await provider.refresh()).toBe(true);
  });

  it('makes cached results of remote evaluations expire', async () => {
    const { server, provider, client } = await start({ mode: 'remote' });
    await client.getBooleanValue('f', false);
    const requests = server.count('evaluate');
    await client.getBooleanValue('f', false);
    expect(server.count('evaluate')).toBe(requests);
    expect(await provider.refresh()).toBe(true);
    await client.getBooleanValue('f', false);
    expect(server.count('evaluate')).toBe(requests + 1);
  });

  it('checks whether the server evaluates for a key without access to the flag set', async () => {
    const runtime = createFakeRuntime();
    const server = startFakeServer(on, runtime);
    server.behave({ status: 403 }, 'stream');
    server.behave({ status: 403 }, 'poll');
    const { provider, client } = await startOn(server, { mode: 'remote' });
    await client.getBooleanValue('f', false);
    server.replace(off);
    expect(await provider.refresh()).toBe(true);
    expect(await client.getBooleanValue('f', true)).toBe(false);
    server.behave('broken');
    expect(await provider.refresh()).toBe(false);
  });

  it('reads an offline file again', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'pennon-refresh-'));
    const offlineFile = join(directory, 'flags.json');
    const write = (enabled: boolean) =>
      writeFile(offlineFile, JSON.stringify({ flags: { f: { enabled } } }));
    await write(false);
    // Without timers, nothing but the refresh reads the file again.
    const runtime = createFakeRuntime();
    const { provider, started } = openProvider(new PennonProvider({ offlineFile }, runtime));
    expect(await started).toBe('ok');
    await write(true);
    expect(await provider.refresh()).toBe(true);
    expect(provider.evaluate('f')).toMatchObject({ value: true });
    await writeFile(offlineFile, 'no JSON');
    expect(await provider.refresh()).toBe(false);
    expect(provider.evaluate('f')).toMatchObject({ value: true });
    await rm(directory, { recursive: true, maxRetries: 5 });
  });

  it.each([0, -1, Number.NaN])('rejects timeoutMs %d', async timeoutMs => {
    const { provider } = await start();
    await expect(provider.refresh({ timeoutMs })).rejects.toThrow(
      'PennonProvider: "timeoutMs" must be a number of milliseconds greater than 0',
    );
  });

  it.each([500, '500', true, null, [[]]])('rejects %j instead of options', async options => {
    const { provider } = await start();
    const refresh = provider.refresh.bind(provider);
    await expect(Reflect.apply(refresh, undefined, [options])).rejects.toThrow(
      new TypeError('PennonProvider: refresh: pass an object, such as { timeoutMs: 500 }'),
    );
  });

  it('rejects an unknown option', async () => {
    const { provider } = await start();
    const misspelt: object = { timeout: 1 };
    await expect(provider.refresh(misspelt)).rejects.toThrow('there is no option "timeout"');
  });
});
