import { setImmediate as laterTurn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { expect, it } from 'vitest';

import { openLiveFlagSet, prepareView, type LiveFlagSet } from '../src/flag-set/live-flag-set.ts';
import { keepWarm } from '../src/flag-set/warm-up.ts';
import { openReplica } from '../src/replication/replica.ts';
import { secureRandom } from '../src/random.ts';
import { openMemoryStore } from '../src/store/memory.ts';
import { flag, flags, newLedger, removal, write } from './store/fixtures.ts';
import { createFakeClock } from './support/fake-clock.ts';

it('decides a write on a compiled view of the very snapshot that the commit expects', async () => {
  const store = openMemoryStore({ random: secureRandom });
  const ledger = newLedger();
  await write(store, ledger, flags(flag('first')));
  const replica = await openReplica(
    { store, clock: createFakeClock(), reportOutage: () => () => undefined },
    ledger,
  );
  // Its own view stays at the first flag: it is not notified of any change.
  const deaf = { ...replica, subscribe: () => () => undefined };
  const live = openLiveFlagSet('production', deaf, { sourceAgeMs: () => 0 });
  await replica.write(() => ({
    writes: flags(flag('second')),
    audit: [],
    result: () => undefined,
  }));
  const decided = await live.write(view => ({
    writes: removal('first'),
    audit: [],
    result: () => ({
      stored: [...view.snapshot.records.flags.keys()],
      flagSet: view.flagSet.flags.keyList(),
      compiled: view.compiled.flagKeys,
      isSameChange: view.flagSet.id === view.snapshot.id,
    }),
  }));
  const both = ['first', 'second'];
  expect(decided).toEqual({ stored: both, flagSet: both, compiled: both, isSameChange: true });
  live.close();
  await store.close();
});

it('keeps past changes up to a number of bytes, so edits of a large flag do not fill the memory', async () => {
  const store = openMemoryStore({ random: secureRandom });
  const ledger = newLedger();
  await write(store, ledger, flags(flag('first')));
  const replica = await openReplica(
    { store, clock: createFakeClock(), reportOutage: () => () => undefined },
    ledger,
  );
  const live = openLiveFlagSet('production', replica, { sourceAgeMs: () => 0 });
  const ids: string[] = [live.view().flagSet.id];
  for (let edit = 0; edit < 20; edit += 1) {
    const metadata = { text: `${edit}`.padEnd(1_048_576) };
    await replica.write(() => ({
      writes: flags({ ...flag('large'), metadata }),
      audit: [],
      result: () => undefined,
    }));
    ids.push(live.view().flagSet.id);
  }
  const available = ids.map(id => live.changesSince(id)?.length);
  expect(available.slice(-9)).toEqual([undefined, 7, 6, 5, 4, 3, 2, 1, 0]);
  expect(available.slice(0, 12).every(count => count === undefined)).toBe(true);
  live.close();
  await store.close();
});

it('compiles the flags in the background, in several turns, and again after the whole set was replaced', async () => {
  const store = openMemoryStore({ random: secureRandom });
  const ledger = newLedger();
  await write(store, ledger, flags(flag('a'), flag('b'), flag('c')));
  const replica = await openReplica(
    { store, clock: createFakeClock(), reportOutage: () => () => undefined },
    ledger,
  );
  const live = openLiveFlagSet('production', replica, { sourceAgeMs: () => 0 });
  const compiled = () =>
    ['a', 'b', 'c'].filter(key => live.view().compiled.lazyFlags.get(key)?.compiled !== undefined);
  let resume = () => {};
  const next = () => new Promise<void>(resolve => (resume = resolve));
  const nextTurn = async () => {
    resume();
    await new Promise(setImmediate);
  };
  keepWarm(live, { isOver: () => true, next });
  expect(compiled()).toEqual(['a']);
  await nextTurn();
  expect(compiled()).toEqual(['a', 'b']);
  await replica.write(() => ({
    writes: flags(flag('a'), flag('b')),
    replaceAll: true,
    audit: [],
    result: () => undefined,
  }));
  await nextTurn();
  expect(compiled()).toEqual(['a', 'b']);
  live.close();
  await store.close();
});

/** Collects garbage. */
const collect = async (): Promise<void> => {
  setFlagsFromString('--expose-gc');
  const gc: () => void = runInNewContext('gc');
  await laterTurn();
  gc();
};

it('keeps nothing that has been replaced, besides the past changes', async () => {
  const store = openMemoryStore({ random: secureRandom });
  const ledger = newLedger();
  await write(store, ledger, flags({ ...flag('visible'), clientVisible: true }));
  const replica = await openReplica(
    { store, clock: createFakeClock(), reportOutage: () => () => undefined },
    ledger,
  );
  const live = openLiveFlagSet(
    'production',
    replica,
    { sourceAgeMs: () => 0 },
    await prepareView('production', replica),
  );
  const edit = async (version: number): Promise<WeakRef<object>> => {
    const metadata = { text: `${version}`.padEnd(1_048_576) };
    await replica.write(() => ({
      writes: flags({ ...flag('large'), metadata }),
      audit: [],
      result: () => undefined,
    }));
    return definitionOf(live);
  };
  const definitions: WeakRef<object>[] = [];
  for (let version = 0; version < 20; version += 1) definitions.push(await edit(version));
  await collect();
  const alive = definitions.filter(each => each.deref() !== undefined);
  // 8 MiB of changes, and the current definition.
  expect(alive.length).toBeLessThan(10);
  expect(live.view().client.idOf(live.view().flagSet)).toHaveLength(22);
  live.close();
  await store.close();
});

const definitionOf = (live: LiveFlagSet): WeakRef<object> =>
  new WeakRef(live.view().flagSet.flags.get('large') ?? {});
