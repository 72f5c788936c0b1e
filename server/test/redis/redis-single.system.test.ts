import { expect, it } from 'vitest';

import { describeStore } from '../store/suite.ts';
import { eventually } from './processes.ts';
import { useRedis } from './setup.ts';
import { openForSuite, openStore } from './store.ts';

const redis = useRedis();

describeStore('the Redis store on a single Redis', () => openForSuite(redis().url));

it('a report from the future, because the clock of Redis was set back, expires as any other', async () => {
  const store = await openStore(redis().url, { prefix: 'fleet' });
  const report = (id: string) =>
    store.reportServer(
      { id, version: '1', startedAt: '', revisions: {}, streams: 0, degradedSeconds: 0 },
      1_000,
    );
  await report('lost');
  redis().cli('zadd', 'fleet:{servers}:heard', String(Date.now() + 3_600_000), 'lost');
  expect((await report('here')).map(({ ageMs }) => ageMs)).toEqual([0, 0]);
  await eventually(async () => (await report('here')).length === 1);
  await store.close();
});
