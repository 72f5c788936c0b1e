import { describe, expect, it } from 'vitest';

import { followFlagSet } from '../src/index.ts';
import type { FlagSet, FollowerStatus, FollowOptions } from '../src/index.ts';
import { createFakeRuntime } from './support/fake-runtime.ts';
import type { FakeRequest, FakeRuntime } from './support/fake-runtime.ts';

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
  const runtime = createFakeRuntime();
  const statuses: FollowerStatus[] = [];
  const follower = followFlagSet(
    { url: 'http://flags.test', key: 'k', onStatus: status => statuses.push(status), ...options },
    runtime,
  );
  return { runtime, follower, statuses };
};

/** Responds to the first poll, and returns the request for the stream. */
const passFirstPoll = async (runtime: FakeRuntime): Promise<FakeRequest> => {
  await (await runtime.nextRequest()).respond(200, text);
  return runtime.nextRequest();
};

const failFirstPoll = async (runtime: FakeRuntime): Promise<FakeRequest> => {
  await (await runtime.nextRequest()).fail('connect ECONNREFUSED');
  return runtime.nextRequest();
};

const startStreaming = async () => {
  const started = start();
  const stream = await (await passFirstPoll(started.runtime)).openStream();
  await stream.send('current', { revision: 1 }, set.id);
  return { ...started, stream };
};

const isStream = ({ url }: FakeRequest) => url.endsWith('/stream');

/** Refuses every connection for `seconds`, and returns the seconds in which they were tried. */
const refuseAll = async (runtime: FakeRuntime, seconds: number) => {
  const streams: number[] = [];
  const polls: number[] = [];
  for (let second = 0; second < seconds; second += 1) {
    while (runtime.pending.length > 0) {
      const request = await runtime.nextRequest();
      (isStream(request) ? streams : polls).push(second);
      await request.fail('connect ECONNREFUSED');
    }
    await runtime.advance(1_000);
  }
  return { streams, polls };
};

describe('the first request', () => {
  it('is a poll without any delay, followed by the stream as soon as it succeeds', async () => {
    const { runtime, follower } = start();
    runtime.randomValue = 0.999;
    const begin = runtime.now();
    const poll = await runtime.nextRequest();
    expect(isStream(poll)).toBe(false);
    await runtime.advance(9_999);
    expect(runtime.pending).toHaveLength(0);
    await poll.respond(200, text);
    expect(follower.status()).toMatchObject({ mode: 'polling', revision: 1, source: 'poll' });
    const stream = await runtime.nextRequest();
    expect(isStream(stream)).toBe(true);
    expect(stream.headers.get('last-event-id')).toBe(set.id);
    expect(runtime.now()).toBe(begin + 9_999);
  });

  it('that fails is followed by the stream at once, before the server counts as away', async () => {
    const { runtime, follower, statuses } = start();
    await (await runtime.nextRequest()).fail('connect ECONNREFUSED');
    const stream = await (await runtime.nextRequest()).openStream();
    await stream.send('set', set, set.id);
    expect(statuses.map(({ mode }) => mode)).toEqual(['connecting', 'streaming']);
    expect(follower.status().lastError?.message).toBe('fetch failed: connect ECONNREFUSED');
  });

  it('that fails, as the stream does, means that the server is away', async () => {
    const { runtime, statuses } = start();
    await (await failFirstPoll(runtime)).fail('connect ECONNREFUSED');
    expect(statuses.map(({ mode }) => mode)).toEqual(['connecting', 'connecting', 'disconnected']);
    expect(runtime.pending).toHaveLength(0);
    await runtime.advance(500);
    expect(isStream(await runtime.nextRequest())).toBe(false);
  });

  it.each([400, 404, 413])(
    'that is rejected with %i means at once that the server has no data for these options',
    async status => {
      const { runtime, follower } = start();
      await (await runtime.nextRequest()).respond(status, '{"error":{"message":"no such thing"}}');
      expect(follower.status()).toMatchObject({ mode: 'disconnected', lastError: { status } });
      const stream = await (await runtime.nextRequest()).openStream();
      await stream.send('set', set, set.id);
      expect(follower.status().mode).toBe('streaming');
    },
  );

  it.each([408, 425, 429, 500])('that fails with %i may succeed by the stream', async status => {
    const { runtime, follower } = start();
    await (await runtime.nextRequest()).respond(status);
    expect(follower.status().mode).toBe('connecting');
    expect(isStream(await runtime.nextRequest())).toBe(true);
  });

  it('that gets no response is given up after 10 s', async () => {
    const { runtime, follower } = start();
    const poll = await runtime.nextRequest();
    await runtime.advance(9_999);
    expect(poll.isAborted()).toBe(false);
    await runtime.advance(1);
    expect(poll.isAborted()).toBe(true);
    expect(follower.status().lastError?.message).toBe('no data for 10 s');
    expect(isStream(await runtime.nextRequest())).toBe(true);
  });
});

describe('a stream', () => {
  it('lives as long as a heartbeat arrives every 15 s', async () => {
    const { runtime, stream, follower } = await startStreaming();
    for (let count = 0; count < 20; count += 1) {
      await runtime.advance(15_000);
      await stream.send('heartbeat', { revision: 1 });
    }
    expect(follower.status().mode).toBe('streaming');
    expect(runtime.pending).toHaveLength(0);
  });

  it('is lost after 30 s without data: the follower polls, and reconnects', async () => {
    const { runtime, follower } = await startStreaming();
    await runtime.advance(29_999);
    expect(follower.status().mode).toBe('streaming');
    await runtime.advance(1);
    expect(follower.status()).toMatchObject({
      mode: 'connecting',
      lastError: { message: 'no data for 30 s' },
    });
    await runtime.advance(500);
    const poll = await runtime.nextRequest();
    expect(isStream(poll)).toBe(false);
    await poll.respond(304);
    await runtime.advance(500);
    expect(isStream(await runtime.nextRequest())).toBe(true);
  });

  it.each([0, 0.5, 0.999])(
    'of a server that is frozen is noticed within 2.5 heartbeats (jitter %d)',
    async jitter => {
      const { runtime, follower } = await startStreaming();
      runtime.randomValue = jitter;
      await runtime.advance(37_500);
      expect(follower.status().mode).toBe('disconnected');
      expect(follower.data()).toEqual(set);
    },
  );

  it('that ends is lost, and half an event at its end is discarded', async () => {
    const { runtime, stream, follower } = await startStreaming();
    await stream.write(
      'event: set\nid: x\ndata: {"id":"x","revision":2,"flags":{},"segments":{}}\n',
    );
    await stream.end();
    expect(follower.status()).toMatchObject({ mode: 'connecting', revision: 1 });
    expect(follower.status().lastError?.message).toBe('the server closed the stream');
    await runtime.advance(1_000);
    expect(isStream(await runtime.nextRequest())).toBe(false);
  });

  it.each([
    [
      { error: { code: 'INTERNAL_SERVER_ERROR', message: 'try again' } },
      'INTERNAL_SERVER_ERROR: try again',
    ],
    [{}, 'an error: '],
  ])(
    'that the server ends with the event "error" is lost, and its code is reported',
    async (data, reason) => {
      const { runtime, follower, stream } = await startStreaming();
      await stream.send('error', data);
      expect(follower.status()).toMatchObject({
        mode: 'connecting',
        lastError: { message: `the server ended the stream with ${reason}` },
      });
      await runtime.advance(1_000);
      expect(isStream(await runtime.nextRequest())).toBe(false);
    },
  );

  it('that is a web page instead is lost', async () => {
    const { runtime, follower } = start();
    const request = await passFirstPoll(runtime);
    await request.respond(200, '<p>Welcome to our hotel</p>', { 'content-type': 'text/html' });
    expect(follower.status().lastError?.message).toBe(
      'expected an event stream, but received text/html',
    );
  });

  it('that is accepted but sends nothing is given up after 10 s', async () => {
    const { runtime, follower } = start();
    const request = await passFirstPoll(runtime);
    await runtime.advance(9_999);
    expect(request.isAborted()).toBe(false);
    await runtime.advance(1);
    expect(request.isAborted()).toBe(true);
    expect(follower.status().lastError?.message).toBe('no data for 10 s');
  });

  it('that has not sent anything yet is never overtaken by a poll', async () => {
    const { runtime, follower } = start();
    const stream = await (await passFirstPoll(runtime)).openStream();
    await runtime.advance(9_999);
    expect(runtime.pending).toHaveLength(0);
    await stream.send('set', { ...set, id: 'epoch.2.nonce', revision: 2 }, 'epoch.2.nonce');
    expect(follower.status()).toMatchObject({ mode: 'streaming', revision: 2 });
  });

  it('that a proxy buffers leaves the data to the polls', async () => {
    const { runtime, follower } = start();
    await (await passFirstPoll(runtime)).openStream();
    await runtime.advance(1_000);
    expect(follower.status()).toMatchObject({ mode: 'polling', revision: 1, source: 'poll' });
    await runtime.advance(10_000);
    const poll = await runtime.nextRequest();
    expect(isStream(poll)).toBe(false);
    await poll.respond(200, JSON.stringify({ ...set, id: 'epoch.2.nonce', revision: 2 }));
    expect(follower.status()).toMatchObject({ mode: 'polling', revision: 2, source: 'poll' });
  });
});

describe('a follower of a server that is away', () => {
  it('waits longer and longer, up to 30 s, and never gives up', async () => {
    const { runtime } = start();
    runtime.randomValue = 0.999;
    const { streams } = await refuseAll(runtime, 400);
    const pauses = streams.slice(1).map((second, index) => second - (streams[index] ?? 0));
    expect(pauses.slice(0, 6)).toEqual([2, 3, 5, 9, 17, 31]);
    expect(new Set(pauses.slice(6))).toEqual(new Set([31]));
    expect(pauses.length).toBeGreaterThan(12);
  });

  it('draws each delay from 0 to the longest, so it may reconnect at once', async () => {
    const { runtime } = start();
    runtime.randomValue = 0;
    await (await failFirstPoll(runtime)).fail('connect ECONNREFUSED');
    const poll = await runtime.nextRequest();
    expect(isStream(poll)).toBe(false);
    await poll.fail('connect ECONNREFUSED');
    expect(isStream(await runtime.nextRequest())).toBe(true);
  });

  it('reports it, with the error, and keeps the data', async () => {
    const { runtime, stream, follower, statuses } = await startStreaming();
    await stream.cut();
    await runtime.advance(1_000);
    await (await runtime.nextRequest()).fail('connect ECONNREFUSED 127.0.0.1:4400');
    expect(statuses.map(({ mode }) => mode)).toEqual([
      'polling',
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
    await runtime.advance(60_000);
    expect(follower.status()).toMatchObject({
      mode: 'disconnected',
      revision: 1,
      dataAgeMs: 61_000,
    });
  });

  it('starts with short delays again after a stream of 15 s, but not after a shorter one', async () => {
    const { runtime } = start();
    runtime.randomValue = 0.999;
    /** Cuts the next stream after `ms`, and returns how long it takes until the follower reconnects. */
    const reconnectTimeAfter = async (ms: number) => {
      while (runtime.pending.length === 0) await runtime.advance(500);
      const request = await runtime.nextRequest();
      if (!isStream(request)) {
        await request.respond(200, text);
        return reconnectTimeAfter(ms);
      }
      const stream = await request.openStream();
      await stream.send('set', set, set.id);
      await runtime.advance(ms);
      await stream.cut();
      const lostAt = runtime.now();
      for (;;) {
        while (runtime.pending.length === 0) await runtime.advance(100);
        if (runtime.pending.some(isStream)) return runtime.now() - lostAt;
        await (await runtime.nextRequest()).respond(304);
      }
    };
    expect(await reconnectTimeAfter(0)).toBeLessThan(2_100);
    expect(await reconnectTimeAfter(0)).toBeGreaterThan(2_900);
    expect(await reconnectTimeAfter(14_000)).toBeGreaterThan(4_900);
    expect(await reconnectTimeAfter(15_000)).toBeLessThan(2_100);
  });
});

describe('polls', () => {
  it('continue at their interval if only the stream is rejected', async () => {
    const { runtime, follower } = start({ pollIntervalMs: 20_000 });
    await (
      await passFirstPoll(runtime)
    ).respond(403, '{"error":{"code":"FORBIDDEN","message":"not for this key"}}');
    const polls: number[] = [];
    const begin = runtime.now();
    for (let second = 0; second < 60; second += 1) {
      await runtime.advance(1_000);
      for (const request of runtime.pending.filter(pending => !isStream(pending))) {
        polls.push(runtime.now() - begin);
        await request.respond(200, text);
      }
      runtime.pending.filter(isStream).forEach(() => expect.fail('the stream came too early'));
      await Promise.all(Array.from(runtime.pending, () => runtime.nextRequest()));
    }
    expect(polls).toEqual([1_000, 21_000, 41_000]);
    expect(follower.status()).toMatchObject({ mode: 'polling', source: 'poll' });
    expect(follower.status().lastError).toMatchObject({
      status: 403,
      message: 'the server responded with 403: not for this key',
    });
  });

  it('are enough if the stream is turned off, and send the ETag of the last response', async () => {
    const { runtime, follower } = start({ stream: false });
    const first = await runtime.nextRequest();
    expect([isStream(first), first.headers.get('if-none-match')]).toEqual([false, null]);
    await first.respond(200, text, { etag: '"weakened"' });
    await runtime.advance(29_999);
    expect(runtime.pending).toHaveLength(0);
    await runtime.advance(1);
    const second = await runtime.nextRequest();
    expect(second.headers.get('if-none-match')).toBe('"weakened"');
    await second.respond(304, undefined, { etag: '"weakened"' });
    await runtime.advance(30_000);
    expect((await runtime.nextRequest()).headers.get('if-none-match')).toBe('"weakened"');
    expect(follower.status().mode).toBe('polling');
  });

  it.each([0, -1, Number.NaN])('use the default interval instead of %d', async interval => {
    const { runtime } = start({ stream: false, pollIntervalMs: interval });
    await (await runtime.nextRequest()).respond(200, text);
    await runtime.advance(29_999);
    expect(runtime.pending).toHaveLength(0);
    await runtime.advance(1);
    expect(runtime.pending).toHaveLength(1);
  });

  it('that fail are tried again sooner than the interval, with growing delays', async () => {
    const { runtime } = start({ stream: false });
    const { polls } = await refuseAll(runtime, 100);
    expect(polls.slice(0, 6)).toEqual([0, 1, 3, 7, 15, 30]);
  });

  it('fail if the response is not a flag set', async () => {
    const { runtime, follower } = start({ stream: false });
    await (await runtime.nextRequest()).respond(200, '<p>Welcome</p>');
    expect(follower.status()).toMatchObject({ mode: 'disconnected', revision: undefined });
  });
});

const DATE = 'Sat, 31 Jan 2026 12:00:00 GMT';

describe('Retry-After', () => {
  it.each([
    ['in seconds', '120', 120_000],
    ['as a date', 'Sat, 31 Jan 2026 12:02:00 GMT', 120_000],
    ['as a date of next year, limited to one hour', 'Sun, 31 Jan 2027 12:00:00 GMT', 3_600_000],
    ['of more than an hour, limited to one', '86400', 3_600_000],
  ])('%s delays the stream after the first poll', async (_, retryAfter, ms) => {
    const { runtime, follower } = start();
    await (await runtime.nextRequest()).respond(503, '', { 'retry-after': retryAfter, date: DATE });
    expect(follower.status().mode).toBe('disconnected');
    await runtime.advance(ms - 1);
    expect(runtime.pending).toHaveLength(0);
    await runtime.advance(1);
    expect(isStream(await runtime.nextRequest())).toBe(true);
  });

  it.each([
    ['in seconds', '120', 120_000],
    ['as a date', 'Sat, 31 Jan 2026 12:02:00 GMT', 120_000],
    ['as a date of next year, limited to one hour', 'Sun, 31 Jan 2027 12:00:00 GMT', 3_600_000],
    ['of more than an hour, limited to one', '86400', 3_600_000],
  ])('%s delays the poll after a stream', async (_, retryAfter, ms) => {
    const { runtime } = start();
    await (
      await passFirstPoll(runtime)
    ).respond(503, '', { 'retry-after': retryAfter, date: DATE });
    await runtime.advance(ms);
    expect(runtime.pending).toHaveLength(0);
    await runtime.advance(1_000);
    expect(await runtime.nextRequest()).toBeDefined();
  });

  it('delays the stream after a later poll, too', async () => {
    const { runtime } = start();
    await (await failFirstPoll(runtime)).fail('connect ECONNREFUSED');
    await runtime.advance(1_000);
    await (await runtime.nextRequest()).respond(429, '', { 'retry-after': '90' });
    await runtime.advance(89_999);
    expect(runtime.pending).toHaveLength(0);
    await runtime.advance(1);
    expect(isStream(await runtime.nextRequest())).toBe(true);
  });

  it('delays the next poll if the stream is turned off', async () => {
    const { runtime } = start({ stream: false });
    await (await runtime.nextRequest()).respond(429, '', { 'retry-after': '90' });
    await runtime.advance(89_999);
    expect(runtime.pending).toHaveLength(0);
    await runtime.advance(1);
    expect(runtime.pending).toHaveLength(1);
  });

  it.each([-3_600_000, 3_600_000])(
    'as a date counts from the date of the response if the clock is off by %i ms',
    async offsetMs => {
      const { runtime } = start({ stream: false });
      runtime.setWallTime(offsetMs);
      const headers = { 'retry-after': 'Sat, 31 Jan 2026 12:01:00 GMT', date: DATE };
      await (await runtime.nextRequest()).respond(503, '', headers);
      await runtime.advance(59_999);
      expect(runtime.pending).toHaveLength(0);
      await runtime.advance(1);
      expect(runtime.pending).toHaveLength(1);
    },
  );

  it('as a date has no effect if the date of the response is hidden', async () => {
    const { runtime } = start({ stream: false });
    const headers = { 'retry-after': 'Sat, 31 Jan 2026 13:00:00 GMT' };
    await (await runtime.nextRequest()).respond(503, '', headers);
    await runtime.advance(1_000);
    expect(runtime.pending).toHaveLength(1);
  });

  it('has no effect if it is missing or malformed', async () => {
    const { runtime } = start();
    await (await passFirstPoll(runtime)).respond(500, 'oops', { 'retry-after': 'soon' });
    await runtime.advance(1_000);
    expect(isStream(await runtime.nextRequest())).toBe(false);
  });
});

const REJECTED = '{"error":{"code":"UNAUTHORIZED","message":"no such key"}}';

describe('a key that is rejected', () => {
  it.each([401, 403])(
    'with status %i is reported, and used again every 60 to 120 s',
    async status => {
      const { runtime, follower } = start();
      const times: number[] = [];
      const begin = runtime.now();
      for (let second = 0; second <= 600; second += 1) {
        while (runtime.pending.length > 0) {
          times.push(runtime.now() - begin);
          const request = await runtime.nextRequest();
          await request.respond(status, REJECTED);
        }
        await runtime.advance(1_000);
      }
      expect(follower.status()).toMatchObject({ mode: 'disconnected', lastError: { status } });
      expect(times.slice(0, 4)).toEqual([0, 90_000, 91_000, 181_000]);
      expect(times.length).toBeGreaterThan(10);
    },
  );

  it('is reported as soon as the first poll fails', async () => {
    const { runtime, follower } = start();
    await (await runtime.nextRequest()).respond(401, REJECTED);
    expect(follower.status()).toMatchObject({ mode: 'disconnected', lastError: { status: 401 } });
    expect(runtime.pending).toHaveLength(0);
  });

  it.each([
    [401, '<h1>refused by a proxy</h1>'],
    [403, '<h1>refused by a proxy</h1>'],
    [401, '{"error":"invalid_token"}'],
    [403, '{"error":{}}'],
    [403, '{"error":{"code":403,"message":"denied","status":"PERMISSION_DENIED"}}'],
    [403, '{"error":{"code":"AccessDenied","message":"denied"}}'],
    [403, '{"error":{"code":"FORBIDDEN"}}'],
  ])(
    'is not rejected by a response with %i and the body %s, which no Pennon server sends',
    async (status, body) => {
      const { runtime, follower } = start();
      await (await runtime.nextRequest()).respond(status, body);
      const message = `a proxy or gateway in front of the server responded with ${status}`;
      expect(follower.status().lastError).toMatchObject({ message, status: undefined });
      // The stream follows at once.
      expect(isStream(await runtime.nextRequest())).toBe(true);
    },
  );

  it('is used as usual once it is accepted', async () => {
    const { runtime, follower } = start();
    await (await runtime.nextRequest()).respond(401, REJECTED);
    await runtime.advance(90_000);
    await (await runtime.nextRequest()).respond(401, REJECTED);
    await runtime.advance(500);
    await (await runtime.nextRequest()).respond(401, REJECTED);
    await runtime.advance(91_000);
    const stream = await (await runtime.nextRequest()).openStream();
    await stream.send('set', set, set.id);
    expect(follower.status()).toMatchObject({ mode: 'streaming', revision: 1 });
  });
});

describe('stopping', () => {
  const moments: Record<string, (runtime: FakeRuntime) => Promise<unknown>> = {
    'before the first response': runtime => runtime.nextRequest(),
    'after the first poll': passFirstPoll,
    'while streaming': async runtime => {
      const stream = await (await passFirstPoll(runtime)).openStream();
      await stream.send('set', set, set.id);
    },
    'while waiting for the next poll': async runtime => {
      await (await failFirstPoll(runtime)).fail('gone');
    },
    'while waiting to reconnect': async runtime => {
      await (await failFirstPoll(runtime)).fail('gone');
      await runtime.advance(600);
      await (await runtime.nextRequest()).fail('gone');
    },
  };

  it.each(Object.entries(moments))(
    '%s leaves no timer and no request, and makes no callback',
    async (_, arrive) => {
      const { runtime, follower, statuses } = start();
      await arrive(runtime);
      const requests: FakeRequest[] = [...runtime.pending];
      const callbacks = statuses.length;
      follower.stop();
      follower.stop();
      await runtime.advance(0);
      expect(runtime.timerCount()).toBe(0);
      expect(requests.every(request => request.isAborted())).toBe(true);
      await runtime.advance(1_000_000);
      expect(statuses).toHaveLength(callbacks);
      expect(follower.status().mode).toBe('stopped');
      expect(runtime.pending).toHaveLength(requests.length);
    },
  );

  it('in a callback takes effect before the next event of the same chunk', async () => {
    const runtime = createFakeRuntime();
    const revisions: number[] = [];
    const follower = followFlagSet(
      {
        url: 'http://flags.test',
        key: 'k',
        onData({ revision }) {
          revisions.push(revision);
          follower.stop();
        },
      },
      runtime,
    );
    const stream = await (await failFirstPoll(runtime)).openStream();
    const message = (revision: number) =>
      `event: set\nid: ${revision}\ndata: ${JSON.stringify({ ...set, id: String(revision), revision })}\n\n`;
    await stream.write(message(1) + message(2));
    expect(revisions).toEqual([1]);
  });

  it('in a callback after the first poll opens no stream', async () => {
    const runtime = createFakeRuntime();
    const follower = followFlagSet(
      { url: 'http://flags.test', key: 'k', onData: () => follower.stop() },
      runtime,
    );
    await (await runtime.nextRequest()).respond(200, text);
    await runtime.advance(100_000);
    expect(runtime.pending).toHaveLength(0);
    expect(runtime.timerCount()).toBe(0);
  });
});

describe('a proxy that has lost the server', () => {
  it('does not keep a stream alive by comments', async () => {
    const { runtime, stream, follower } = await startStreaming();
    for (let sentMs = 0; sentMs < 30_000; sentMs += 5_000) {
      expect(follower.status().mode).toBe('streaming');
      await stream.write(': alive\n\n');
      await runtime.advance(5_000);
    }
    expect(follower.status()).toMatchObject({
      mode: 'connecting',
      lastError: { message: 'no data for 30 s' },
    });
  });

  it('does not delay a start by comments', async () => {
    const { runtime, follower } = start();
    const stream = await (await failFirstPoll(runtime)).openStream();
    await stream.write(': alive\n\n');
    await runtime.advance(9_999);
    expect(follower.status().mode).toBe('connecting');
    await runtime.advance(1);
    expect(follower.status().mode).toBe('disconnected');
  });

  it('that passes on an event in parts does not end the stream', async () => {
    const { runtime, stream, follower } = await startStreaming();
    for (const part of ['event: heart', 'beat\n', 'data: {"revision"', ':1}\n', '\n']) {
      await runtime.advance(29_000);
      await stream.write(part);
    }
    expect(follower.status().mode).toBe('streaming');
  });
});
