import { expect, it } from 'vitest';

import { createFakeClock } from './support/fake-clock.ts';
import { startServer } from './support/server.ts';

it('metrics count events and entries, and have the lag of the fold', async () => {
  const clock = createFakeClock();
  await using server = await startServer({ clock });
  const window = { toMs: 3_600_000 };
  await server.api('POST', '/metrics', {
    body: { key: 'bought', kind: 'count', event: 'bought', window },
  });
  const values = async () => {
    const { text } = await server.request('GET', '/metrics');
    return Object.fromEntries(
      [...text.matchAll(/^pennon_events_(\S+) (\S+)$/gm)].map(([, name, value]) => [
        name,
        Number(value),
      ]),
    );
  };
  const send = async (sequence: number) => {
    const event = { type: 'track', timeMs: clock.now(), units: { targetingKey: 'ada' } };
    const body = {
      instance: 'instance-0123456789',
      sequence,
      sentAtMs: clock.now(),
      events: [
        { ...event, name: 'bought' },
        { ...event, name: 'sold' },
      ],
    };
    expect((await server.api('POST', '/events', { body })).status).toBe(202);
  };
  const counted = { accepted_total: 2, 'rejected_total{code="UNKNOWN_EVENT"}': 2 };
  expect(await values()).toMatchObject({
    accepted_total: 0,
    'rejected_total{code="MISMATCH"}': 0,
    folded_entries_total: 0,
    fold_lag_seconds: 0,
  });

  await send(1);
  await send(2);
  clock.advance(5_000);
  const held = { ...counted, folded_entries_total: 0, fold_lag_seconds: 5 };
  await expect.poll(values).toMatchObject(held);

  const isFolded = async () => {
    clock.advance(1_000);
    return values();
  };
  const folded = { ...counted, folded_entries_total: 2, fold_lag_seconds: 0 };
  await expect.poll(isFolded, { interval: 5 }).toMatchObject(folded);
});
