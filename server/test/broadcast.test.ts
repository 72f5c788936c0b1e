import { expect, it } from 'vitest';

import type { LiveFlagSet } from '../src/flag-set/live-flag-set.ts';
import { openLiveFlagSet } from '../src/flag-set/live-flag-set.ts';
import { openReplica } from '../src/replication/replica.ts';
import { secureRandom } from '../src/random.ts';
import { openMemoryStore } from '../src/store/memory.ts';
import { createBroadcasts } from '../src/streaming/broadcast.ts';
import { flag, flags, newLedger, write } from './store/fixtures.ts';
import { createFakeClock } from './support/fake-clock.ts';

const openLive = async () => {
  const clock = createFakeClock();
  const store = openMemoryStore({ random: secureRandom });
  const ledger = newLedger();
  await write(store, ledger, flags(flag('first')));
  const replica = await openReplica({ store, clock, reportOutage: () => () => undefined }, ledger);
  const control = { ageMs: 0 };
  const live = openLiveFlagSet('production', replica, { sourceAgeMs: () => control.ageMs });
  return {
    control,
    clock,
    live,
    broadcast: createBroadcasts(clock)(live),
    [Symbol.asyncDispose]: async () => {
      live.close();
      await store.close();
    },
  };
};

const changeFlag = (live: LiveFlagSet, key: string): Promise<number> =>
  live.write(() => ({
    writes: flags(flag(key)),
    audit: [],
    result: () => live.view().flagSet.revision,
  }));

const openStream = () => {
  const ending = new AbortController();
  return { ended: ending.signal, close: () => ending.abort() };
};

it('delivers the given events first, then each change in order, to readers that wait or come later', async () => {
  await using opened = await openLive();
  const { live, broadcast } = opened;
  const waiting = broadcast.subscribe(openStream(), ['hello']);
  const late = broadcast.subscribe(openStream());
  expect(await waiting.next()).toEqual({ value: 'hello' });
  const next = waiting.next();
  await changeFlag(live, 'second');
  await changeFlag(live, 'third');
  expect((await next).value).toMatchObject({ type: 'change', change: { flags: { second: {} } } });
  for (const key of ['second', 'third'])
    expect((await late.next()).value).toMatchObject({
      type: 'change',
      change: { flags: { [key]: {} } },
    });
  expect((await waiting.next()).value).toMatchObject({ change: { flags: { third: {} } } });
});

it('sends the whole flag set in place of the changes to a reader that is far behind', async () => {
  await using opened = await openLive();
  const { live, broadcast } = opened;
  const events = broadcast.subscribe(openStream());
  let revision = 0;
  for (let i = 0; i < 101; i += 1) revision = await changeFlag(live, `f${i}`);
  expect((await events.next()).value).toMatchObject({
    type: 'set',
    view: { flagSet: { revision } },
  });
});

it('sends a heartbeat only to readers that have no event waiting', async () => {
  await using opened = await openLive();
  const { clock, live, broadcast } = opened;
  const events = broadcast.subscribe(openStream());
  clock.advance(15_000);
  await changeFlag(live, 'second');
  clock.advance(15_000);
  const types = [await events.next(), await events.next()].map(({ value }) => value?.type);
  expect(types).toEqual(['heartbeat', 'change']);
  const next = events.next();
  clock.advance(15_000);
  expect((await next).value).toMatchObject({ type: 'heartbeat' });
});

it('sends a heartbeat when the data of the server become too old, and when they are current again', async () => {
  await using opened = await openLive();
  const { clock, control, broadcast } = opened;
  const events = broadcast.subscribe(openStream());
  const received: unknown[] = [];
  const ages = async () => {
    for await (const event of events)
      if (event.type === 'heartbeat') received.push(event.sourceAgeMs);
  };
  void ages();
  for (const ageMs of [15_000, 15_001, 16_000, 0, 100]) {
    control.ageMs = ageMs;
    clock.advance(500);
    await new Promise(resolve => setImmediate(resolve));
  }
  expect(received).toEqual([15_001, 0]);
});

it('reaches every one of many readers, also with changes that arrive while it delivers', async () => {
  await using opened = await openLive();
  const { live, broadcast } = opened;
  const received = Array.from({ length: 450 }, async () => {
    const revisions: (number | undefined)[] = [];
    for await (const { view } of broadcast.subscribe(openStream())) {
      revisions.push(view.flagSet.revision);
      if (revisions.length === 3) return revisions;
    }
    return revisions;
  });
  const revisions = await Promise.all(['a', 'b', 'c'].map(key => changeFlag(live, key)));
  expect(new Set((await Promise.all(received)).map(String))).toEqual(new Set([String(revisions)]));
});

it('a subscription ends with its stream, its flag set or its reader, and ends the stream', async () => {
  await using opened = await openLive();
  const { live, broadcast } = opened;
  const done = { done: true, value: undefined };
  const [ended, left, closed] = [openStream(), openStream(), openStream()];
  const byStream = broadcast.subscribe(ended, ['unread']);
  ended.close();
  expect(await byStream.next()).toEqual(done);
  const byReader = broadcast.subscribe(left, ['read']);
  for await (const event of byReader) if (event === 'read') break;
  expect([left.ended.aborted, await byReader.next()]).toEqual([true, done]);
  const byFlagSet = broadcast.subscribe(closed);
  const next = byFlagSet.next();
  live.close();
  expect([await next, closed.ended.aborted]).toEqual([done, true]);
  const late = openStream();
  expect(await broadcast.subscribe(late).next()).toEqual(done);
  expect(late.ended.aborted).toBe(true);
});
