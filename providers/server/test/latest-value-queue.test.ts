import { describe, expect, it } from 'vitest';

import { createLatestValueQueue } from '../src/latest-value-queue.ts';

/** A queue whose values are processed until the test calls `finish`. */
const openQueue = () => {
  const processed: string[] = [];
  const pending: (() => void)[] = [];
  let idleCalls = 0;
  const queue = createLatestValueQueue<string>({
    process(value) {
      processed.push(value);
      return new Promise(resolve => void pending.push(resolve));
    },
    onIdle: () => (idleCalls += 1),
  });
  /** Resolves the promise of the value that is being processed. */
  const finish = async () => {
    pending.shift()?.();
    await new Promise(resolve => void setImmediate(resolve));
  };
  return { queue, processed, finish, idleCalls: () => idleCalls };
};

describe('a value that is offered while another one is processed', () => {
  it('waits for its turn, and only the latest of several is processed', async () => {
    const { queue, processed, finish, idleCalls } = openQueue();
    queue.offer('first');
    queue.offer('second');
    queue.offer('third');
    expect(processed).toEqual(['first']);
    await finish();
    expect([processed, idleCalls(), queue.isBusy()]).toEqual([['first', 'third'], 0, true]);
    await finish();
    expect([processed, idleCalls(), queue.isBusy()]).toEqual([['first', 'third'], 1, false]);
  });

  it('is merged with a pending value', async () => {
    const processed: string[] = [];
    const queue = createLatestValueQueue<string>({
      async process(value) {
        processed.push(value);
        await Promise.resolve();
      },
      merge: (pending, next) => `${pending}+${next}`,
      onIdle: () => undefined,
    });
    for (const value of ['a', 'b', 'c']) queue.offer(value);
    await new Promise(resolve => void setImmediate(resolve));
    expect(processed).toEqual(['a', 'b+c']);
  });

  it('is not processed after the queue was closed, and nothing is called any more', async () => {
    const { queue, processed, finish, idleCalls } = openQueue();
    queue.offer('first');
    queue.offer('second');
    queue.close();
    await finish();
    queue.offer('third');
    expect([processed, idleCalls()]).toEqual([['first'], 0]);
  });
});

it('a queue is idle once the last pending value has been processed', async () => {
  const { queue, processed, finish } = openQueue();
  await queue.whenIdle();
  queue.offer('first');
  queue.offer('second');
  const idle = queue.whenIdle().then(() => [...processed, 'idle']);
  await finish();
  queue.offer('third');
  await finish();
  await finish();
  expect(await idle).toEqual(['first', 'second', 'third', 'idle']);
});

it('a value that is offered to an idle queue is processed at once', async () => {
  const { queue, processed, finish } = openQueue();
  queue.offer('first');
  await finish();
  queue.offer('second');
  expect(processed).toEqual(['first', 'second']);
});
