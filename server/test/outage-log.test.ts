import { expect, it } from 'vitest';

import { createOutageLog, createOutageTracker } from '../src/replication/outage.ts';
import { StoreError } from '../src/store/store.ts';
import { createFakeClock } from './support/fake-clock.ts';

const recordLog = () => {
  const lines: unknown[] = [];
  const log = (level: string) => (fields: object, message: string) =>
    void lines.push({ level, message, ...fields });
  return { lines, outages: createOutageLog({ warn: log('warn'), info: log('info') }) };
};

it('the loss of the store and its return are logged once each, for any number of replicas', () => {
  const { lines, outages } = recordLog();
  const ends = ['a', 'b', 'c'].map(() => outages.report({ reason: 'cannot be reached' }));
  for (const end of ends) end();
  expect(lines).toEqual([
    {
      level: 'warn',
      message: 'store unavailable; serving from memory',
      reason: 'cannot be reached',
    },
    { level: 'info', message: 'store available again', reason: 'cannot be reached' },
  ]);
});

it('the loss of the store is logged during that of one ledger, and both returns', () => {
  const { lines, outages } = recordLog();
  const endFirst = outages.report({ reason: 'ledger a is missing', part: 'a' });
  outages.report({ reason: 'cannot be reached' })();
  endFirst();
  expect(lines).toMatchObject([
    { level: 'warn', reason: 'ledger a is missing' },
    { level: 'warn', reason: 'cannot be reached' },
    { level: 'info', reason: 'cannot be reached' },
    { level: 'info', reason: 'ledger a is missing' },
  ]);
});

it('a second reason for the same loss is not logged', () => {
  const { lines, outages } = recordLog();
  const ends = ['cannot be reached', 'did not reply', 'is loading'].map(reason =>
    outages.report({ reason }),
  );
  for (const end of ends) end();
  outages.report({ reason: 'did not reply' });
  expect(lines).toMatchObject([
    { level: 'warn', reason: 'cannot be reached' },
    { level: 'info', reason: 'cannot be reached' },
    { level: 'warn', reason: 'did not reply' },
  ]);
});

it('replicas that close during an outage have not recovered', () => {
  const { lines, outages } = recordLog();
  const end = outages.report({ reason: 'cannot be reached' });
  outages.close();
  end();
  expect(lines).toHaveLength(1);
});

it('a store that comes back without its data is logged as available, and the data as lost', () => {
  const { lines, outages } = recordLog();
  const clock = createFakeClock();
  const tracker = createOutageTracker(clock, outages.report);
  tracker.start(new StoreError('unavailable', 'cannot be reached'));
  const since = tracker.current()?.since;
  for (let attempt = 0; attempt < 2; attempt += 1)
    tracker.start(new StoreError('missing', 'no data for ledger a'));
  expect(lines).toMatchObject([
    { level: 'warn', reason: 'cannot be reached' },
    { level: 'warn', reason: 'no data for ledger a' },
    { level: 'info', reason: 'cannot be reached' },
  ]);
  expect(tracker.current()).toEqual({ since, reason: 'no data for ledger a', code: 'missing' });
});
