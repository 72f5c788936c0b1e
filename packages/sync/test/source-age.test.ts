import { describe, expect, it } from 'vitest';

import { followFlagSet, followValues } from '../src/index.ts';
import type { FlagSet, FollowerStatus, FollowOptions } from '../src/index.ts';
import { createFakeRuntime } from './support/fake-runtime.ts';

const set: FlagSet = {
  formatVersion: 1,
  environment: 'production',
  id: 'epoch.2.nonce',
  revision: 2,
  flags: {},
  segments: {},
};
const older = { ...set, id: 'epoch.1.nonce', revision: 1 };
const address = { url: 'http://flags.test', key: 'k' };

/** The header of a response from a server that was last current `seconds` ago. */
const age = (seconds: number) => ({ 'pennon-source-age-ms': String(seconds * 1_000) });

const start = (options: Partial<FollowOptions<FlagSet>> = {}) => {
  const runtime = createFakeRuntime();
  const statuses: FollowerStatus[] = [];
  const onStatus = (status: FollowerStatus) => statuses.push(status);
  const follower = followFlagSet({ ...address, onStatus, ...options }, runtime);
  const modes = () => statuses.map(({ mode }) => mode);
  return { runtime, follower, modes };
};

/** Starts with a server that was last current `seconds` ago. */
const startStreaming = async (seconds: number) => {
  const started = start();
  const { runtime } = started;
  await (await runtime.nextRequest()).respond(200, JSON.stringify(set), age(seconds));
  const stream = await (await runtime.nextRequest()).openStream(age(seconds));
  await stream.send('current', { revision: 2 }, set.id);
  return { ...started, stream };
};

const heartbeat = (seconds: number) => ({ revision: 2, sourceAgeMs: seconds * 1_000 });

describe('the age of the data counts from the store of the server', () => {
  it('after a poll', async () => {
    const { runtime, follower } = start();
    await (await runtime.nextRequest()).respond(200, JSON.stringify(set), age(4));
    await runtime.advance(1_000);
    expect(follower.status()).toMatchObject({
      mode: 'polling',
      dataAgeMs: 5_000,
      sourceAgeMs: 4_000,
    });
  });

  it('after a poll without changes', async () => {
    const { runtime, follower } = start({ initial: { data: set, ageMs: undefined } });
    await (await runtime.nextRequest()).respond(304, undefined, age(48));
    expect(follower.status()).toMatchObject({ mode: 'stale', dataAgeMs: 48_000 });
  });

  it('during a stream', async () => {
    const { follower, runtime, stream } = await startStreaming(3);
    expect(follower.status()).toMatchObject({ mode: 'streaming', dataAgeMs: 3_000 });
    await runtime.advance(15_000);
    await stream.send('heartbeat', heartbeat(1));
    expect(follower.status()).toMatchObject({ mode: 'streaming', dataAgeMs: 1_000 });
  });

  it.each([undefined, 'soon', -1])(
    'but an age of %s is unknown, and the data count',
    async sent => {
      const { follower, stream } = await startStreaming(3);
      await stream.send('heartbeat', { revision: 2, sourceAgeMs: sent });
      expect(follower.status()).toMatchObject({ mode: 'streaming', dataAgeMs: 0 });
      expect(follower.status().sourceAgeMs).toBeUndefined();
    },
  );
});

describe('a follower whose server is cut off from its store', () => {
  it('is stale at once if it starts so, and names the reason', async () => {
    const { follower, modes } = await startStreaming(48);
    expect(modes()).toEqual(['stale']);
    expect(follower.status()).toMatchObject({ dataAgeMs: 48_000, sourceAgeMs: 48_000 });
    expect(follower.status().lastError).toMatchObject({
      message: 'the server is cut off from its store, and its data are 48 s old',
      status: undefined,
    });
    expect(follower.data()).toMatchObject(set);
  });

  it('becomes stale by a heartbeat, and is current again by the next', async () => {
    const { modes, stream } = await startStreaming(0);
    await stream.send('heartbeat', heartbeat(15));
    await stream.send('heartbeat', heartbeat(15.001));
    await stream.send('heartbeat', heartbeat(0.2));
    expect(modes()).toEqual(['polling', 'streaming', 'stale', 'streaming']);
  });

  it('is current again by a change, which the server must have received from its store', async () => {
    const { follower, stream } = await startStreaming(48);
    const change = { previous: set.id, revision: 3, flags: {}, segments: {} };
    await stream.send('change', change, 'epoch.3.nonce');
    expect(follower.status()).toMatchObject({ mode: 'streaming', dataAgeMs: 0, sourceAgeMs: 0 });
  });

  it('connects again after 30 to 90 s, and stays stale until another server responds', async () => {
    const { runtime, follower, stream } = await startStreaming(48);
    for (let second = 0; second < 45; second += 15) {
      await runtime.advance(15_000);
      await stream.send('heartbeat', heartbeat(63 + second));
    }
    expect(runtime.pending).toHaveLength(0);
    await runtime.advance(15_000);
    await stream.send('heartbeat', heartbeat(108));
    expect(follower.status().mode).toBe('stale');
    await runtime.advance(1_000);
    const poll = await runtime.nextRequest();
    expect(follower.status()).toMatchObject({ mode: 'stale', dataAgeMs: 109_000 });
    await poll.respond(304, undefined, age(0));
    expect(follower.status().mode).toBe('polling');
  });

  it('polls more often than its interval if it only polls', async () => {
    const { runtime, follower } = start({ stream: false, pollIntervalMs: 600_000 });
    await (await runtime.nextRequest()).respond(200, JSON.stringify(set), age(48));
    expect(follower.status().mode).toBe('stale');
    await runtime.advance(60_000);
    await (await runtime.nextRequest()).respond(304, undefined, age(1));
    expect(follower.status().mode).toBe('polling');
    await runtime.advance(599_999);
    expect(runtime.pending).toHaveLength(0);
  });

  it('keeps the newer data of another server', async () => {
    const { runtime, follower } = start({ initial: { data: set, ageMs: 1_000 } });
    await (await runtime.nextRequest()).respond(200, JSON.stringify(older), age(48));
    const stream = await (await runtime.nextRequest()).openStream(age(48));
    await stream.send('set', older, older.id);
    expect(follower.data()).toBe(set);
    expect(follower.status()).toMatchObject({ mode: 'disconnected', dataAgeMs: 1_000 });
  });

  it('takes older data of a server that is not cut off: its store has lost the newer ones', async () => {
    const { runtime, follower } = start({ initial: { data: set, ageMs: 1_000 } });
    await (await runtime.nextRequest()).respond(200, JSON.stringify(older), age(0));
    expect(follower.data()).toMatchObject(older);
  });
});

it('the values of a context become stale and current again in the same way', async () => {
  const runtime = createFakeRuntime();
  const follower = followValues({ ...address, context: {} }, runtime);
  const values = { revision: 2, evaluations: {} };
  await (await runtime.nextRequest()).respond(200, JSON.stringify(values), age(48));
  expect(follower.status()).toMatchObject({ mode: 'stale', dataAgeMs: 48_000 });
  const stream = await (await runtime.nextRequest()).openStream(age(48));
  await stream.send('values', values);
  expect(follower.status().mode).toBe('stale');
  await stream.send('heartbeat', heartbeat(0));
  expect(follower.status().mode).toBe('streaming');
  await stream.send('heartbeat', heartbeat(20));
  expect(follower.status()).toMatchObject({ mode: 'stale', dataAgeMs: 20_000 });
  await stream.send('change', values);
  expect(follower.status()).toMatchObject({ mode: 'streaming', dataAgeMs: 0 });
});

describe('values that a server sends which is cut off from its store, regardless of their revisions', () => {
  const valuesOf = (revision: number, variant: string) => ({
    revision,
    evaluations: { f: { variant } },
  });
  const newer = valuesOf(2, 'newer');

  it.each([1, 2, 99])(
    'do not replace those that were current later: revision %i',
    async revision => {
      const runtime = createFakeRuntime();
      const initial = { data: newer, ageMs: 1_000 };
      const follower = followValues({ ...address, context: {}, initial }, runtime);
      const other = valuesOf(revision, 'older');
      await (await runtime.nextRequest()).respond(200, JSON.stringify(other), age(48));
      const stream = await (await runtime.nextRequest()).openStream(age(48));
      await stream.send('values', other);
      expect(follower.data()).toBe(newer);
      expect(follower.status()).toMatchObject({ mode: 'disconnected', dataAgeMs: 1_000 });
    },
  );

  it.each([1, 2, 99])('replace those that were current before: revision %i', async revision => {
    const runtime = createFakeRuntime();
    const initial = { data: valuesOf(2, 'older'), ageMs: 60_000 };
    const follower = followValues({ ...address, context: {}, initial }, runtime);
    const next = valuesOf(revision, 'newer');
    await (await runtime.nextRequest()).respond(200, JSON.stringify(next), age(48));
    expect(follower.data()).toMatchObject(next);
    expect(follower.status()).toMatchObject({ mode: 'stale', dataAgeMs: 48_000 });
  });

  it('replace those of the same server, which may have taken longer to arrive', async () => {
    const runtime = createFakeRuntime();
    const follower = followValues({ ...address, context: {} }, runtime);
    await (await runtime.nextRequest()).respond(200, JSON.stringify(newer), age(47.5));
    const stream = await (await runtime.nextRequest()).openStream(age(48));
    await stream.send('values', newer);
    expect(follower.status()).toMatchObject({ mode: 'stale', dataAgeMs: 48_000 });
  });
});
