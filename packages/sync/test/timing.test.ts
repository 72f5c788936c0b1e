import { describe, expect, it } from 'vitest';

import { followFlagSet } from '../src/index.ts';
import type { FlagSet, FollowOptions, Status } from '../src/index.ts';
import { createFakeWorld } from './support/fake-runtime.ts';
import type { Call, FakeWorld } from './support/fake-runtime.ts';

const set: FlagSet = {
  formatVersion: 1,
  environment: 'production',
  id: 'epoch.1.nonce',
  revision: 1,
  flags: {},
  segments: {},
};
const text = JSON.stringify(set);

const start = (options: Partial<FollowOptions<FlagSet>> = {}) => {
  const world = createFakeWorld();
  const statuses: Status[] = [];
  const follower = followFlagSet(
    { url: 'http://flags.test', key: 'k', onStatus: status => statuses.push(status), ...options },
    world,
  );
  return { world, follower, statuses };
};

const streaming = async () => {
  const parts = start();
  const stream = await (await parts.world.next()).open();
  await stream.send('set', set, set.id);
  return { ...parts, stream };
};

const isStream = ({ url }: Call) => url.endsWith('/stream');

/** Refuses every connection for so long, and answers at which second each was tried. */
const refuse = async (world: FakeWorld, seconds: number) => {
  const streams: number[] = [];
  const polls: number[] = [];
  for (let second = 0; second < seconds; second += 1) {
    while (world.waiting.length > 0) {
      const call = await world.next();
      (isStream(call) ? streams : polls).push(second);
      await call.fail('connect ECONNREFUSED');
    }
    await world.advance(1_000);
  }
  return { streams, polls };
};

describe('a stream', () => {
  it('lives as long as a heartbeat comes every 15 s', async () => {
    const { world, stream, follower } = await streaming();
    for (let beat = 0; beat < 20; beat += 1) {
      await world.advance(15_000);
      await stream.send('heartbeat', { revision: 1 });
    }
    expect(follower.status().mode).toBe('streaming');
    expect(world.waiting).toHaveLength(0);
  });

  it('is dead after 37.5 s of silence: it polls, and connects again', async () => {
    const { world, follower } = await streaming();
    await world.advance(37_499);
    expect(follower.status().mode).toBe('streaming');
    await world.advance(1);
    expect(follower.status()).toMatchObject({
      mode: 'connecting',
      lastError: { message: 'nothing was reset for 37.5 s' },
    });
    await world.advance(500);
    const poll = await world.next();
    expect(isStream(poll)).toBe(false);
    await poll.answer(304);
    await world.advance(500);
    expect(isStream(await world.next())).toBe(true);
  });

  it('that ends is lost, and half a message at its end is not read', async () => {
    const { world, stream, follower } = await streaming();
    await stream.write(
      'event: set\nid: x\ndata: {"id":"x","revision":2,"flags":{},"segments":{}}\n',
    );
    await stream.end();
    expect(follower.status()).toMatchObject({ mode: 'connecting', revision: 1 });
    expect(follower.status().lastError?.message).toBe('the stream has closed');
    await world.advance(1_000);
    expect(isStream(await world.next())).toBe(false);
  });

  it('that is no stream but a page is lost', async () => {
    const { world, follower } = start();
    await (
      await world.next()
    ).answer(200, '<p>Welcome to our hotel</p>', { 'content-type': 'text/html' });
    expect(follower.status().lastError?.message).toBe('no event stream but text/html came');
  });

  it('that accepts and says nothing is given up after 10 s', async () => {
    const { world, follower } = start();
    const call = await world.next();
    await world.advance(9_999);
    expect(call.aborted()).toBe(false);
    await world.advance(1);
    expect(call.aborted()).toBe(true);
    expect(follower.status().lastError?.message).toBe('nothing was reset for 10 s');
  });

  it('that has not begun after a second has a poll beside it, whose answer it overrules', async () => {
    const { world, follower } = start();
    const stream = await (await world.next()).open();
    await world.advance(999);
    expect(world.waiting).toHaveLength(0);
    await world.advance(1);
    const poll = await world.next();
    await stream.send('set', { ...set, id: 'epoch.2.nonce', revision: 2 }, 'epoch.2.nonce');
    await poll.answer(200, text);
    expect(follower.status()).toMatchObject({ mode: 'streaming', revision: 2 });
  });

  it('held back by a proxy leaves the data to the polls', async () => {
    const { world, follower } = start();
    await (await world.next()).open();
    await world.advance(1_000);
    await (await world.next()).answer(200, text);
    expect(follower.status()).toMatchObject({ mode: 'polling', revision: 1, source: 'poll' });
  });
});

describe('a follower whose server is away', () => {
  it('makes pauses that grow to 30 s, and never end', async () => {
    const { world } = start();
    world.chance = 0.999;
    const { streams } = await refuse(world, 400);
    const pauses = streams.slice(1).map((second, at) => second - (streams[at] ?? 0));
    expect(pauses.slice(0, 6)).toEqual([2, 3, 5, 9, 17, 31]);
    expect(new Set(pauses.slice(6))).toEqual(new Set([31]));
    expect(pauses.length).toBeGreaterThan(12);
  });

  it('draws its pauses from nothing to the longest: with no luck at all it comes back at once', async () => {
    const { world } = start();
    world.chance = 0;
    const call = await world.next();
    await call.fail('connect ECONNREFUSED');
    const poll = await world.next();
    await poll.fail('connect ECONNREFUSED');
    expect(isStream(await world.next())).toBe(true);
  });

  it('says so, with the error, and keeps the data', async () => {
    const { world, stream, follower, statuses } = await streaming();
    await stream.cut();
    await world.advance(1_000);
    await (await world.next()).fail('connect ECONNREFUSED 127.0.0.1:4400');
    expect(statuses.map(({ mode }) => mode)).toEqual([
      'streaming',
      'streaming',
      'connecting',
      'connecting',
      'disconnected',
    ]);
    expect(follower.status().lastError).toMatchObject({
      message: 'fetch failed: connect ECONNREFUSED 127.0.0.1:4400',
      status: undefined,
    });
    await world.advance(60_000);
    expect(follower.status()).toMatchObject({
      mode: 'disconnected',
      revision: 1,
      dataAgeMs: 61_000,
    });
  });

  it('makes short pauses again after a stream that lived 15 s, not after one that died young', async () => {
    const { world } = start();
    world.chance = 0.999;
    const liveFor = async (ms: number) => {
      while (world.waiting.length === 0) await world.advance(500);
      const call = await world.next();
      if (!isStream(call)) {
        await call.answer(200, text);
        return liveFor(ms);
      }
      const stream = await call.open();
      await stream.send('set', set, set.id);
      await world.advance(ms);
      await stream.cut();
      const lostAt = world.now();
      for (;;) {
        while (world.waiting.length === 0) await world.advance(100);
        if (world.waiting.some(isStream)) return world.now() - lostAt;
        await (await world.next()).answer(304);
      }
    };
    expect(await liveFor(0)).toBeLessThan(2_100);
    expect(await liveFor(0)).toBeGreaterThan(2_900);
    expect(await liveFor(14_000)).toBeGreaterThan(4_900);
    expect(await liveFor(15_000)).toBeLessThan(2_100);
  });
});

describe('polls', () => {
  it('go on at their interval where the stream is refused and they are not', async () => {
    const { world, follower } = start({ pollIntervalMs: 20_000 });
    await (
      await world.next()
    ).answer(403, '{"error":{"code":"FORBIDDEN","message":"not for this key"}}');
    const polls: number[] = [];
    const begin = world.now();
    for (let second = 0; second < 60; second += 1) {
      await world.advance(1_000);
      for (const call of world.waiting.filter(waiting => !isStream(waiting))) {
        polls.push(world.now() - begin);
        await call.answer(200, text);
      }
      world.waiting.filter(isStream).forEach(() => expect.fail('the stream was asked too early'));
      await Promise.all(Array.from(world.waiting, () => world.next()));
    }
    expect(polls).toEqual([1_000, 21_000, 41_000]);
    expect(follower.status()).toMatchObject({ mode: 'polling', source: 'poll' });
    expect(follower.status().lastError).toMatchObject({
      status: 403,
      message: 'the server answered 403: not for this key',
    });
  });

  it('alone are enough where no stream is wanted, and ask with the tag of the last answer', async () => {
    const { world, follower } = start({ stream: false });
    const first = await world.next();
    expect([isStream(first), first.headers.get('if-none-match')]).toEqual([false, null]);
    await first.answer(200, text, { etag: '"weakened"' });
    await world.advance(29_999);
    expect(world.waiting).toHaveLength(0);
    await world.advance(1);
    const second = await world.next();
    expect(second.headers.get('if-none-match')).toBe('"weakened"');
    await second.answer(304, undefined, { etag: '"weakened"' });
    await world.advance(30_000);
    expect((await world.next()).headers.get('if-none-match')).toBe('"weakened"');
    expect(follower.status().mode).toBe('polling');
  });

  it.each([0, -1, Number.NaN])(
    'come at the usual pace where the interval is %d',
    async interval => {
      const { world } = start({ stream: false, pollIntervalMs: interval });
      await (await world.next()).answer(200, text);
      await world.advance(29_999);
      expect(world.waiting).toHaveLength(0);
      await world.advance(1);
      expect(world.waiting).toHaveLength(1);
    },
  );

  it('that fail are tried again sooner than the interval, ever more rejectedKeyDelay', async () => {
    const { world } = start({ stream: false });
    const { polls } = await refuse(world, 100);
    expect(polls.slice(0, 6)).toEqual([0, 1, 3, 7, 15, 30]);
  });

  it('whose answer is no flag set count as failed', async () => {
    const { world, follower } = start({ stream: false });
    await (await world.next()).answer(200, '<p>Welcome</p>');
    expect(follower.status()).toMatchObject({ mode: 'disconnected', revision: undefined });
  });
});

describe('a server that asks to be left alone', () => {
  it.each([
    ['in seconds', '120', 120_000],
    ['until a date', 'Sat, 31 Jan 2026 12:02:00 GMT', 120_000],
    ['for longer than an hour', '86400', 3_600_000],
  ])('%s is left alone: neither stream nor poll comes before', async (_, retryAfter, ms) => {
    const { world } = start();
    await (await world.next()).answer(503, '', { 'retry-after': retryAfter });
    await world.advance(ms);
    expect(world.waiting).toHaveLength(0);
    await world.advance(1_000);
    expect(await world.next()).toBeDefined();
  });

  it('by the answer to a poll is left alone too', async () => {
    const { world } = start();
    await (await world.next()).fail('connect ECONNREFUSED');
    await world.advance(1_000);
    await (await world.next()).answer(429, '', { 'retry-after': '90' });
    await world.advance(89_999);
    expect(world.waiting).toHaveLength(0);
    await world.advance(1);
    expect(isStream(await world.next())).toBe(true);
  });

  it('while only polls are wanted is left alone too', async () => {
    const { world } = start({ stream: false });
    await (await world.next()).answer(429, '', { 'retry-after': '90' });
    await world.advance(89_999);
    expect(world.waiting).toHaveLength(0);
    await world.advance(1);
    expect(world.waiting).toHaveLength(1);
  });

  it('without saying for how long, or wrongly, gets the usual pauses', async () => {
    const { world } = start();
    await (await world.next()).answer(500, 'oops', { 'retry-after': 'soon' });
    await world.advance(1_000);
    expect(isStream(await world.next())).toBe(false);
  });
});

describe('a key that is refused', () => {
  it.each([401, 403])(
    'by %i is reported, and shown again every 60 to 120 s for ever',
    async status => {
      const { world, follower } = start();
      const asked: number[] = [];
      const begin = world.now();
      for (let second = 0; second <= 600; second += 1) {
        while (world.waiting.length > 0) {
          asked.push(world.now() - begin);
          await (await world.next()).answer(status, '{"error":{"message":"no such key"}}');
        }
        await world.advance(1_000);
      }
      expect(follower.status()).toMatchObject({ mode: 'disconnected', lastError: { status } });
      expect(asked.slice(0, 4)).toEqual([0, 1_000, 91_000, 92_000]);
      expect(asked.length).toBeGreaterThan(10);
    },
  );

  it('is followed as ever once it is accepted', async () => {
    const { world, follower } = start();
    await (await world.next()).answer(401);
    await world.advance(1_000);
    await (await world.next()).answer(401);
    await world.advance(91_000);
    const stream = await (await world.next()).open();
    await stream.send('set', set, set.id);
    expect(follower.status()).toMatchObject({ mode: 'streaming', revision: 1 });
  });
});

describe('stopping', () => {
  const moments: Record<string, (world: FakeWorld) => Promise<unknown>> = {
    'before there is an answer': world => world.next(),
    'while a poll stands beside the stream': world => world.advance(1_000),
    'while it streams': async world => (await (await world.next()).open()).send('set', set, set.id),
    'while it waits to poll': async world => (await world.next()).fail('gone'),
    'while it waits to reconnect': async world => {
      await (await world.next()).fail('gone');
      await world.advance(600);
      await (await world.next()).fail('gone');
    },
  };

  it.each(Object.entries(moments))(
    '%s leaves no timer and no request, and tells nothing',
    async (_, reach) => {
      const { world, follower, statuses } = start();
      await reach(world);
      const calls: Call[] = [...world.waiting];
      const told = statuses.length;
      follower.stop();
      follower.stop();
      await world.advance(0);
      expect(world.timers()).toBe(0);
      expect(calls.every(call => call.aborted())).toBe(true);
      await world.advance(1_000_000);
      expect(statuses).toHaveLength(told);
      expect(follower.status().mode).toBe('stopped');
      expect(world.waiting).toHaveLength(calls.length);
    },
  );

  it('by a listener, between two messages, ends there', async () => {
    const world = createFakeWorld();
    const told: number[] = [];
    const follower = followFlagSet(
      {
        url: 'http://flags.test',
        key: 'k',
        onData({ revision }) {
          told.push(revision);
          follower.stop();
        },
      },
      world,
    );
    const stream = await (await world.next()).open();
    const message = (revision: number) =>
      `event: set\nid: ${revision}\ndata: ${JSON.stringify({ ...set, id: String(revision), revision })}\n\n`;
    await stream.write(message(1) + message(2));
    expect(told).toEqual([1]);
  });
});
