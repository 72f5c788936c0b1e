import { expect, it } from 'vitest';

import { describeStore } from '../store/suite.ts';
import { eventually } from './processes.ts';
import { useRedis } from './setup.ts';
import { openForSuite, openStore } from './store.ts';

const redis = useRedis();

describeStore('the Redis store on a single Redis', () => openForSuite(redis().url));

it('a report from the future, because the clock of Redis was set back, expires as any other', async () => {
  const store = await openStore(redis().url, { prefix: 'fleet' });
  const report = (id: string, ttlMs = 60_000) =>
    store.reportServer(
      { id, version: '1', startedAt: '', revisions: {}, streams: 0, degradedSeconds: 0 },
      ttlMs,
    );
  await report('lost');
  redis().cli('zadd', 'fleet:{servers}:heard', String(Date.now() + 3_600_000), 'lost');
  expect((await report('here')).map(({ ageMs }) => ageMs)).toEqual([0, 0]);
  await eventually(async () => (await report('here', 1_000)).length === 1);
  await store.close();
});

it('a report that Pennon did not write is passed over', async () => {
  const store = await openStore(redis().url);
  for (const [id, text] of Object.entries({ text: 'hello', number: '5', null: 'null' })) {
    redis().cli('zadd', 'pennon:{servers}:heard', '99999999999999', id);
    redis().cli('hset', 'pennon:{servers}:reports', id, text);
  }
  const report = {
    id: 'only',
    version: '1',
    startedAt: '',
    revisions: {},
    streams: 0,
    degradedSeconds: 0,
  };
  const members = await store.reportServer(report, 60_000);
  expect(members.map(({ report: { id } }) => id)).toContain('only');
  expect(members.every(({ report: { id } }) => typeof id === 'string')).toBe(true);
  await store.close();
});
