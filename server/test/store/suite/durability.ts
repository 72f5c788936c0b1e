import { describe, expect, test } from 'vitest';

import { parseChangeId } from '../../../src/store/change-id.ts';
import { CONTROL_LEDGER, StoreError } from '../../../src/store/store.ts';
import {
  auditOf,
  contents,
  entry,
  environment,
  flag,
  flags,
  newLedger,
  removal,
  write,
} from '../fixtures.ts';
import type { OpenedStore } from '../suite.ts';

export const describeDurability = (opened: () => OpenedStore): void => {
  describe('a store that is reopened', () => {
    describeReopening(opened);
  });
  describe('a closed store', () => {
    describeClosing(opened);
  });

  test('a store that can be written to resolves a ping', async () => {
    await expect(opened().store.ping()).resolves.toBeUndefined();
  });
};

const describeReopening = (opened: () => OpenedStore): void => {
  test('has all its data', async () => {
    const { store, reopen } = opened();
    const [full, empty, gone] = [newLedger(), newLedger(), newLedger()];
    await write(store, CONTROL_LEDGER, { environments: new Map([['dev', environment('dev')]]) });
    await write(store, full, flags(flag('a'), flag('b')), { audit: [entry('a'), entry('b')] });
    await write(store, full, removal('a'), { audit: [entry('a', { after: null })] });
    await write(store, empty, {});
    await write(store, gone, flags(flag('a')));
    await store.drop(gone);
    const ledgers = [CONTROL_LEDGER, full, empty, gone];
    const before = await Promise.all(ledgers.map(each => contents(store, each)));
    const again = await reopen();
    expect(await Promise.all(ledgers.map(each => contents(again, each)))).toEqual(before);
  });

  test('continues the revision and the audit log', async () => {
    const { store, reopen } = opened();
    const ledger = newLedger();
    const before = await write(store, ledger, {}, { audit: [entry('old')] });
    const again = await reopen();
    const after = await write(again, ledger, {}, { audit: [entry('new')], expect: before.id });
    const [was, is] = [before, after].map(({ id }) => parseChangeId(id));
    expect(after.previous).toBe(before.id);
    expect(is).toMatchObject({ epoch: was?.epoch, revision: 2 });
    expect((await auditOf(again, ledger, { limit: 9 })).map(({ key }) => key)).toEqual([
      'new',
      'old',
    ]);
  });
};

const describeClosing = (opened: () => OpenedStore): void => {
  test('has completed the operations that were called before', async () => {
    const { store, reopen } = opened();
    const ledgers = Array.from({ length: 20 }, newLedger);
    const commit = { expect: 'none', writes: flags(flag('a')), audit: [] };
    const commits = ledgers.map(ledger => store.commit(ledger, commit));
    const closed = store.close();
    const outcomes = await Promise.all(commits);
    await closed;
    const ids = outcomes.map(each => (each.committed ? each.change.id : each.actual));
    const again = await reopen();
    expect(await Promise.all(ledgers.map(ledger => again.head(ledger)))).toEqual(ids);
  });

  test('rejects later operations with a StoreError', async () => {
    const { store } = opened();
    const ledger = newLedger();
    await store.close();
    const commit = { expect: 'none', writes: {}, audit: [] };
    await expect(store.head(ledger)).rejects.toThrow(StoreError);
    await expect(store.read(ledger)).rejects.toThrow(StoreError);
    await expect(store.commit(ledger, commit)).rejects.toThrow(StoreError);
    await expect(store.ping()).rejects.toThrow(StoreError);
  });

  test('rejects operations while it is closing', async () => {
    const { store } = opened();
    const closed = store.close();
    await expect(store.head(newLedger())).rejects.toThrow(StoreError);
    await closed;
  });

  test('can be closed again', async () => {
    const { store } = opened();
    await Promise.all([store.close(), store.close()]);
    await expect(store.close()).resolves.toBeUndefined();
  });
};
