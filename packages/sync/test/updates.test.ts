import { describe, expect, it } from 'vitest';

import { followValues, updates } from '../src/index.ts';
import type { Values } from '../src/index.ts';
import { createFakeRuntime, settle } from './support/fake-runtime.ts';
import type { FakeRuntime } from './support/fake-runtime.ts';

const start = (signal?: AbortSignal) => {
  const runtime = createFakeRuntime();
  const iterable = updates<Values>(
    onData => followValues({ url: 'http://flags.test', key: 'k', context: {}, onData }, runtime),
    signal,
  );
  return { runtime, iterable };
};

const nextStreamRequest = async (runtime: FakeRuntime) => {
  await (await runtime.nextRequest()).fail('connect ECONNREFUSED');
  return runtime.nextRequest();
};

describe('updates', () => {
  it('yields each update, and stops the follower when the loop ends', async () => {
    const { runtime, iterable } = start();
    const revisions: number[] = [];
    const loop = (async () => {
      for await (const { revision } of iterable) {
        revisions.push(revision);
        if (revision === 2) break;
      }
    })();
    const request = await nextStreamRequest(runtime);
    const stream = await request.openStream();
    await stream.send('values', { revision: 1, evaluations: {} });
    await stream.send('change', { revision: 2, evaluations: {} });
    await loop;
    await settle();
    expect(revisions).toEqual([1, 2]);
    expect([request.isAborted(), runtime.timerCount()]).toEqual([true, 0]);
  });

  it('skips outdated data if the reader is slow', async () => {
    const { runtime, iterable } = start();
    const reader = iterable[Symbol.asyncIterator]();
    const first = reader.next();
    const stream = await (await nextStreamRequest(runtime)).openStream();
    for (const revision of [1, 2, 3]) await stream.send('values', { revision, evaluations: {} });
    expect((await first).value?.revision).toBe(1);
    expect((await reader.next()).value?.revision).toBe(3);
    await reader.return?.();
  });

  it('ends when its signal aborts, even if there were no data yet', async () => {
    const controller = new AbortController();
    const { runtime, iterable } = start(controller.signal);
    const first = iterable[Symbol.asyncIterator]().next();
    const request = await runtime.nextRequest();
    controller.abort();
    expect((await first).done).toBe(true);
    expect(request.isAborted()).toBe(true);
  });

  it('does not start if its signal has already aborted', async () => {
    const { runtime, iterable } = start(AbortSignal.abort());
    expect((await iterable[Symbol.asyncIterator]().next()).done).toBe(true);
    await settle();
    expect(runtime.timerCount()).toBe(0);
  });
});
