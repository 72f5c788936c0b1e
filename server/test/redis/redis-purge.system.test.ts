import { expect, test } from 'vitest';

import { newDirectory } from '../store/sqlite-directory.ts';
import { expectPurgedOnce } from '../support/purge.ts';
import { useRedis } from './setup.ts';

const redis = useRedis();

test('deleted environments in Redis are purged once by several servers, some of which are killed', async () => {
  const settings = { REDIS_URL: redis().url, PENNON_DATA: newDirectory() };
  await expectPurgedOnce(settings, { together: 3 });
  const keys = redis().cli('keys', '*:flags').trim().split('\n').filter(Boolean);
  expect(keys).toEqual([]);
  expect(redis().cli('keys', '*:flags:versions').trim()).toBe('');
});
