import { expect, it } from 'vitest';

import { secureRandom } from '../../src/random.ts';
import { describeEvents } from '../events-suite.ts';
import { openEventsOf } from '../support/event-store.ts';
import { eventually } from './processes.ts';
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
  const stores = [
    await openStore(redis().url, { prefix }),
    await openStore(redis().url, { prefix }),
  ] as const;
  const opened = [await openEventsOf(stores[0]), await openEventsOf(stores[1])] as const;
  const [first, second] = [opened[0].store, opened[1].store];
  const partition = { ledger: { kind: 'flagSet', id: 'one' }, number: 3 } as const;
  const other = { ...partition, number: 4 };
  const lease = `${prefix}:{events:one:3}:lease`;
  // Otherwise it may expire on a busy machine.
  await eventually(async () => {
    expect(await first.lead(partition)).toBe(true);
    return redis().cli('persist', lease) === '1';
  });
  expect(await second.lead(partition)).toBe(false);
  expect(await first.lead(partition)).toBe(true);
  expect(await second.lead(other)).toBe(true);
  await first.clear(partition.ledger);
  expect(await second.lead(partition)).toBe(true);
  await Promise.all([...opened, ...stores].map(each => each.close()));
});
