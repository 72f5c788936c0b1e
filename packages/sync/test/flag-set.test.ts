import { describe, expect, it } from 'vitest';

import { followFlagSet } from '../src/index.ts';
import type { FlagSet, FlagSetChanges, FollowerStatus, FollowOptions } from '../src/index.ts';
import { createFakeRuntime, frame } from './support/fake-runtime.ts';
import type { FakeRuntime } from './support/fake-runtime.ts';

const STREAM = 'http://flags.test/api/v1/flag-set/stream';
const POLL = 'http://flags.test/api/v1/flag-set';

const idOf = (revision: number) => `epoch.${revision}.nonce`;

const setOf = (revision: number, flags: FlagSet['flags'] = {}): FlagSet => ({
  formatVersion: 1,
  environment: 'production',
  id: idOf(revision),
  revision,
  flags,
  segments: {},
});

const changeAfter = (revision: number, flags: object, segments: object = {}) =>
  [
    'change',
    { previous: idOf(revision), revision: revision + 1, flags, segments },
    idOf(revision + 1),
  ] as const;

const start = (options: Partial<FollowOptions<FlagSet, FlagSetChanges>> = {}) => {
  const runtime = createFakeRuntime();
  const received: FlagSet[] = [];
  const changes: (FlagSetChanges | undefined)[] = [];
  const statuses: FollowerStatus[] = [];
  const follower = followFlagSet(
    {
      url: 'http://flags.test/',
      key: 'server-key',
      onData(data, changed) {
        received.push(data);
        changes.push(changed);
      },
      onStatus: status => statuses.push(status),
      ...options,
    },
    runtime,
  );
  const modes = () => statuses.map(({ mode }) => mode);
  return { runtime, received, changes, statuses, follower, modes };
};

/** Responds to the first poll with `flagSet`, and returns the request for the stream. */
const passFirstPoll = async (runtime: FakeRuntime, flagSet: FlagSet) => {
  await (await runtime.nextRequest()).respond(200, JSON.stringify(flagSet));
  return runtime.nextRequest();
};

/** A follower that has polled a flag set with these flags and streams its changes. */
const startStreaming = async (flags: FlagSet['flags'] = {}) => {
  const started = start();
  const request = await passFirstPoll(started.runtime, setOf(1, flags));
  const stream = await request.openStream();
  await stream.send('current', { revision: 1 }, idOf(1));
  return { ...started, request, stream };
};

describe('following a flag set', () => {
  it('first polls with the key in a header and nothing in the URL', async () => {
    const { runtime } = start();
    const { url, method, headers } = await runtime.nextRequest();
    expect([method, url]).toEqual(['GET', POLL]);
    expect(headers.get('authorization')).toBe('Bearer server-key');
    expect(headers.get('if-none-match')).toBeNull();
  });

  it('then opens the stream with the key in a header and nothing in the URL', async () => {
    const { runtime } = start();
    const { url, method, headers } = await passFirstPoll(runtime, setOf(1));
    expect([method, url]).toEqual(['GET', STREAM]);
    expect(headers.get('authorization')).toBe('Bearer server-key');
    expect(headers.get('last-event-id')).toBe(idOf(1));
  });

  it('opens the stream without an id if the first poll failed', async () => {
    const { runtime } = start();
    await (await runtime.nextRequest()).fail('connect ECONNREFUSED');
    const { url, headers } = await runtime.nextRequest();
    expect(url).toBe(STREAM);
    expect(headers.get('last-event-id')).toBeNull();
  });

  it('sends the environment if there is one', async () => {
    const { runtime } = start({ environment: 'pro duction' });
    const poll = await runtime.nextRequest();
    expect(poll.url).toBe(`${POLL}?environment=pro%20duction`);
    await poll.respond(200, JSON.stringify(setOf(1)));
    const stream = await runtime.nextRequest();
    expect(stream.url).toBe(`${STREAM}?environment=pro%20duction`);
  });

  it('passes the polled set once if the stream confirms it', async () => {
    const { received, follower, modes } = await startStreaming({ a: { v: 1 } });
    expect(received).toEqual([setOf(1, { a: { v: 1 } })]);
    expect(modes()).toEqual(['polling', 'streaming']);
    expect(follower.status()).toMatchObject({ revision: 1, source: 'stream', dataAgeMs: 0 });
  });

  it('passes the set that the stream starts with', async () => {
    const { runtime, received, follower, modes } = start();
    await (await runtime.nextRequest()).fail('connect ECONNREFUSED');
    const stream = await (await runtime.nextRequest()).openStream();
    await stream.send('set', setOf(1, { a: { v: 1 } }), idOf(1));
    expect(received).toEqual([setOf(1, { a: { v: 1 } })]);
    expect(modes()).toEqual(['connecting', 'streaming']);
    expect(follower.status()).toMatchObject({ revision: 1, source: 'stream', dataAgeMs: 0 });
  });

  it('applies a change, removes null values and keeps the objects that did not change', async () => {
    const { received, stream } = await startStreaming({ a: { v: 1 }, b: { v: 1 }, c: { v: 1 } });
    await stream.send(
      ...changeAfter(1, { a: { v: 2 }, b: null, d: { v: 1 } }, { s: { key: 's' } }),
    );
    const [previous, next] = received;
    expect(next).toEqual({
      ...setOf(2, { a: { v: 2 }, c: { v: 1 }, d: { v: 1 } }),
      segments: { s: { key: 's' } },
    });
    expect(next?.flags['c']).toBe(previous?.flags['c']);
    expect(previous).toEqual(setOf(1, { a: { v: 1 }, b: { v: 1 }, c: { v: 1 } }));
  });

  it('passes the keys that a change event changed, and none with a whole set', async () => {
    const { changes, stream } = await startStreaming({ a: { v: 1 }, b: { v: 1 } });
    await stream.send(
      ...changeAfter(1, { a: { v: 2 }, b: { v: 1 }, c: null, d: { v: 1 } }, { s: { key: 's' } }),
    );
    await stream.send('set', setOf(3, {}), idOf(3));
    expect(changes).toEqual([undefined, { flags: ['a', 'd'], segments: ['s'] }, undefined]);
  });

  it('accepts a whole set in the middle of a stream', async () => {
    const { received, stream } = await startStreaming({ a: { v: 1 } });
    await stream.send('set', setOf(9, { z: { v: 9 } }), idOf(9));
    await stream.send(...changeAfter(9, { z: { v: 10 } }));
    expect(received.at(-1)).toEqual(setOf(10, { z: { v: 10 } }));
  });

  it('reads a stream in pieces of any size, and ignores comments and unknown events', async () => {
    const { runtime, received } = start();
    const stream = await (await passFirstPoll(runtime, setOf(1))).openStream();
    const text = `: a comment\nevent: news\ndata: {}\n\nevent: set\nid: epoch.2.nonce\ndata: ${JSON.stringify(setOf(2, { ü: '🎉' }))}\n\n`;
    for (const character of text) await stream.write(character);
    expect(received).toEqual([setOf(1), setOf(2, { ü: '🎉' })]);
  });

  it('passes nothing for a heartbeat, which only confirms the data', async () => {
    const { runtime, received, stream, follower } = await startStreaming();
    await runtime.advance(15_000);
    expect(follower.status().dataAgeMs).toBe(15_000);
    await stream.send('heartbeat', { revision: 1 });
    expect(follower.status().dataAgeMs).toBe(0);
    expect(received).toHaveLength(1);
  });
});

describe('a server from the future', () => {
  const newer = {
    ...setOf(1, { a: { v: 1, owner: 'web' } }),
    projects: { shop: ['a'] },
    signature: 'x',
  };

  it('may add fields to the flag set, which are passed on', async () => {
    const { runtime, received, follower } = start();
    await (await runtime.nextRequest()).respond(200, JSON.stringify(newer));
    expect(received).toEqual([newer]);
    expect(follower.status()).toMatchObject({ mode: 'polling', lastError: undefined });
  });

  it('may add fields to every event of the stream', async () => {
    const { runtime, received, follower } = start();
    const stream = await (await passFirstPoll(runtime, setOf(0))).openStream();
    await stream.send('set', newer, idOf(1));
    const [event, data, id] = changeAfter(1, { b: { v: 1, owner: 'web' } });
    await stream.send(event, { ...data, projects: { shop: null }, author: 'ada' }, id);
    await stream.send('heartbeat', { revision: 2, load: 0.5 });
    expect(received.at(-1)?.flags).toEqual({ ...newer.flags, b: { v: 1, owner: 'web' } });
    expect(follower.status()).toMatchObject({ mode: 'streaming', revision: 2 });
  });

  it('may send events that the follower does not know, at the start and later', async () => {
    const { runtime, received, follower } = start();
    const stream = await (await passFirstPoll(runtime, setOf(1))).openStream();
    await stream.send('hello', { server: 2 });
    await stream.send('current', { revision: 1 }, idOf(1));
    await stream.send('projects', [1, 2], 'another id');
    await stream.send('constructor', 'text');
    await stream.send(...changeAfter(1, { a: { v: 1 } }));
    expect(received.at(-1)).toEqual(setOf(2, { a: { v: 1 } }));
    expect(follower.status()).toMatchObject({ mode: 'streaming', lastError: undefined });
  });
});

describe('a gap', () => {
  const gaps = {
    'a change that follows a different one': changeAfter(5, { a: { v: 6 } }),
    'a heartbeat of another revision': ['heartbeat', { revision: 2 }],
    'a message that is not a JSON object': ['change', [1]],
    'a change without an id': [
      'change',
      { previous: 'epoch.1.nonce', revision: 2, flags: {}, segments: {} },
    ],
    'a malformed set': ['set', { id: 'epoch.1.nonce' }, 'epoch.1.nonce'],
    'a second start that names another set': ['current', { revision: 1 }, 'other.1.nonce'],
  } as const;

  it.each(Object.entries(gaps))(
    'is %s: the follower polls at once, and then reconnects',
    async (_, message) => {
      const { runtime, received, stream, request, modes } = await startStreaming({ a: { v: 1 } });
      const [event, data, id] = message;
      await stream.send(event, data, id);
      expect(request.isAborted()).toBe(true);
      const poll = await runtime.nextRequest();
      expect(poll.url).toBe(POLL);
      expect(poll.headers.get('if-none-match')).toBe('"epoch.1.nonce"');
      await poll.respond(200, JSON.stringify(setOf(6, { a: { v: 6 } })));
      expect(received).toEqual([setOf(1, { a: { v: 1 } }), setOf(6, { a: { v: 6 } })]);
      expect(modes()).toEqual(['polling', 'streaming', 'streaming', 'connecting', 'polling']);
      await runtime.advance(1_000);
      const again = await runtime.nextRequest();
      expect(again.url).toBe(STREAM);
      expect(again.headers.get('last-event-id')).toBe('epoch.6.nonce');
    },
  );

  it('is a stream that does not start with the data, so reordered messages are not applied', async () => {
    const initial = { data: setOf(1), ageMs: undefined };
    const { runtime, received, follower } = start({ initial });
    await (await runtime.nextRequest()).respond(304);
    const stream = await (await runtime.nextRequest()).openStream();
    await stream.send(...changeAfter(1, { a: { v: 2 } }));
    expect(received).toEqual([]);
    expect(follower.status().lastError?.message).toBe('the stream started with the event "change"');
    expect((await runtime.nextRequest()).url).toBe(POLL);
  });

  it('discards the messages that follow it in the same chunk', async () => {
    const { received, stream } = await startStreaming();
    await stream.write(
      'event: heartbeat\ndata: {"revision":7}\n\nevent: set\nid: x\ndata: {"id":"x"}\n\n',
    );
    expect(received).toHaveLength(1);
  });

  it('is text that was damaged on its way', async () => {
    const { runtime, received, follower } = start();
    const damaged = Buffer.from(JSON.stringify(setOf(1, { a: 'ü' })));
    damaged[damaged.indexOf('ü')] = 0xff;
    await (await runtime.nextRequest()).respond(200, damaged);
    expect(received).toEqual([]);
    expect(follower.status().lastError?.message).toContain('not valid');
    const damagedEvent = Buffer.from(frame('set', setOf(1, { a: 'ü' }), 'epoch.1.nonce'));
    damagedEvent[damagedEvent.indexOf('ü')] = 0xff;
    await (await runtime.nextRequest()).respond(200, damagedEvent);
    expect(received).toEqual([]);
    expect(follower.status().lastError?.message).toContain('not valid');
  });
});

describe('initial data', () => {
  it('are confirmed by the first poll and by the stream, without being sent', async () => {
    const { runtime, received, follower } = start({
      initial: { data: setOf(3, { a: {} }), ageMs: undefined },
    });
    expect(follower.status()).toMatchObject({ mode: 'connecting', revision: 3, source: 'initial' });
    const poll = await runtime.nextRequest();
    expect(poll.headers.get('if-none-match')).toBe('"epoch.3.nonce"');
    await poll.respond(304);
    expect(follower.status()).toMatchObject({ mode: 'polling', source: 'poll', dataAgeMs: 0 });
    const request = await runtime.nextRequest();
    expect(request.headers.get('last-event-id')).toBe('epoch.3.nonce');
    await (await request.openStream()).send('current', { revision: 3 }, 'epoch.3.nonce');
    expect(received).toEqual([]);
    expect(follower.status()).toMatchObject({ mode: 'streaming', source: 'stream', dataAgeMs: 0 });
  });

  it('are confirmed by a poll with status 304', async () => {
    const { runtime, received, follower } = start({
      initial: { data: setOf(3), ageMs: undefined },
      stream: false,
    });
    const request = await runtime.nextRequest();
    expect(request.headers.get('if-none-match')).toBe('"epoch.3.nonce"');
    await request.respond(304);
    expect(received).toEqual([]);
    expect(follower.status()).toMatchObject({ mode: 'polling', source: 'poll', dataAgeMs: 0 });
  });
});

it('a change has what is measured as a whole, if that has changed', async () => {
  const { received, stream } = await startStreaming();
  const experiments = { e: { flag: 'a', rule: 'r', unit: 'targetingKey' } };
  const [type, data, id] = changeAfter(1, {});
  await stream.send(type, { ...data, experiments, tracked: ['sold'] }, id);
  await stream.send(...changeAfter(2, { a: {} }));
  expect(received.map(set => [set.experiments, set.tracked])).toEqual([
    [undefined, undefined],
    [experiments, ['sold']],
    [experiments, ['sold']],
  ]);
});
