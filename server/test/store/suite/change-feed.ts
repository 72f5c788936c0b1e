import { getEventListeners } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';

import { describe, expect, test } from 'vitest';

import type { ChangeId } from '../../../src/store/change-id.ts';
import { StoreError, type Change, type Ledger, type Store } from '../../../src/store/store.ts';
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
} from '../fixtures.ts';
import type { OpenedStore } from '../suite.ts';

type Flags = Ledger<'flagSet'>;

export const describeChangeFeed = (opened: () => OpenedStore): void => {
  describe('the change feed', () => {
    describeDelivery(opened);
    describeEnds(opened);
    describeLoss(opened);
  });
};

const createLedger = async (store: Store): Promise<{ ledger: Flags; id: ChangeId }> => {
  const ledger = newLedger();
  const { id } = await write(store, ledger, flags(flag('a')));
  return { ledger, id };
};

const describeDelivery = (opened: () => OpenedStore): void => {
  test('delivers a change that was committed after the call but before the first read', async () => {
    const { store } = opened();
    const { ledger, id } = await createLedger(store);
    const changes = store.follow(ledger, id, neverAborted());
    const change = await write(store, ledger, flags(flag('b')));
    expect(await take(changes, 1)).toEqual([change]);
  });

  test('delivers a change that a follower is waiting for', async () => {
    const { store } = opened();
    const { ledger, id } = await createLedger(store);
    const changes = take(store.follow(ledger, id, neverAborted()), 1);
    const change = await write(store, ledger, flags(flag('b')));
    expect(await changes).toEqual([change]);
  });

  test('delivers, together with a read after the call, every change', async () => {
    const { store } = opened();
    const { ledger, id } = await createLedger(store);
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

  test('delivers every change in order, each with the id of the previous one', async () => {
    const { store } = opened();
    const { ledger, id } = await createLedger(store);
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

  test('delivers written and removed documents as a read returns them', async () => {
    const { store } = opened();
    const { ledger, id } = await createLedger(store);
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

  test('is not affected by later modifications of the writer\u2019s object', async () => {
    const { store } = opened();
    const { ledger, id } = await createLedger(store);
    const changes = store.follow(ledger, id, neverAborted());
    const mine = flag('b');
    await write(store, ledger, flags(mine));
    mine.enabled = false;
    expect((await take(changes, 1))[0]?.writes.flags?.get('b')?.enabled).toBe(true);
  });

  test('marks a change that replaced all documents', async () => {
    const { store } = opened();
    const { ledger, id } = await createLedger(store);
    const changes = store.follow(ledger, id, neverAborted());
    const change = await write(store, ledger, flags(flag('b')), { replaceAll: true });
    expect(await take(changes, 1)).toEqual([change]);
    expect(change).toMatchObject({ previous: id, replaceAll: true });
  });

  test('delivers the changes of one ledger only', async () => {
    const { store } = opened();
    const [here, there] = [await createLedger(store), await createLedger(store)];
    const changes = store.follow(here.ledger, here.id, neverAborted());
    await write(store, there.ledger, flags(flag('b')));
    const change = await write(store, here.ledger, {});
    expect(await take(changes, 1)).toEqual([change]);
  });

  test('delivers the same changes to every follower, independently of how fast the others read', async () => {
    const { store } = opened();
    const { ledger, id } = await createLedger(store);
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

const describeEnds = (opened: () => OpenedStore): void => {
  test('ends for a waiting follower when its signal aborts', async () => {
    const { store } = opened();
    const { ledger, id } = await createLedger(store);
    const stop = new AbortController();
    const all = take(store.follow(ledger, id, stop.signal), Infinity);
    stop.abort();
    expect(await all).toEqual([]);
  });

  test('delivers nothing after the signal aborts, not even queued changes', async () => {
    const { store } = opened();
    const { ledger, id } = await createLedger(store);
    const stop = new AbortController();
    const changes = store.follow(ledger, id, stop.signal);
    await write(store, ledger, {});
    stop.abort();
    expect(await take(changes, Infinity)).toEqual([]);
  });

  test('delivers nothing if the signal is already aborted', async () => {
    const { store } = opened();
    const { ledger, id } = await createLedger(store);
    const changes = store.follow(ledger, id, AbortSignal.abort());
    await write(store, ledger, {});
    expect(await take(changes, Infinity)).toEqual([]);
  });

  test('removes its abort listener when the follower stops or is aborted', async () => {
    const { store } = opened();
    const { ledger, id } = await createLedger(store);
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
    const { store } = opened();
    const { ledger, id } = await createLedger(store);
    const all = readToEnd(store.follow(ledger, id, neverAborted()));
    await store.close();
    expect(await all).toEqual([]);
    expect(await readToEnd(store.follow(ledger, id, neverAborted()))).toEqual([]);
  });

  test('ends for a follower that is still starting when the store closes', async () => {
    const { store: first, reopen } = opened();
    const { ledger, id } = await createLedger(first);
    for (let turns = 0; turns < TURNS_TO_BEGIN; turns += 1) {
      const store = await reopen();
      const all = readToEnd(store.follow(ledger, id, neverAborted()));
      for (let turn = 0; turn < turns; turn += 1) await nextTurn();
      await store.close();
      expect(await all).toEqual([]);
    }
  });
};

/** A follower of a local store has connected and read within this many event loop turns. */
const TURNS_TO_BEGIN = 20;

/** Returns everything that a feed yields until it ends or fails with a StoreError. */
const readToEnd = async <Item>(items: AsyncIterable<Item>): Promise<Item[]> => {
  const got: Item[] = [];
  try {
    for await (const item of items) got.push(item);
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
  }
  return got;
};

/** Reads a feed until it ends, skips a change or reaches `last`. Returns the ids without a gap. */
const idsWithoutGap = async (
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
  await readToEnd(walk());
  return chain;
};

const describeLoss = (opened: () => OpenedStore): void => {
  test('never delivers a change out of order to a follower that falls behind', async () => {
    const { store } = opened();
    const { ledger, id } = await createLedger(store);
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
    const chain = await idsWithoutGap(changes, id, ids.at(-1) ?? '');
    expect(chain).toEqual(ids.slice(0, chain.length));
  });

  test('delivers the changes since an older id, or shows a gap', async () => {
    const { store } = opened();
    const { ledger, id } = await createLedger(store);
    const missed = await write(store, ledger, flags(flag('missed')));
    const changes = store.follow(ledger, id, neverAborted());
    const next = await write(store, ledger, flags(flag('next')));
    expect([[id], [id, missed.id, next.id]]).toContainEqual(
      await idsWithoutGap(changes, id, next.id),
    );
  });

  test('shows a gap if the ledger was dropped and created again', async () => {
    const { store } = opened();
    const { ledger, id } = await createLedger(store);
    const changes = store.follow(ledger, id, neverAborted());
    await store.drop(ledger);
    const { id: last } = await write(store, ledger, flags(flag('new')), { audit: [entry('new')] });
    expect(await idsWithoutGap(changes, id, last)).toEqual([id]);
  });
};
