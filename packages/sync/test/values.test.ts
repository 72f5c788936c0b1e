import { describe, expect, it } from 'vitest';

import { changedNames, followValues } from '../src/index.ts';
import type { Values } from '../src/index.ts';
import { createFakeWorld } from './support/fake-runtime.ts';

const STREAM = 'http://flags.test/api/v1/evaluations/stream';
const POLL = 'http://flags.test/api/v1/evaluations';

const start = () => {
  const world = createFakeWorld();
  const told: Values[] = [];
  const changes: (string[] | undefined)[] = [];
  const follower = followValues(
    {
      url: 'http://flags.test',
      key: 'client-key',
      context: { targetingKey: 'ada', plan: 'pro' },
      onData(values, changed) {
        told.push(values);
        changes.push(changed);
      },
    },
    world,
  );
  return { world, told, changes, follower };
};

const started = async () => {
  const parts = start();
  const call = await parts.world.next();
  const stream = await call.open();
  await stream.send('values', { revision: 4, evaluations: { a: { value: 1 }, b: { value: 2 } } });
  return { ...parts, call, stream };
};

describe('following the values of one context', () => {
  it('asks with the context in the body and the key in a header', async () => {
    const { world } = start();
    const { url, method, headers, body } = await world.next();
    expect([method, url]).toEqual(['POST', STREAM]);
    expect(headers.get('authorization')).toBe('Bearer client-key');
    expect(headers.get('content-type')).toBe('application/json');
    expect(JSON.parse(body ?? '')).toEqual({ context: { targetingKey: 'ada', plan: 'pro' } });
  });

  it('tells all values first, and then what a change made of them; null removes', async () => {
    const { told, stream, follower } = await started();
    await stream.send('change', { revision: 6, evaluations: { a: { value: 9 }, b: null } });
    expect(told).toEqual([
      { revision: 4, evaluations: { a: { value: 1 }, b: { value: 2 } } },
      { revision: 6, evaluations: { a: { value: 9 } } },
    ]);
    expect(follower.status()).toMatchObject({ mode: 'streaming', revision: 6, source: 'stream' });
  });

  it('passes the keys that a change event changed, and none with all values', async () => {
    const { changes, stream } = await started();
    await stream.send('change', {
      revision: 5,
      evaluations: { a: { value: 1 }, b: null, c: { value: 3 }, unknown: null },
    });
    await stream.send('heartbeat', { revision: 6 });
    await stream.send('values', { revision: 7, evaluations: {} });
    expect(changes).toEqual([undefined, ['b', 'c'], [], undefined]);
  });

  it('moves to the revision of a heartbeat: what happened changed nothing for this context', async () => {
    const { told, stream, follower } = await started();
    await stream.send('heartbeat', { revision: 4 });
    expect(told).toHaveLength(1);
    await stream.send('heartbeat', { revision: 7 });
    expect(follower.status().revision).toBe(7);
    expect(told.at(-1)?.evaluations).toBe(told[0]?.evaluations);
  });

  it.each([
    ['a change of an older revision', 'change', { revision: 3, evaluations: {} }],
    ['a heartbeat of an older revision', 'heartbeat', { revision: 3 }],
    ['values that are none', 'values', { revision: 'x', evaluations: {} }],
    ['a change that is none', 'change', { revision: 5, evaluations: [] }],
  ])('takes %s for a gap: it polls at once with the same context', async (_, event, data) => {
    const { world, told, stream } = await started();
    await stream.send(event, data);
    const poll = await world.next();
    expect([poll.method, poll.url]).toEqual(['POST', POLL]);
    expect(JSON.parse(poll.body ?? '')).toEqual({ context: { targetingKey: 'ada', plan: 'pro' } });
    expect(poll.headers.get('if-none-match')).toBeNull();
    await poll.answer(200, '{"revision":2,"evaluations":{"c":{"value":3}}}', { etag: '"x"' });
    expect(told.at(-1)).toEqual({ revision: 2, evaluations: { c: { value: 3 } } });
  });

  it('takes a stream that begins with a change for a gap', async () => {
    const { world, told } = start();
    const stream = await (await world.next()).open();
    await stream.send('change', { revision: 5, evaluations: { a: { value: 1 } } });
    expect(told).toEqual([]);
    expect((await world.next()).url).toBe(POLL);
  });

  it('polls with the tag of the answer before, and with none once a stream has told other data', async () => {
    const { world, told } = start();
    await (await world.next()).fail('gone');
    await world.advance(500);
    await (await world.next()).answer(200, '{"revision":1,"evaluations":{}}', { etag: '"one"' });
    await world.advance(500);
    await (await world.next()).fail('gone');
    await world.advance(500);
    const second = await world.next();
    expect(second.headers.get('if-none-match')).toBe('"one"');
    await second.answer(304, undefined, { etag: '"one"' });
    expect(told).toHaveLength(1);
    await world.advance(1_000);
    const stream = await (await world.next()).open();
    await stream.send('values', { revision: 1, evaluations: {} });
    await stream.cut();
    await world.advance(500);
    expect((await world.next()).headers.get('if-none-match')).toBeNull();
  });
});

describe('names that changed', () => {
  it('are those that were added, removed, or say something else', () => {
    const before = { same: { a: 1, b: [1, { c: null }] }, other: { a: 1 }, gone: 1, list: [1, 2] };
    const after = {
      same: { b: [1, { c: null }], a: 1 },
      other: { a: 2 },
      new: 1,
      list: { 0: 1, 1: 2 },
    };
    expect(changedNames(before, after).toSorted()).toEqual(['gone', 'list', 'new', 'other']);
  });

  it('are own names only', () => {
    expect(changedNames({}, { constructor: 1, toString: 2 })).toEqual(['constructor', 'toString']);
    expect(changedNames(JSON.parse('{"__proto__":1}'), {})).toEqual(['__proto__']);
  });
});
