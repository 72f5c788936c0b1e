import { describe, expect, it } from 'vitest';

import { followValues, updates } from '../src/index.ts';
import type { Values } from '../src/index.ts';
import { createFakeWorld, settle } from './support/fake-runtime.ts';

const start = (signal?: AbortSignal) => {
  const world = createFakeWorld();
  const all = updates<Values>(
    onData => followValues({ url: 'http://flags.test', key: 'k', context: {}, onData }, world),
    signal,
  );
  return { world, all };
};

describe('updates', () => {
  it('come one by one, and the follower stops where the loop ends', async () => {
    const { world, all } = start();
    const told: number[] = [];
    const loop = (async () => {
      for await (const { revision } of all) {
        told.push(revision);
        if (revision === 2) break;
      }
    })();
    const call = await world.next();
    const stream = await call.open();
    await stream.send('values', { revision: 1, evaluations: {} });
    await stream.send('change', { revision: 2, evaluations: {} });
    await loop;
    await settle();
    expect(told).toEqual([1, 2]);
    expect([call.aborted(), world.timers()]).toEqual([true, 0]);
  });

  it('skip what is outdated for a reader that is slow', async () => {
    const { world, all } = start();
    const reader = all[Symbol.asyncIterator]();
    const first = reader.next();
    const stream = await (await world.next()).open();
    for (const revision of [1, 2, 3]) await stream.send('values', { revision, evaluations: {} });
    expect((await first).value?.revision).toBe(1);
    expect((await reader.next()).value?.revision).toBe(3);
    await reader.return?.();
  });

  it('end when their signal aborts, even where nothing ever came', async () => {
    const stopping = new AbortController();
    const { world, all } = start(stopping.signal);
    const first = all[Symbol.asyncIterator]().next();
    const call = await world.next();
    stopping.abort();
    expect((await first).done).toBe(true);
    expect(call.aborted()).toBe(true);
  });

  it('do not begin where the signal has aborted before', async () => {
    const { world, all } = start(AbortSignal.abort());
    expect((await all[Symbol.asyncIterator]().next()).done).toBe(true);
    await settle();
    expect(world.timers()).toBe(0);
  });
});
