import { describe, expect, it } from 'vitest';

import { changedNames, followValues } from '../src/index.ts';
import type { Values } from '../src/index.ts';
import { createFakeRuntime } from './support/fake-runtime.ts';

const STREAM = 'http://flags.test/api/v1/evaluations/stream';
const POLL = 'http://flags.test/api/v1/evaluations';

const FIRST = { revision: 4, evaluations: { a: { value: 1 }, b: { value: 2 } } };

const start = () => {
  const runtime = createFakeRuntime();
  const received: Values[] = [];
  const changes: (string[] | undefined)[] = [];
  const follower = followValues(
    {
      url: 'http://flags.test',
      key: 'client-key',
      context: { targetingKey: 'ada', plan: 'pro' },
      onData(values, changed) {
        received.push(values);
        changes.push(changed);
      },
    },
    runtime,
  );
  return { runtime, received, changes, follower };
};

/** A follower of which the first poll failed, so all its values come from the stream. */
const startStreaming = async () => {
  const started = start();
  await (await started.runtime.nextRequest()).fail('connect ECONNREFUSED');
  const stream = await (await started.runtime.nextRequest()).openStream();
  await stream.send('values', FIRST);
  return { ...started, stream };
};

describe('following the values of one context', () => {
  it('polls and streams with the context in the body and the key in a header', async () => {
    const { runtime } = start();
    const poll = await runtime.nextRequest();
    await poll.respond(200, JSON.stringify(FIRST));
    const stream = await runtime.nextRequest();
    expect([poll.url, stream.url]).toEqual([POLL, STREAM]);
    for (const { method, headers, body } of [poll, stream]) {
      expect(method).toBe('POST');
      expect(headers.get('authorization')).toBe('Bearer client-key');
      expect(headers.get('content-type')).toBe('application/json');
      expect(JSON.parse(body ?? '')).toEqual({ context: { targetingKey: 'ada', plan: 'pro' } });
    }
  });

  it('passes all values first, and then the result of each change; null removes', async () => {
    const { received, stream, follower } = await startStreaming();
    await stream.send('change', { revision: 6, evaluations: { a: { value: 9 }, b: null } });
    expect(received).toEqual([
      { revision: 4, evaluations: { a: { value: 1 }, b: { value: 2 } } },
      { revision: 6, evaluations: { a: { value: 9 } } },
    ]);
    expect(follower.status()).toMatchObject({ mode: 'streaming', revision: 6, source: 'stream' });
  });

  it('passes the keys that a change event changed, and none with all values', async () => {
    const { changes, stream } = await startStreaming();
    await stream.send('change', {
      revision: 5,
      evaluations: { a: { value: 1 }, b: null, c: { value: 3 }, unknown: null },
    });
    await stream.send('heartbeat', { revision: 6 });
    await stream.send('values', { revision: 7, evaluations: {} });
    expect(changes).toEqual([undefined, ['b', 'c'], [], undefined]);
  });

  it('adopts the revision of a heartbeat: other changes did not affect this context', async () => {
    const { received, stream, follower } = await startStreaming();
    await stream.send('heartbeat', { revision: 4 });
    expect(received).toHaveLength(1);
    await stream.send('heartbeat', { revision: 7 });
    expect(follower.status().revision).toBe(7);
    expect(received.at(-1)?.evaluations).toBe(received[0]?.evaluations);
  });

  it.each([
    ['a change of an older revision', 'change', { revision: 3, evaluations: {} }],
    ['a heartbeat of an older revision', 'heartbeat', { revision: 3 }],
    ['malformed values', 'values', { revision: 'x', evaluations: {} }],
    ['a malformed change', 'change', { revision: 5, evaluations: [] }],
  ])('treats %s as a gap: it polls at once with the same context', async (_, event, data) => {
    const { runtime, received, stream } = await startStreaming();
    await stream.send(event, data);
    const poll = await runtime.nextRequest();
    expect([poll.method, poll.url]).toEqual(['POST', POLL]);
    expect(JSON.parse(poll.body ?? '')).toEqual({ context: { targetingKey: 'ada', plan: 'pro' } });
    expect(poll.headers.get('if-none-match')).toBeNull();
    await poll.respond(200, '{"revision":2,"evaluations":{"c":{"value":3}}}', { etag: '"x"' });
    expect(received.at(-1)).toEqual({ revision: 2, evaluations: { c: { value: 3 } } });
  });

  it.each(['change', 'heartbeat'])(
    'treats a stream that starts with a %s as a gap, and reports that it does',
    async event => {
      const { runtime, received, follower } = start();
      await (await runtime.nextRequest()).fail('connect ECONNREFUSED');
      const stream = await (await runtime.nextRequest()).openStream();
      await stream.send(event, { revision: 5, evaluations: { a: { value: 1 } } });
      expect(received).toEqual([]);
      expect(follower.status().lastError?.message).toBe(
        `the stream started with the event "${event}"`,
      );
      expect((await runtime.nextRequest()).url).toBe(POLL);
    },
  );

  it('polls with the ETag of the previous poll, unless a stream has sent other data since', async () => {
    const { runtime, received } = start();
    const first = await runtime.nextRequest();
    await first.respond(200, '{"revision":1,"evaluations":{}}', { etag: '"one"' });
    await (await runtime.nextRequest()).fail('gone');
    await runtime.advance(500);
    const second = await runtime.nextRequest();
    expect(second.headers.get('if-none-match')).toBe('"one"');
    await second.respond(304, undefined, { etag: '"one"' });
    expect(received).toHaveLength(1);
    await runtime.advance(1_000);
    const stream = await (await runtime.nextRequest()).openStream();
    await stream.send('values', { revision: 1, evaluations: {} });
    await stream.cut();
    await runtime.advance(500);
    expect((await runtime.nextRequest()).headers.get('if-none-match')).toBeNull();
  });

  it('accepts fields and events that a newer server may add', async () => {
    const { received, stream, follower } = await startStreaming();
    const newer = { value: 1, owner: 'web', trace: [] };
    await stream.send('values', { revision: 5, evaluations: { a: newer }, signature: 'x' });
    await stream.send('projects', { shop: 1 });
    await stream.send('change', { revision: 6, evaluations: { b: newer }, author: 'ada' });
    expect(received.at(-1)?.evaluations).toEqual({ a: newer, b: newer });
    expect(follower.status()).toMatchObject({ mode: 'streaming', revision: 6 });
  });
});

describe('changedNames', () => {
  it('returns the names that were added or removed, or have another value', () => {
    const previous = {
      same: { a: 1, b: [1, { c: null }] },
      other: { a: 1 },
      removed: 1,
      list: [1, 2],
    };
    const next = {
      same: { b: [1, { c: null }], a: 1 },
      other: { a: 2 },
      new: 1,
      list: { 0: 1, 1: 2 },
    };
    expect(changedNames(previous, next).toSorted()).toEqual(['list', 'new', 'other', 'removed']);
  });

  it('returns own names only', () => {
    expect(changedNames({}, { constructor: 1, toString: 2 })).toEqual(['constructor', 'toString']);
    expect(changedNames(JSON.parse('{"__proto__":1}'), {})).toEqual(['__proto__']);
  });
});
