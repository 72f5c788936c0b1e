import { afterEach, describe, expect, it } from 'vitest';

import { followFlagSet } from '../src/index.ts';
import type { FlagSet, Follower, FollowerStatus } from '../src/index.ts';
import { createFakeRuntime, settle } from './support/fake-runtime.ts';
import type { FakeRuntime } from './support/fake-runtime.ts';

const setOf = (revision: number): FlagSet => ({
  formatVersion: 1,
  environment: 'production',
  id: `e.${revision}.n`,
  revision,
  flags: {},
  segments: {},
});

let follower: Follower<FlagSet> | undefined;
afterEach(() => follower?.stop());

const follow = (runtime: FakeRuntime, options: { readonly stream?: boolean } = {}) => {
  const modes: FollowerStatus['mode'][] = [];
  const following = followFlagSet(
    { url: 'http://flags.test', key: 'k', onStatus: ({ mode }) => modes.push(mode), ...options },
    runtime,
  );
  follower = following;
  return { following, modes };
};

/** Starts a follower that has received its data. */
const startPolling = async () => {
  const runtime = createFakeRuntime();
  const followed = follow(runtime, { stream: false });
  await (await runtime.nextRequest()).respond(200, JSON.stringify(setOf(1)));
  return { runtime, ...followed };
};

/** Starts a follower with an open stream. */
const startStreaming = async () => {
  const runtime = createFakeRuntime();
  const followed = follow(runtime);
  await (await runtime.nextRequest()).respond(200, JSON.stringify(setOf(1)));
  const request = await runtime.nextRequest();
  const stream = await request.openStream();
  await stream.send('current', { revision: 1 }, 'e.1.n');
  followed.modes.length = 0;
  return { runtime, request, stream, ...followed };
};

const isPoll = ({ url }: { readonly url: string }): boolean => url.endsWith('/flag-set');

describe.each([
  ['was frozen', (runtime: FakeRuntime, ms: number) => runtime.freeze(ms)],
  // The monotonic clock of a virtual machine or of a laptop may stop while it sleeps.
  ['slept', (runtime: FakeRuntime, ms: number) => runtime.setWallTime(ms)],
])('a process that %s for longer than a stream may be silent', (_, pause) => {
  it('does not report "streaming", and polls at once, without jitter', async () => {
    const { runtime, request, following } = await startStreaming();
    pause(runtime, 40_000);
    expect(following.status()).toMatchObject({
      mode: 'connecting',
      revision: 1,
      lastError: { message: expect.stringMatching(/^this process was paused for (39|40) s$/) },
    });
    expect(following.status().dataAgeMs).toBe(40_000);
    expect([following.isUnconfirmed(), request.isAborted()]).toEqual([true, true]);
    expect(isPoll(await runtime.nextRequest())).toBe(true);
  });

  it('is current again when the server has confirmed the data', async () => {
    const { runtime, following, modes } = await startStreaming();
    pause(runtime, 40_000);
    following.noticePause();
    await (await runtime.nextRequest()).respond(304);
    expect([following.isUnconfirmed(), following.status().mode]).toEqual([false, 'polling']);
    const stream = await (await runtime.nextRequest()).openStream();
    await stream.send('current', { revision: 1 }, 'e.1.n');
    expect(modes).toEqual(['connecting', 'polling', 'streaming']);
  });

  it('notices it within a second even if nothing uses the data', async () => {
    const { runtime, modes } = await startStreaming();
    pause(runtime, 40_000);
    await runtime.advance(1_000);
    expect(modes).toEqual(['connecting']);
    expect(isPoll(await runtime.nextRequest())).toBe(true);
  });

  it('is disconnected if the server is away, and retries', async () => {
    const { runtime, following } = await startStreaming();
    pause(runtime, 40_000);
    following.noticePause();
    await (await runtime.nextRequest()).fail('ECONNREFUSED');
    expect(following.status().mode).toBe('disconnected');
  });

  it('polls at once if it has no stream', async () => {
    const { runtime, following } = await startPolling();
    pause(runtime, 40_000);
    expect(following.status().mode).toBe('connecting');
    await (await runtime.nextRequest()).respond(304);
    expect(following.status().mode).toBe('polling');
  });
});

it('a pause of two seconds is checked, and the data count as current until then', async () => {
  const { runtime, following } = await startStreaming();
  runtime.freeze(3_100);
  expect([following.status().mode, following.isUnconfirmed()]).toEqual(['connecting', false]);
  await (await runtime.nextRequest()).respond(304);
  expect(following.status()).toMatchObject({ mode: 'polling', lastError: undefined });
});

it('a pause does not end the mode "stale" of a server that is cut off from its store', async () => {
  const { runtime, stream, following, modes } = await startStreaming();
  await stream.send('heartbeat', { revision: 1, sourceAgeMs: 20_000 });
  runtime.freeze(5_000);
  following.noticePause();
  expect(isPoll(await runtime.nextRequest())).toBe(true);
  expect(modes).toEqual(['stale']);
});

it.each([
  ['back by an hour', -3_600_000],
  ['forward by some seconds', 20_000],
])('a clock that is set %s changes nothing', async (_, ms) => {
  const { runtime, stream, following, modes } = await startStreaming();
  runtime.setWallTime(ms);
  following.noticePause();
  await runtime.advance(14_000);
  await stream.send('heartbeat', { revision: 1 });
  await runtime.advance(14_000);
  expect([following.status().mode, following.status().dataAgeMs]).toEqual(['streaming', 14_000]);
  expect([runtime.pending.length, modes]).toEqual([0, []]);
});

it('a timer that is late by less than two seconds is not a pause', async () => {
  const { runtime, following } = await startStreaming();
  runtime.freeze(2_900);
  expect(following.status().mode).toBe('streaming');
});

it('a pause does not end a delay that the server has requested', async () => {
  const { runtime, following } = await startPolling();
  await runtime.advance(30_000);
  await (await runtime.nextRequest()).respond(429, '', { 'retry-after': '600' });
  runtime.freeze(40_000);
  following.noticePause();
  await settle();
  expect(runtime.pending.length).toBe(0);
});

it('text that was read before a pause does not confirm the data', async () => {
  const { runtime, stream, following } = await startStreaming();
  const sent = stream.send('heartbeat', { revision: 1 });
  runtime.freeze(40_000);
  following.noticePause();
  await sent;
  expect(following.status().mode).toBe('connecting');
});

it('a pause before the first data does not repeat the first request', async () => {
  const runtime = createFakeRuntime();
  const { following } = follow(runtime);
  const first = await runtime.nextRequest();
  runtime.freeze(5_000);
  following.noticePause();
  await settle();
  expect([first.isAborted(), runtime.pending.length]).toEqual([false, 0]);
});

describe('a refresh', () => {
  it('polls at once, and resolves to true when the data have arrived', async () => {
    const { runtime, request, following } = await startStreaming();
    const refreshed = following.refresh(2_000);
    const poll = await runtime.nextRequest();
    expect([isPoll(poll), request.isAborted(), following.isUnconfirmed()]).toEqual([
      true,
      true,
      false,
    ]);
    await poll.respond(200, JSON.stringify(setOf(2)));
    expect([await refreshed, following.data()?.revision]).toEqual([true, 2]);
    const stream = await (await runtime.nextRequest()).openStream();
    await stream.send('current', { revision: 2 }, 'e.2.n');
    expect(following.status()).toMatchObject({ mode: 'streaming', lastError: undefined });
  });

  it('resolves to true when the server confirms the data', async () => {
    const { runtime, following } = await startPolling();
    const refreshed = following.refresh(2_000);
    await (await runtime.nextRequest()).respond(304);
    expect(await refreshed).toBe(true);
  });

  it('does not use the response to an earlier request', async () => {
    const { runtime, following } = await startPolling();
    await runtime.advance(30_000);
    const earlier = await runtime.nextRequest();
    const refreshed = following.refresh(2_000);
    await earlier.respond(200, JSON.stringify(setOf(2)));
    expect([earlier.isAborted(), following.data()?.revision]).toEqual([true, 1]);
    await (await runtime.nextRequest()).respond(200, JSON.stringify(setOf(3)));
    expect([await refreshed, following.data()?.revision]).toEqual([true, 3]);
  });

  it('polls at once if it is requested as soon as the data have arrived', async () => {
    const runtime = createFakeRuntime();
    let refreshed: Promise<boolean> | undefined;
    const following = followFlagSet(
      {
        url: 'http://flags.test',
        key: 'k',
        stream: false,
        onStatus() {
          refreshed ??= following.refresh(2_000);
        },
      },
      runtime,
    );
    follower = following;
    await (await runtime.nextRequest()).respond(200, JSON.stringify(setOf(1)));
    await (await runtime.nextRequest()).respond(200, JSON.stringify(setOf(2)));
    expect([await refreshed, following.data()?.revision]).toEqual([true, 2]);
  });

  it('ends the delay after a failure, and after a rejected key', async () => {
    const runtime = createFakeRuntime();
    const { following } = follow(runtime);
    await (
      await runtime.nextRequest()
    ).respond(401, '{"error":{"code":"UNAUTHORIZED","message":"no such key"}}');
    const refreshed = following.refresh(2_000);
    const stream = await (await runtime.nextRequest()).openStream();
    await stream.send('set', setOf(1), 'e.1.n');
    expect([await refreshed, following.status().mode]).toEqual([true, 'streaming']);
  });

  it('shares one request between concurrent calls', async () => {
    const { runtime, following } = await startPolling();
    const refreshed = Promise.all([following.refresh(2_000), following.refresh(2_000)]);
    const poll = await runtime.nextRequest();
    expect(runtime.pending.length).toBe(0);
    await poll.respond(304);
    expect(await refreshed).toEqual([true, true]);
  });

  it('is not confirmed by the request of an earlier refresh, but by one more, which others share', async () => {
    const { runtime, following } = await startPolling();
    const first = following.refresh(5_000);
    const earlier = await runtime.nextRequest();
    const later = Promise.all([following.refresh(5_000), following.refresh(5_000)]);
    expect([earlier.isAborted(), runtime.pending.length]).toEqual([false, 0]);
    await earlier.respond(200, JSON.stringify(setOf(2)));
    expect([await first, runtime.pending.length]).toEqual([true, 1]);
    await (await runtime.nextRequest()).respond(200, JSON.stringify(setOf(3)));
    expect([await later, following.data()?.revision]).toEqual([[true, true], 3]);
    expect(runtime.pending.length).toBe(0);
  });

  it('polls after the poll of an earlier refresh, because a proxy may buffer the stream', async () => {
    const { runtime, following } = await startStreaming();
    const first = following.refresh(5_000);
    const earlier = await runtime.nextRequest();
    const later = following.refresh(5_000);
    await earlier.respond(304);
    const poll = await runtime.nextRequest();
    expect([await first, isPoll(poll)]).toEqual([true, true]);
    await poll.respond(200, JSON.stringify(setOf(2)));
    expect([await later, following.data()?.revision]).toEqual([true, 2]);
  });

  it('sends its request at once if that of an earlier refresh fails', async () => {
    const { runtime, following } = await startPolling();
    const first = following.refresh(5_000);
    const earlier = await runtime.nextRequest();
    const later = following.refresh(5_000);
    await earlier.fail('ECONNREFUSED');
    await (await runtime.nextRequest()).respond(304);
    expect([await first, await later]).toEqual([true, true]);
  });

  it('resolves to false after the timeout, and to true if a retry succeeds before', async () => {
    const { runtime, following } = await startPolling();
    runtime.randomValue = 0.25;
    const short = following.refresh(400);
    const long = following.refresh(2_000);
    await (await runtime.nextRequest()).fail('ECONNREFUSED');
    await runtime.advance(500);
    expect(await short).toBe(false);
    await (await runtime.nextRequest()).respond(304);
    expect(await long).toBe(true);
  });

  it('resolves to false when the follower is stopped, and after that', async () => {
    const { following, runtime } = await startPolling();
    const refreshed = following.refresh(2_000);
    following.stop();
    expect([await refreshed, await following.refresh(2_000)]).toEqual([false, false]);
    expect(runtime.timerCount()).toBe(0);
  });

  it('waits as long as the server has requested', async () => {
    const { runtime, following } = await startPolling();
    await runtime.advance(30_000);
    await (await runtime.nextRequest()).respond(429, '', { 'retry-after': '1' });
    const refreshed = following.refresh(5_000);
    await settle();
    expect(runtime.pending.length).toBe(0);
    await runtime.advance(1_000);
    await (await runtime.nextRequest()).respond(304);
    expect(await refreshed).toBe(true);
  });
});

it('a follower that is stopped when a pause is noticed has no timers', async () => {
  const runtime = createFakeRuntime();
  const following: Follower<FlagSet> = followFlagSet(
    { url: 'http://flags.test', key: 'k', stream: false, onPause: () => following.stop() },
    runtime,
  );
  await (await runtime.nextRequest()).respond(200, JSON.stringify(setOf(1)));
  runtime.freeze(40_000);
  await runtime.advance(1_000);
  expect(runtime.timerCount()).toBe(0);
});
