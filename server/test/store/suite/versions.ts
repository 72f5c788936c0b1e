import { describe, expect, test } from 'vitest';

import type { Ledger, Store, Version, VersionedCollection } from '../../../src/store/store.ts';
import {
  auditOf,
  at,
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

const versionOf = <Document>(document: Document, comment?: string): Version<Document> => ({
  at: at(0),
  actor: { kind: 'key', id: 'key-1', name: 'Zoë' },
  action: 'flag.update',
  ...(comment === undefined ? {} : { comment }),
  document,
});

const writeVersion = (store: Store, ledger: Ledger<'flagSet'>, key: string, version: number) => {
  const document = flag(key, { version });
  return write(store, ledger, flags(document), { versions: { flags: [versionOf(document)] } });
};

const numbersOf = async (
  { store }: OpenedStore,
  ledger: Ledger,
  key: string,
  { collection = 'flags', ...range }: Partial<Range> = {},
) =>
  (await store.versions(ledger, collection, { key, limit: 1_000, ...range })).map(
    ({ document }) => document.version,
  );
type Range = { collection: VersionedCollection; before: number; limit: number };

export const describeVersions = (opened: () => OpenedStore): void => {
  describe('versions', () => {
    test('are stored with their commit, and listed newest first', async () => {
      const { store } = opened();
      const ledger = newLedger();
      const first = versionOf(flag('a', { version: 1 }), 'Größe 😀');
      const second = versionOf(flag('a', { version: 2, description: '{"nested": [null]}' }));
      await write(store, ledger, flags(first.document), { versions: { flags: [first] } });
      await write(store, ledger, flags(second.document), { versions: { flags: [second] } });
      expect(await store.versions(ledger, 'flags', { key: 'a', limit: 10 })).toEqual([
        second,
        first,
      ]);
    });

    test('are read in the order of their numbers, before a number and up to a limit', async () => {
      const { store } = opened();
      const ledger = newLedger();
      const numbers = [1, 2, 9, 10, 11, 100, 999_999, 1_000_000, 2 ** 40];
      for (const version of numbers) await writeVersion(store, ledger, 'a', version);
      const newestFirst = numbers.toReversed();
      expect(await numbersOf(opened(), ledger, 'a')).toEqual(newestFirst);
      expect(await numbersOf(opened(), ledger, 'a', { limit: 2 })).toEqual([2 ** 40, 1_000_000]);
      expect(await numbersOf(opened(), ledger, 'a', { before: 100 })).toEqual([11, 10, 9, 2, 1]);
      expect(await numbersOf(opened(), ledger, 'a', { before: 101, limit: 1 })).toEqual([100]);
      expect(await numbersOf(opened(), ledger, 'a', { before: 1 })).toEqual([]);
    });

    test('can be more than a store reads at once', async () => {
      const { store } = opened();
      const ledger = newLedger();
      const versions = Array.from({ length: 47 }, (_, i) =>
        versionOf(flag('a', { version: i + 1 })),
      );
      await write(store, ledger, flags(flag('a', { version: 47 })), {
        versions: { flags: versions },
      });
      expect(await numbersOf(opened(), ledger, 'a')).toHaveLength(47);
      expect(await numbersOf(opened(), ledger, 'a', { limit: 41 })).toHaveLength(41);
    });

    test('are separate for each key, collection and ledger', async () => {
      const { store } = opened();
      const [ledger, other] = [newLedger(), newLedger()];
      const keys = ['a', 'a-b', 'a.b', 'a0', 'A', 'aa'];
      for (const [i, key] of keys.entries()) await writeVersion(store, ledger, key, i + 1);
      const version = { ...versionOf(segment('a')), action: 'segment.create' as const };
      await write(store, ledger, {}, { versions: { segments: [version] } });
      for (const [i, key] of keys.entries())
        expect(await numbersOf(opened(), ledger, key)).toEqual([i + 1]);
      expect(await store.versions(ledger, 'segments', { key: 'a', limit: 5 })).toEqual([version]);
      expect(await numbersOf(opened(), ledger, 'b')).toEqual([]);
      expect(await numbersOf(opened(), other, 'a')).toEqual([]);
    });

    test('stay if their document is deleted, and if a commit replaces everything', async () => {
      const { store } = opened();
      const ledger = newLedger();
      await writeVersion(store, ledger, 'a', 1);
      await writeVersion(store, ledger, 'b', 1);
      await write(store, ledger, removal('a'));
      await write(store, ledger, flags(flag('c')), { replaceAll: true });
      expect(await numbersOf(opened(), ledger, 'a')).toEqual([1]);
      expect(await numbersOf(opened(), ledger, 'b')).toEqual([1]);
    });

    test('are not read with the ledger, its pages or its changes', async () => {
      const { store } = opened();
      const ledger = newLedger();
      const { id } = await write(store, ledger, {});
      const changes = take(store.follow(ledger, id, neverAborted()), 1);
      const change = await writeVersion(store, ledger, 'a', 1);
      expect(change.writes).toEqual(flags(flag('a')));
      expect(await changes).toEqual([change]);
      const snapshot = await store.read(ledger);
      expect([snapshot?.records.flags.size, snapshot?.records.segments.size]).toEqual([1, 0]);
    });

    test('are not stored by a commit that is not made', async () => {
      const { store } = opened();
      const ledger = newLedger();
      await writeVersion(store, ledger, 'a', 1);
      const versions = { flags: [versionOf(flag('a', { version: 2 }))] };
      await store.commit(ledger, { expect: 'none', writes: {}, versions, audit: [] });
      expect(await numbersOf(opened(), ledger, 'a')).toEqual([1]);
    });

    test('survive a restart, and are removed with their ledger', async () => {
      const ledger = newLedger();
      await writeVersion(opened().store, ledger, 'a', 1);
      const store = await opened().reopen();
      const found = await store.versions(ledger, 'flags', { key: 'a', limit: 5 });
      expect(found).toEqual([versionOf(flag('a'))]);
      await store.drop(ledger);
      expect(await store.versions(ledger, 'flags', { key: 'a', limit: 5 })).toEqual([]);
      await writeVersion(store, ledger, 'a', 1);
    });
  });

  describe('a cleared ledger', () => {
    test('keeps its audit log and its last change, and nothing else', async () => {
      const { store } = opened();
      const ledger = newLedger();
      await write(store, ledger, flags(flag('a')), { audit: [entry('a')] });
      const { id } = await writeVersion(store, ledger, 'a', 2);
      const before = await auditOf(store, ledger, { limit: 5 });
      for (const _ of ['first', 'again']) {
        await store.clear(ledger);
        expect(await auditOf(store, ledger, { limit: 5 })).toEqual(before);
        expect(await store.head(ledger)).toBe(id);
        expect(await store.get(ledger, 'flags', 'a')).toBeUndefined();
        expect((await store.read(ledger))?.records.flags.size).toBe(0);
        expect(await store.versions(ledger, 'flags', { key: 'a', limit: 5 })).toEqual([]);
      }
    });

    test('is not created if it does not exist', async () => {
      const { store } = opened();
      const ledger = newLedger();
      await store.clear(ledger);
      expect(await store.head(ledger)).toBeUndefined();
      await write(store, ledger, flags(flag('a')));
    });
  });
};
