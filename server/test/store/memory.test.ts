import { expect, test } from 'vitest';

import { secureRandom } from '../../src/random.ts';
import { openMemoryStore, type MemoryData } from '../../src/store/memory.ts';
import { emptyUsage } from '../../src/store/memory-usage.ts';
import { flag, flags, neverAborted, newLedger, take, write } from './fixtures.ts';
import { describeStore } from './suite.ts';

describeStore('the memory store', async () => {
  const data: MemoryData = new Map();
  const usage = emptyUsage();
  let store = openMemoryStore({ random: secureRandom, data, usage });
  return {
    store,
    async reopen() {
      await store.close();
      store = openMemoryStore({ random: secureRandom, data, usage });
      return store;
    },
    cleanup: () => store.close(),
  };
});

test('two memory stores have separate data', async () => {
  const [one, two] = [0, 1].map(() => openMemoryStore({ random: secureRandom }));
  const ledger = newLedger();
  if (one !== undefined) await write(one, ledger, flags(flag('a')));
  expect(await two?.read(ledger)).toBeUndefined();
});

test('dropping a ledger ends its followers', async () => {
  const store = openMemoryStore({ random: secureRandom });
  const ledger = newLedger();
  const { id } = await write(store, ledger, {});
  const changes = take(store.follow(ledger, id, neverAborted()), Infinity);
  await store.drop(ledger);
  expect(await changes).toEqual([]);
});
