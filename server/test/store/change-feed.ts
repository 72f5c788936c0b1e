import { getEventListeners } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';

import { describe, expect, test } from 'vitest';

import type { ChangeId } from '../../src/store/change-id.ts';
import { StoreError, type Change, type Ledger, type Store } from '../../src/store/store.ts';
import {
  entry,
  flag,
  flags,
  neverAborted,
  newLedger,
  removal,
  segment,
  take,
  write,
} from './fixtures.ts';
import type { Given } from './suite.ts';

type Flags = Ledger<'flagSet'>;

export const describeFeed = (given: () => Given): void => {
  describe('a follower', () => {
    describeDelivery(given);
    describeEnds(given);
    describeLoss(given);
  });
};

const begun = async (store: Store): Promise<{ ledger: Flags; id: ChangeId }> => {
  const ledger = newLedger();
  const { id } = await write(store, ledger, flags(flag('a')));
  return { ledger, id };
};

const describeDelivery = (given: () => Given): void => {
  test('gets a change that was committed after the call, even before it asks for one', async () => {
    const { store } = given();
    const { ledger, id } = await begun(store);
    const changes = store.follow(ledger, id, neverAborted());
    const change = await write(store, ledger, flags(flag('b')));
    expect(await take(changes, 1)).toEqual([change]);
  });

  test('gets a change for which it waits', async () => {
    const { store } = given();
    const { ledger, id } = await begun(store);
    const changes = take(store.follow(ledger, id, neverAborted()), 1);
    const change = await write(store, ledger, flags(flag('b')));
    expect(await changes).toEqual([change]);
  });

  test('that follows first and reads then has every change, in one or the other', async () => {
    const { store } = given();
    const { ledger, id } = await begun(store);
    const writing = (async () => {
      for (let i = 0; i < 60; i += 1) await write(store, ledger, {});
      return store.head(ledger);
    })();
    const changes = store.follow(ledger, id, neverAborted());
    let known = await store.head(ledger);
    const last = await writing;
    for await (const change of changes) {
      if (change.previous === known) known = change.id;
      if (change.id === last) break;
    }
    expect(known).toBe(last);
  });

  test('gets every change in order, each naming the one before', async () => {
    const { store } = given();
    const { ledger, id } = await begun(store);
    const changes = store.follow(ledger, id, neverAborted());
    const committed: Change<'flagSet'>[] = [];
    for (let i = 0; i < 50; i += 1)
      committed.push(await write(store, ledger, flags(flag(`f${i}`))));
    const got = await take(changes, 50);
    expect(got).toEqual(committed);
    expect(got.map(({ previous }) => previous)).toEqual([
      id,
      ...got.slice(0, -1).map(each => each.id),
    ]);
  });

  test('gets what was written and removed, as a read would answer it', async () => {
    const { store } = given();
    const { ledger, id } = await begun(store);
    const changes = store.follow(ledger, id, neverAborted());
    const document = flag('b', { description: 'Größe 📏 \ud83d', metadata: { zero: -0 } });
    await write(store, ledger, {
      flags: new Map([
        ['a', null],
        ['b', document],
      ]),
      segments: new Map([['s', segment('s')]]),
    });
    const [change] = await take(changes, 1);
    const read = (await store.get(ledger, 'flags', 'b'))?.document;
    expect([...(change?.writes.flags ?? [])]).toEqual([
      ['a', null],
      ['b', read],
    ]);
    expect([...(change?.writes.segments ?? [])]).toEqual([['s', segment('s')]]);
    expect(JSON.stringify(change?.writes.flags?.get('b'))).toBe(JSON.stringify(document));
  });

  test('is not touched by what the writer does to its document afterwards', async () => {
    const { store } = given();
    const { ledger, id } = await begun(store);
    const changes = store.follow(ledger, id, neverAborted());
    const mine = flag('b');
    await write(store, ledger, flags(mine));
    mine.enabled = false;
    expect((await take(changes, 1))[0]?.writes.flags?.get('b')?.enabled).toBe(true);
  });

  test('learns that everything was replaced', async () => {
    const { store } = given();
    const { ledger, id } = await begun(store);
    const changes = store.follow(ledger, id, neverAborted());
    const change = await write(store, ledger, flags(flag('b')), { replaceAll: true });
    expect(await take(changes, 1)).toEqual([change]);
    expect(change).toMatchObject({ previous: id, replaceAll: true });
  });

  test('gets the changes of its own ledger only', async () => {
    const { store } = given();
    const [here, there] = [await begun(store), await begun(store)];
    const changes = store.follow(here.ledger, here.id, neverAborted());
    await write(store, there.ledger, flags(flag('b')));
    const change = await write(store, here.ledger, {});
    expect(await take(changes, 1)).toEqual([change]);
  });

  test('gets what every other follower gets, at its own pace', async () => {
    const { store } = given();
    const { ledger, id } = await begun(store);
    const follow = () => store.follow(ledger, id, neverAborted())[Symbol.asyncIterator]();
    const [early, late] = [follow(), follow()];
    const first = await write(store, ledger, flags(flag('b')));
    expect((await early.next()).value).toEqual(first);
    const second = await write(store, ledger, removal('b'));
    expect((await early.next()).value).toEqual(second);
    await early.return?.();
    expect((await late.next()).value).toEqual(first);
    expect((await late.next()).value).toEqual(second);
    await late.return?.();
  });
};

const describeEnds = (given: () => Given): void => {
  test('that waits ends as soon as its signal aborts', async () => {
    const { store } = given();
    const { ledger, id } = await begun(store);
    const stop = new AbortController();
    const all = take(store.follow(ledger, id, stop.signal), Infinity);
    stop.abort();
    expect(await all).toEqual([]);
  });

  test('whose signal aborts gets nothing more, not even what had already come', async () => {
    const { store } = given();
    const { ledger, id } = await begun(store);
    const stop = new AbortController();
    const changes = store.follow(ledger, id, stop.signal);
    await write(store, ledger, {});
    stop.abort();
    expect(await take(changes, Infinity)).toEqual([]);
  });

  test('whose signal has aborted before gets nothing', async () => {
    const { store } = given();
    const { ledger, id } = await begun(store);
    const changes = store.follow(ledger, id, AbortSignal.abort());
    await write(store, ledger, {});
    expect(await take(changes, Infinity)).toEqual([]);
  });

  test('leaves no listener behind when it has enough, nor when it is aborted', async () => {
    const { store } = given();
    const { ledger, id } = await begun(store);
    const [open, stop] = [new AbortController(), new AbortController()];
    const follow = ({ signal }: AbortController) =>
      Array.from({ length: 20 }, () => store.follow(ledger, id, signal));
    const [enough, aborted] = [follow(open), follow(stop)];
    await write(store, ledger, {});
    await Promise.all(enough.map(changes => take(changes, 1)));
    expect(getEventListeners(open.signal, 'abort')).toEqual([]);
    const ends = aborted.map(changes => take(changes, Infinity));
    stop.abort();
    await Promise.all(ends);
    expect(getEventListeners(stop.signal, 'abort')).toEqual([]);
  });

  test('ends, or fails with a StoreError, when the store closes', async () => {
    const { store } = given();
    const { ledger, id } = await begun(store);
    const all = settled(store.follow(ledger, id, neverAborted()));
    await store.close();
    expect(await all).toEqual([]);
    expect(await settled(store.follow(ledger, id, neverAborted()))).toEqual([]);
  });

  test('ends so however far it is with its beginning when the store closes', async () => {
    const { store: first, reopen } = given();
    const { ledger, id } = await begun(first);
    for (let turns = 0; turns < TURNS_TO_BEGIN; turns += 1) {
      const store = await reopen();
      const all = settled(store.follow(ledger, id, neverAborted()));
      for (let turn = 0; turn < turns; turn += 1) await nextTurn();
      await store.close();
      expect(await all).toEqual([]);
    }
  });
};

/** Turns of the event loop within which a follower of a store nearby has connected and read. */
const TURNS_TO_BEGIN = 20;

/** All that a feed yields until it ends; a StoreError ends it as well. */
const settled = async <Item>(items: AsyncIterable<Item>): Promise<Item[]> => {
  const got: Item[] = [];
  try {
    for await (const item of items) got.push(item);
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
  }
  return got;
};

/** Reads a feed until it is lost, skips a change or reaches `last`; answers what was in unbroken order. */
const unbroken = async (
  changes: AsyncIterable<Change<'flagSet'>>,
  id: ChangeId,
  last: ChangeId,
): Promise<ChangeId[]> => {
  const chain = [id];
  const walk = async function* () {
    for await (const change of changes) {
      if (change.previous !== chain.at(-1)) return;
      yield chain.push(change.id);
      if (change.id === last) return;
    }
  };
  await settled(walk());
  return chain;
};

const describeLoss = (given: () => Given): void => {
  test('that does not read is never given a change out of order, however far it is behind', async () => {
    const { store } = given();
    const { ledger, id } = await begun(store);
    const changes = store.follow(ledger, id, neverAborted());
    const ids = [id];
    for (let i = 0; i < 1_100; i += 1) {
      const outcome = await store.commit(ledger, {
        expect: ids.at(-1) ?? '',
        writes: {},
        audit: [],
      });
      if (outcome.committed) ids.push(outcome.change.id);
    }
    const chain = await unbroken(changes, id, ids.at(-1) ?? '');
    expect(chain).toEqual(ids.slice(0, chain.length));
  });

  test('from an older change gets what came since, or sees that it does not', async () => {
    const { store } = given();
    const { ledger, id } = await begun(store);
    const missed = await write(store, ledger, flags(flag('missed')));
    const changes = store.follow(ledger, id, neverAborted());
    const next = await write(store, ledger, flags(flag('next')));
    expect([[id], [id, missed.id, next.id]]).toContainEqual(await unbroken(changes, id, next.id));
  });

  test('of a ledger that is dropped and made again never takes the new data for the old', async () => {
    const { store } = given();
    const { ledger, id } = await begun(store);
    const changes = store.follow(ledger, id, neverAborted());
    await store.drop(ledger);
    const { id: last } = await write(store, ledger, flags(flag('new')), { audit: [entry('new')] });
    expect(await unbroken(changes, id, last)).toEqual([id]);
  });
};
