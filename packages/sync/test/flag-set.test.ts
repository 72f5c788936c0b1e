import { describe, expect, it } from 'vitest';

import { followFlagSet } from '../src/index.ts';
import type { FlagSet, FlagSetChanges, FollowOptions, Status } from '../src/index.ts';
import { createFakeWorld, frame } from './support/fake-runtime.ts';

const STREAM = 'http://flags.test/api/v1/flag-set/stream';
const POLL = 'http://flags.test/api/v1/flag-set';

const setOf = (revision: number, flags: FlagSet['flags'] = {}): FlagSet => ({
  formatVersion: 1,
  environment: 'production',
  id: `epoch.${revision}.nonce`,
  revision,
  flags,
  segments: {},
});

const changeAfter = (revision: number, flags: object, segments: object = {}) =>
  [
    'change',
    { previous: `epoch.${revision}.nonce`, revision: revision + 1, flags, segments },
    `epoch.${revision + 1}.nonce`,
  ] as const;

const start = (options: Partial<FollowOptions<FlagSet, FlagSetChanges>> = {}) => {
  const world = createFakeWorld();
  const told: FlagSet[] = [];
  const changes: (FlagSetChanges | undefined)[] = [];
  const statuses: Status[] = [];
  const follower = followFlagSet(
    {
      url: 'http://flags.test/',
      key: 'server-key',
      onData(data, changed) {
        told.push(data);
        changes.push(changed);
      },
      onStatus: status => statuses.push(status),
      ...options,
    },
    world,
  );
  return {
    world,
    told,
    changes,
    statuses,
    follower,
    modes: () => statuses.map(({ mode }) => mode),
  };
};

const started = async (flags: FlagSet['flags'] = {}) => {
  const parts = start();
  const call = await parts.world.next();
  const stream = await call.open();
  await stream.send('set', setOf(1, flags), 'epoch.1.nonce');
  return { ...parts, call, stream };
};

describe('following a flag set', () => {
  it('asks for the stream with the key in a header and nothing in the URL', async () => {
    const { world } = start();
    const { url, method, headers } = await world.next();
    expect([method, url]).toEqual(['GET', STREAM]);
    expect(headers.get('authorization')).toBe('Bearer server-key');
    expect(headers.get('last-event-id')).toBeNull();
  });

  it('names the environment where the key is one of all environments', async () => {
    const { world } = start({ environment: 'pro duction' });
    const { url } = await world.next();
    expect(url).toBe(`${STREAM}?environment=pro%20duction`);
  });

  it('tells the set that the stream begins with, and is streaming', async () => {
    const { told, follower, modes } = await started({ a: { v: 1 } });
    expect(told).toEqual([setOf(1, { a: { v: 1 } })]);
    expect(modes()).toEqual(['streaming']);
    expect(follower.status()).toMatchObject({ revision: 1, source: 'stream', dataAgeMs: 0 });
  });

  it('lays a change over the set, removes what is null, and keeps the objects that did not change', async () => {
    const { told, stream } = await started({ a: { v: 1 }, b: { v: 1 }, c: { v: 1 } });
    await stream.send(
      ...changeAfter(1, { a: { v: 2 }, b: null, d: { v: 1 } }, { s: { key: 's' } }),
    );
    const [before, after] = told;
    expect(after).toEqual({
      ...setOf(2, { a: { v: 2 }, c: { v: 1 }, d: { v: 1 } }),
      segments: { s: { key: 's' } },
    });
    expect(after?.flags['c']).toBe(before?.flags['c']);
    expect(before).toEqual(setOf(1, { a: { v: 1 }, b: { v: 1 }, c: { v: 1 } }));
  });

  it('passes the keys that a change event changed, and none with a whole set', async () => {
    const { changes, stream } = await started({ a: { v: 1 }, b: { v: 1 } });
    await stream.send(
      ...changeAfter(1, { a: { v: 2 }, b: { v: 1 }, c: null, d: { v: 1 } }, { s: { key: 's' } }),
    );
    await stream.send('set', setOf(3, {}), 'epoch.3.nonce');
    expect(changes).toEqual([undefined, { flags: ['a', 'd'], segments: ['s'] }, undefined]);
  });

  it('takes a whole set in the middle of a stream', async () => {
    const { told, stream } = await started({ a: { v: 1 } });
    await stream.send('set', setOf(9, { z: { v: 9 } }), 'epoch.9.nonce');
    await stream.send(...changeAfter(9, { z: { v: 10 } }));
    expect(told.at(-1)).toEqual(setOf(10, { z: { v: 10 } }));
  });

  it('reads a stream in whatever pieces it comes, and ignores what it does not know', async () => {
    const { world, told } = start();
    const stream = await (await world.next()).open();
    const text = `: a comment\nevent: news\ndata: {}\n\nevent: set\nid: epoch.1.nonce\ndata: ${JSON.stringify(setOf(1, { ü: '🎉' }))}\n\n`;
    for (const character of text) await stream.write(character);
    expect(told).toEqual([setOf(1, { ü: '🎉' })]);
  });

  it('tells nothing twice: a heartbeat makes the data younger and no news', async () => {
    const { world, told, stream, follower } = await started();
    await world.advance(15_000);
    expect(follower.status().dataAgeMs).toBe(15_000);
    await stream.send('heartbeat', { revision: 1 });
    expect(follower.status().dataAgeMs).toBe(0);
    expect(told).toHaveLength(1);
  });
});

describe('a gap', () => {
  const gaps = {
    'a change that follows another one than ours': changeAfter(5, { a: { v: 6 } }),
    'a heartbeat of another revision': ['heartbeat', { revision: 2 }],
    'a message that is no JSON object': ['change', [1]],
    'a change without an id': [
      'change',
      { previous: 'epoch.1.nonce', revision: 2, flags: {}, segments: {} },
    ],
    'a set that is none': ['set', { id: 'epoch.1.nonce' }, 'epoch.1.nonce'],
    'a second beginning that names another set': ['current', { revision: 1 }, 'other.1.nonce'],
  } as const;

  it.each(Object.entries(gaps))(
    '%s is one: it polls at once, and then connects again',
    async (_, message) => {
      const { world, told, stream, call, modes } = await started({ a: { v: 1 } });
      const [event, data, id] = message;
      await stream.send(event, data, id);
      expect(call.aborted()).toBe(true);
      const poll = await world.next();
      expect(poll.url).toBe(POLL);
      expect(poll.headers.get('if-none-match')).toBe('"epoch.1.nonce"');
      await poll.answer(200, JSON.stringify(setOf(6, { a: { v: 6 } })));
      expect(told).toEqual([setOf(1, { a: { v: 1 } }), setOf(6, { a: { v: 6 } })]);
      expect(modes()).toEqual(['streaming', 'streaming', 'connecting', 'polling']);
      await world.advance(1_000);
      const again = await world.next();
      expect(again.url).toBe(STREAM);
      expect(again.headers.get('last-event-id')).toBe('epoch.6.nonce');
    },
  );

  it('is one where the stream does not begin with the data: reordered messages are not believed', async () => {
    const { world, told } = start({ initial: { data: setOf(1), at: 0 } });
    const stream = await (await world.next()).open();
    await stream.send(...changeAfter(1, { a: { v: 2 } }));
    expect(told).toEqual([]);
    expect((await world.next()).url).toBe(POLL);
  });

  it('drops what stands behind it in the same piece', async () => {
    const { told, stream } = await started();
    await stream.write(
      'event: heartbeat\ndata: {"revision":7}\n\nevent: set\nid: x\ndata: {"id":"x"}\n\n',
    );
    expect(told).toHaveLength(1);
  });

  it('is never hidden: text that is damaged on its way is no data', async () => {
    const { world, told, follower } = start();
    const damaged = Buffer.from(frame('set', setOf(1, { a: 'ü' }), 'epoch.1.nonce'));
    damaged[damaged.indexOf('ü')] = 0xff;
    await (await world.next()).answer(200, damaged);
    expect(told).toEqual([]);
    expect(follower.status().lastError?.message).toContain('not valid');
  });
});

describe('what is known already', () => {
  it('is named to the stream, and is confirmed without being sent', async () => {
    const { world, told, follower } = start({ initial: { data: setOf(3, { a: {} }), at: 0 } });
    expect(follower.status()).toMatchObject({ mode: 'connecting', revision: 3, source: 'initial' });
    const call = await world.next();
    expect(call.headers.get('last-event-id')).toBe('epoch.3.nonce');
    await (await call.open()).send('current', { revision: 3 }, 'epoch.3.nonce');
    expect(told).toEqual([]);
    expect(follower.status()).toMatchObject({ mode: 'streaming', source: 'stream', dataAgeMs: 0 });
  });

  it('is confirmed by a poll that answers 304', async () => {
    const { world, told, follower } = start({ initial: { data: setOf(3), at: 0 }, stream: false });
    const call = await world.next();
    expect(call.headers.get('if-none-match')).toBe('"epoch.3.nonce"');
    await call.answer(304);
    expect(told).toEqual([]);
    expect(follower.status()).toMatchObject({ mode: 'polling', source: 'poll', dataAgeMs: 0 });
  });
});
