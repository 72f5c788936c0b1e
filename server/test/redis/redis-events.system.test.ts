import { expect, it } from 'vitest';

import { secureRandom } from '../../src/random.ts';
import { describeEvents } from '../events-suite.ts';
import { useRedis } from './setup.ts';
import { openStore } from './store.ts';

const redis = useRedis();

const PARTITIONS = 16;

describeEvents('the Redis store', logBytes =>
  openStore(redis().url, {
    prefix: `events-${secureRandom(8)}`,
    eventLogBytes: logBytes === undefined ? undefined : logBytes * PARTITIONS,
  }),
);

it('one process folds a partition, until it has not done so for seconds', async () => {
  const prefix = `events-${secureRandom(8)}`;
  const [first, second] = [
    await openStore(redis().url, { prefix }),
    await openStore(redis().url, { prefix }),
  ];
  const partition = { ledger: { kind: 'flagSet', id: 'one' }, number: 3 } as const;
  const other = { ...partition, number: 4 };
  expect(await first.events.lead(partition)).toBe(true);
  expect(await second.events.lead(partition)).toBe(false);
  expect(await first.events.lead(partition)).toBe(true);
  expect(await second.events.lead(other)).toBe(true);
  await first.events.clear(partition.ledger);
  expect(await second.events.lead(partition)).toBe(true);
  await Promise.all([first.close(), second.close()]);
});
