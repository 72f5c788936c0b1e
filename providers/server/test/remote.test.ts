import { describe, expect, it } from 'vitest';

import { settle } from '../../../packages/sync/test/support/fake-runtime.ts';
import type { OnlineOptions } from '../src/index.ts';
import { startFakeServer } from './support/fake-server.ts';
import type { FakeServer } from './support/fake-server.ts';
import { booleanFlag, onWhere } from './support/flags.ts';
import { openOn, startOn } from './support/open.ts';

const flags = {
  f: booleanFlag('f', false, {
    rules: [onWhere('plan', 'pro')],
    version: 4,
    metadata: { team: 'web' },
  }),
  g: booleanFlag('g', true),
};

const start = (options: Partial<OnlineOptions> = {}, server = startFakeServer(flags)) =>
  startOn(server, { mode: 'remote', ...options }).then(opened => ({ server, ...opened }));

const asked = (server: FakeServer) => server.count('evaluations');

/** Lets promises settle that wait for time to pass. */
const during = async <Value>(
  server: FakeServer,
  ms: number,
  value: Promise<Value>,
): Promise<Value> => {
  await server.advance(ms);
  return value;
};

describe('remote', () => {
  it('asks the server, and answers as it does, with version and environment', async () => {
    const { client, server } = await start();
    expect(await client.getBooleanDetails('f', false, { plan: 'pro', at: new Date(0) })).toEqual({
      flagKey: 'f',
      value: true,
      variant: 'on',
      reason: 'TARGETING_MATCH',
      flagMetadata: { team: 'web', version: 4, flagSetId: 'production' },
    });
    expect(server.contexts).toEqual([{ plan: 'pro', at: '1970-01-01T00:00:00.000Z' }]);
  });

  it('saves 999 of 1,000 calls that ask the same', async () => {
    const { client, server } = await start();
    for (let call = 0; call < 1_000; call += 1)
      await client.getBooleanValue('f', false, { plan: 'pro' });
    expect(asked(server)).toBe(1);
  });

  it('saves 9,900 of 10,000 calls of a hundred visitors', async () => {
    const { client, server } = await start();
    for (let call = 0; call < 10_000; call += 1) {
      await client.getBooleanValue('f', false, { targetingKey: `user-${call % 100}` });
    }
    expect(asked(server)).toBe(100);
  });

  it('asks once for those who ask the same at the same time', async () => {
    const { client, server } = await start();
    const values = await Promise.all(
      Array.from({ length: 50 }, () => client.getBooleanValue('f', false, { plan: 'pro' })),
    );
    expect(values).toEqual(Array.from({ length: 50 }, () => true));
    expect(asked(server)).toBe(1);
  });

  it('takes a context for the same whatever the order of its attributes, and for another otherwise', async () => {
    const { client, server } = await start();
    await client.getBooleanValue('f', false, { a: 1, b: { c: 2, d: [1, 2] } });
    await client.getBooleanValue('f', false, { b: { d: [1, 2], c: 2 }, a: 1 });
    expect(asked(server)).toBe(1);
    await client.getBooleanValue('f', false, { a: 1, b: { c: 2, d: [2, 1] } });
    await client.getBooleanValue('g', false, { a: 1, b: { c: 2, d: [1, 2] } });
    expect(asked(server)).toBe(3);
  });

  it('keeps an answer for a minute, or as long as it is told', async () => {
    const { client, server } = await start();
    await client.getBooleanValue('f', false);
    await server.advance(59_999);
    await client.getBooleanValue('f', false);
    expect(asked(server)).toBe(1);
    await server.advance(1);
    await client.getBooleanValue('f', false);
    expect(asked(server)).toBe(2);
  });

  it('keeps as many answers as it is told, and forgets the one asked for least lately', async () => {
    const { client, server } = await start({ cacheEntries: 2 });
    const ask = (plan: string) => client.getBooleanValue('f', false, { plan });
    await ask('a');
    await ask('b');
    await ask('a');
    await ask('c');
    expect(asked(server)).toBe(3);
    await ask('a');
    expect(asked(server)).toBe(3);
    await ask('b');
    expect(asked(server)).toBe(4);
  });

  it('keeps none where none are wanted', async () => {
    const { client, server } = await start({ cacheEntries: 0 });
    await client.getBooleanValue('f', false);
    await client.getBooleanValue('f', false);
    expect(asked(server)).toBe(2);
  });

  it('forgets the answers of the flags that change, and of no others', async () => {
    const { client, server, told } = await start();
    await client.getBooleanValue('f', true);
    await client.getBooleanValue('g', true);
    await server.change({ f: booleanFlag('f', true) });
    expect(told).toEqual(['READY', 'CHANGED f']);
    expect(await client.getBooleanValue('f', false)).toBe(true);
    expect(await client.getBooleanValue('g', false)).toBe(true);
    expect(asked(server)).toBe(3);
  });

  it('does not keep an answer that was on its way while something changed', async () => {
    const { client, server } = await start();
    const early = client.getBooleanValue('f', true);
    const changing = server.change({ f: booleanFlag('f', true) });
    await Promise.all([early, changing]);
    expect(await client.getBooleanValue('f', false)).toBe(true);
  });

  it('is told of changes by polls where no stream is wanted', async () => {
    const { client, server, told } = await start({ stream: false, pollIntervalMs: 5_000 });
    expect(await client.getBooleanValue('f', true)).toBe(false);
    server.replace({ ...flags, f: booleanFlag('f', true) });
    await server.advance(5_000);
    expect(told).toEqual(['READY', 'CHANGED f']);
    expect(await client.getBooleanValue('f', false)).toBe(true);
    expect(server.count('stream')).toBe(0);
  });

  it('knows unknown flags, even those with names of old', async () => {
    const { client } = await start();
    for (const key of ['unknown', 'constructor', '__proto__']) {
      expect(await client.getBooleanDetails(key, true)).toMatchObject({
        errorCode: 'FLAG_NOT_FOUND',
      });
    }
  });

  it('cannot send a context that contains itself, and says so', async () => {
    const { client, server } = await start();
    const endless: Record<string, never> = {};
    Object.assign(endless, { endless });
    const details = await client.getBooleanDetails('f', true, endless);
    expect(details).toMatchObject({ value: true, errorCode: 'INVALID_CONTEXT' });
    expect(asked(server)).toBe(0);
  });
});

describe('remote, while the server does not answer,', () => {
  it.each([
    ['says nothing', 'silently', 2_000],
    ['cannot be reached', 'broken', 0],
    ['answers 500', { status: 500 }, 0],
  ] as const)(
    'and %s decides here on the flags that it follows, after %j',
    async (_, manner, ms) => {
      const { client, server } = await start();
      server.behave(manner, 'evaluations');
      const first = client.getBooleanValue('f', false, { plan: 'pro' });
      expect(await during(server, ms, first)).toBe(true);
      expect(client.providerStatus).toBe('READY');
    },
  );

  it('lets nobody wait in vain: one question in a while is the trial for all', async () => {
    const { client, server } = await start();
    server.behave('silently', 'evaluations');
    await during(server, 2_000, client.getBooleanValue('f', false, { plan: '0' }));
    for (let call = 0; call < 100; call += 1) {
      expect(await client.getBooleanValue('f', true, { plan: `${call}` })).toBe(false);
    }
    expect(asked(server)).toBe(1);
    await server.advance(1_000);
    const trial = client.getBooleanValue('f', true, { plan: 'trial' });
    expect(await client.getBooleanValue('f', true, { plan: 'another' })).toBe(false);
    expect(asked(server)).toBe(2);
    await during(server, 2_000, trial);
    server.behave('well');
    await server.advance(30_000);
    await client.getBooleanValue('f', false, { plan: 'x' });
    await client.getBooleanValue('f', false, { plan: 'y' });
    expect(asked(server)).toBe(4);
  });

  it('leaves it alone for as long as it asks', async () => {
    const { client, server } = await start();
    server.behave({ status: 429, retryAfter: '90' }, 'evaluations');
    await client.getBooleanValue('f', true);
    await server.advance(89_999);
    await client.getBooleanValue('f', true);
    expect(asked(server)).toBe(1);
    await server.advance(1);
    await client.getBooleanValue('f', true);
    expect(asked(server)).toBe(2);
  });

  it('takes a refused context for the fault of that question, and stops nobody else', async () => {
    const { client, server } = await start();
    server.behave({ status: 400 }, 'evaluations');
    await client.getBooleanValue('f', true, { plan: 'x' });
    server.behave('well');
    await client.getBooleanValue('f', true, { plan: 'y' });
    expect(asked(server)).toBe(2);
  });

  it('is stale when nothing of it can be reached, and decides on', async () => {
    const { client, server, told } = await start();
    server.behave('broken');
    await server.cut();
    await server.advance(1_000);
    expect(told).toEqual(['READY', 'STALE']);
    expect(await client.getBooleanValue('f', false, { plan: 'pro' })).toBe(true);
  });
});

describe('remote, with a key that may evaluate and not follow', () => {
  const limited = () => {
    const server = startFakeServer(flags);
    server.behave({ status: 403 }, 'stream');
    server.behave({ status: 403 }, 'poll');
    return server;
  };

  it('is ready all the same, and knows no version', async () => {
    const server = limited();
    const { client, started, provider } = openOn(server, { mode: 'remote' });
    await server.advance(1_500);
    expect(await started).toBe('ok');
    expect(client.providerStatus).toBe('READY');
    expect(await client.getBooleanDetails('f', false, { plan: 'pro' })).toMatchObject({
      value: true,
      flagMetadata: { team: 'web' },
    });
    expect(provider.evaluate('f')).toMatchObject({ errorCode: 'PROVIDER_NOT_READY' });
  });

  it('has old answers or the default of the code while the server is away, and says so', async () => {
    const server = limited();
    const { client, started, told } = openOn(server, { mode: 'remote' });
    await server.advance(1_500);
    await started;
    expect(await client.getBooleanValue('f', false, { plan: 'pro' })).toBe(true);
    await server.advance(60_000);
    server.behave('broken', 'evaluations');
    expect(await client.getBooleanValue('f', false, { plan: 'pro' })).toBe(true);
    expect(await client.getBooleanDetails('f', false, { plan: 'new' })).toMatchObject({
      value: false,
      errorCode: 'GENERAL',
      errorMessage: 'fetch failed: ECONNREFUSED',
    });
    expect(told).toEqual(['READY', 'ERROR']);
    server.behave('well', 'evaluations');
    await server.advance(30_000);
    await client.getBooleanValue('f', false, { plan: 'new' });
    await settle();
    expect(told).toEqual(['READY', 'ERROR', 'READY']);
  });

  it('is no refused key while it is not known whether it may evaluate', async () => {
    const server = limited();
    server.behave('silently', 'evaluations');
    const { client, started } = openOn(server, { mode: 'remote' });
    await server.advance(2_000);
    expect(await started).toContain('GENERAL: no flags could be had');
    server.behave('well', 'evaluations');
    await server.advance(120_000);
    expect(client.providerStatus).toBe('READY');
    expect(await client.getBooleanValue('f', false, { plan: 'pro' })).toBe(true);
  });

  it('fails for good where it may not evaluate either', async () => {
    const server = startFakeServer(flags);
    server.behave({ status: 401 });
    const { client, started } = openOn(server, { mode: 'remote' });
    await server.advance(1_500);
    expect(await started).toContain('PROVIDER_FATAL');
    expect(client.providerStatus).toBe('FATAL');
  });
});
