import { describe, expect, test } from 'vitest';

import { createChangeFeed } from '../../src/store/change-feed.ts';
import { neverAborted, take } from './fixtures.ts';

const publish = (count: number) => {
  const feed = createChangeFeed<number>();
  const changes = feed.follow('a', neverAborted());
  for (let i = 0; i < count; i += 1) feed.publish('a', i);
  return { feed, changes };
};

describe('a follower that does not read', () => {
  test('has up to 1,000 changes queued', async () => {
    const { changes } = publish(1_000);
    expect(await take(changes, 1_000)).toHaveLength(1_000);
  });

  test('loses the feed, and gets nothing else, if there are more', async () => {
    const { changes } = publish(1_001);
    await expect(take(changes, 1)).rejects.toMatchObject({ code: 'unavailable' });
  });

  test('does not block other followers, and may follow again', async () => {
    const { feed } = publish(2_000);
    const others = take(feed.follow('a', neverAborted()), 1);
    feed.publish('a', 7);
    expect(await others).toEqual([7]);
  });
});
