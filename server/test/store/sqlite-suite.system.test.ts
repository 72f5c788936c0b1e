import { expect, test } from 'vitest';

import { contents, entry, flag, flags, neverAborted, take, write } from './fixtures.ts';
import { LEDGER, newDirectory, openStore } from './sqlite-directory.ts';
import { describeStore } from './suite.ts';

describeStore('the SQLite store', async () => {
  const directory = newDirectory();
  let store = await openStore(directory);
  return {
    store,
    async reopen() {
      await store.close();
      store = await openStore(directory);
      return store;
    },
    cleanup: () => store.close(),
  };
});

test('a commit that fails at its last step writes nothing', async () => {
  const store = await openStore(newDirectory());
  await write(store, LEDGER, flags(flag('a')), { audit: [entry('a')] });
  const before = await contents(store, LEDGER);
  const audit = [entry('b'), entry('b', { at: 'not a date' })];
  await expect(write(store, LEDGER, flags(flag('b')), { audit, replaceAll: true })).rejects.toThrow(
    'constraint failed',
  );
  expect(await contents(store, LEDGER)).toEqual(before);
  await write(store, LEDGER, flags(flag('b')), { expect: before?.id ?? 'none' });
  await store.close();
});

test('dropping a ledger ends its followers', async () => {
  const store = await openStore(newDirectory());
  const { id } = await write(store, LEDGER, {});
  const changes = take(store.follow(LEDGER, id, neverAborted()), Infinity);
  await store.drop(LEDGER);
  expect(await changes).toEqual([]);
  await store.close();
});
