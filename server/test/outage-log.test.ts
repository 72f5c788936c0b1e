import { expect, it } from 'vitest';

import { createOutageLog } from '../src/replication/outage.ts';

const recordLog = () => {
  const lines: unknown[] = [];
  const log = (level: string) => (fields: object, message: string) =>
    void lines.push({ level, message, ...fields });
  return { lines, outages: createOutageLog({ warn: log('warn'), info: log('info') }) };
};

it('the loss of the store and its return are logged once each, for any number of replicas', () => {
  const { lines, outages } = recordLog();
  const ends = ['a', 'b', 'c'].map(() => outages.report('cannot be reached'));
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

it('a second outage with another reason is logged during the first', () => {
  const { lines, outages } = recordLog();
  const endFirst = outages.report('ledger a is missing');
  outages.report('cannot be reached')();
  endFirst();
  expect(lines).toMatchObject([
    { level: 'warn', reason: 'ledger a is missing' },
    { level: 'warn', reason: 'cannot be reached' },
    { level: 'info', reason: 'cannot be reached' },
    { level: 'info', reason: 'ledger a is missing' },
  ]);
});

it('replicas that close during an outage have not recovered', () => {
  const { lines, outages } = recordLog();
  const end = outages.report('cannot be reached');
  outages.close();
  end();
  expect(lines).toHaveLength(1);
});
