import type { Flag } from '@pennon/schema';
import { describe, expect, test } from 'vitest';

import { parseChangeId, revisionOf } from '../../../src/store/change-id.ts';
import { CONTROL_LEDGER, type Writes } from '../../../src/store/store.ts';
import {
  at,
  auditOf,
  apiKey,
  contents,
  entry,
  environment,
  flag,
  flags,
  neverAborted,
  newLedger,
  rejected,
  removal,
  segment,
  take,
  write,
} from '../fixtures.ts';
import type { OpenedStore } from '../suite.ts';

const epochOf = (id: string) => parseChangeId(id)?.epoch;
const nonceOf = (id: string) => parseChangeId(id)?.nonce;

export const describeCommits = (opened: () => OpenedStore): void => {
  describe('a commit', () => {
    describeOutcome(opened);
    describeExpectation(opened);
    describeIds(opened);
    describeReplaceAll(opened);
    describeLarge(opened);
  });
};

const describeOutcome = (opened: () => OpenedStore): void => {
  test('creates the ledger and writes the documents', async () => {
    const { store } = opened();
    const ledger = newLedger();
    const change = await write(store, ledger, {
      flags: new Map([['a', flag('a')]]),
      segments: new Map([['s', segment('s')]]),
    });
    const { id } = change;
    expect(await contents(store, ledger)).toEqual({
      id,
      records: [
        ['flags/a', { document: flag('a'), changeId: id }],
        ['segments/s', { document: segment('s'), changeId: id }],
      ],
      audit: [],
    });
  });

  test('without writes creates an empty ledger', async () => {
    const { store } = opened();
    const ledger = newLedger();
    const { id } = await write(store, ledger, {});
    expect(await contents(store, ledger)).toEqual({ id, records: [], audit: [] });
  });

  test('returns the change', async () => {
    const { store } = opened();
    const ledger = newLedger();
    const first = await write(store, ledger, flags(flag('a')));
    const writes: Writes<'flagSet'> = {
      flags: new Map([
        ['a', null],
        ['b', flag('b')],
      ]),
    };
    const second = await write(store, ledger, writes);
    expect(second).toMatchObject({ previous: first.id, replaceAll: false });
    expect([...(second.writes.flags ?? [])]).toEqual([...(writes.flags ?? [])]);
    expect(second.writes.segments?.size ?? 0).toBe(0);
  });

  test('replaces and removes single documents and keeps the others', async () => {
    const { store } = opened();
    const ledger = newLedger();
    const first = await write(store, ledger, flags(flag('a'), flag('b'), flag('c')));
    const changed = flag('b', { enabled: false });
    const second = await write(store, ledger, {
      flags: new Map([
        ['a', null],
        ['b', changed],
      ]),
    });
    expect((await contents(store, ledger))?.records).toEqual([
      ['flags/b', { document: changed, changeId: second.id }],
      ['flags/c', { document: flag('c'), changeId: first.id }],
    ]);
  });

  test('may remove a document that does not exist', async () => {
    const { store } = opened();
    const ledger = newLedger();
    await write(store, ledger, flags(flag('a')));
    const { id } = await write(store, ledger, removal('never-there'));
    expect(await contents(store, ledger)).toMatchObject({ id, records: [['flags/a', {}]] });
  });

  test('to the control ledger writes environments and keys', async () => {
    const { store } = opened();
    const { id } = await write(store, CONTROL_LEDGER, {
      environments: new Map([['production', environment('production')]]),
      keys: new Map([['k1', apiKey('k1')]]),
    });
    expect((await contents(store, CONTROL_LEDGER))?.records).toEqual([
      ['environments/production', { document: environment('production'), changeId: id }],
      ['keys/k1', { document: apiKey('k1'), changeId: id }],
    ]);
  });

  test('to one ledger does not change any other', async () => {
    const { store } = opened();
    const [here, there] = [newLedger(), newLedger()];
    await write(store, there, flags(flag('a')), { audit: [entry('a')] });
    const before = await contents(store, there);
    await write(store, here, flags(flag('a', { enabled: false })), { audit: [entry('a')] });
    await write(store, here, removal('a'), { replaceAll: true });
    expect(await contents(store, there)).toEqual(before);
  });
};

const describeExpectation = (opened: () => OpenedStore): void => {
  test('is rejected with the current id if the ledger has changed', async () => {
    const { store } = opened();
    const ledger = newLedger();
    const first = await write(store, ledger, {});
    const second = await write(store, ledger, {});
    const commit = { expect: first.id, writes: flags(flag('late')), audit: [entry('late')] };
    expect(await rejected(store, ledger, commit)).toBe(second.id);
  });

  test('is rejected if the ledger must not exist but does', async () => {
    const { store } = opened();
    const ledger = newLedger();
    const { id } = await write(store, ledger, {});
    expect(await rejected(store, ledger, { expect: 'none', writes: {}, audit: [] })).toBe(id);
  });

  test('is rejected if the ledger does not exist, and does not create it', async () => {
    const { store } = opened();
    const { id } = await write(store, newLedger(), {});
    const ledger = newLedger();
    const commit = { expect: id, writes: flags(flag('a')), audit: [entry('a')] };
    expect(await rejected(store, ledger, commit)).toBe('none');
    expect(await store.head(ledger)).toBeUndefined();
    expect(await contents(store, ledger)).toBeUndefined();
    expect(await auditOf(store, ledger, { limit: 10 })).toEqual([]);
  });

  test.each([
    ['another epoch', (id: string) => id.replace(/^[^.]+/, 'otherepoch00')],
    ['another revision', (id: string) => id.replace(/\.[0-9]+\./, '.7.')],
    ['another nonce', (id: string) => id.replace(/[^.]+$/, 'othernonce')],
    ['text that is not an id', () => 'nonsense'],
  ])('that expects %s is rejected', async (_, other) => {
    const { store } = opened();
    const ledger = newLedger();
    const { id } = await write(store, ledger, {});
    const commit = { expect: other(id), writes: flags(flag('a')), audit: [] };
    expect(await rejected(store, ledger, commit)).toBe(id);
  });

  test('that is rejected changes no document, id, audit log or feed', async () => {
    const { store } = opened();
    const ledger = newLedger();
    await write(store, ledger, flags(flag('a'), flag('b')), { audit: [entry('a'), entry('b')] });
    const before = await contents(store, ledger);
    const changes = store.follow(ledger, before?.id ?? '', neverAborted());
    const writes: Writes<'flagSet'> = {
      flags: new Map([
        ['a', flag('a', { enabled: false })],
        ['b', null],
      ]),
    };
    const audit = [entry('a'), entry('b')];
    await rejected(store, ledger, { expect: 'none', writes, audit });
    await rejected(store, ledger, { expect: 'none', writes, audit, replaceAll: true });
    expect(await contents(store, ledger)).toEqual(before);
    const next = await write(store, ledger, {});
    expect(await take(changes, 1)).toEqual([next]);
  });

  test('succeeds exactly once among several concurrent commits on the same id', async () => {
    const { store } = opened();
    const ledger = newLedger();
    let { id } = await write(store, ledger, {});
    for (let round = 0; round < 100; round += 1) {
      const outcomes = await race(id, writer => store.commit(ledger, writer));
      const winners = outcomes.flatMap(each => (each.committed ? [each.change] : []));
      const seen = outcomes.flatMap(each => (each.committed ? [] : [each.actual]));
      expect(winners).toHaveLength(1);
      id = winners[0]?.id ?? 'no winner';
      expect(seen).toEqual([id, id, id]);
    }
    const { records, audit } = (await contents(store, ledger)) ?? {};
    expect(audit).toHaveLength(100);
    expect(records?.map(([, stored]) => stored)).toEqual([
      { document: flag('contested', { seed: audit?.[0]?.actor.name ?? '' }), changeId: id },
    ]);
  });

  test('that is called first is applied first', async () => {
    const { store } = opened();
    for (let round = 0; round < 20; round += 1) {
      const ledger = newLedger();
      const commit = { expect: 'none', writes: flags(flag('a')), audit: [] };
      const [first, second] = await Promise.all([
        store.commit(ledger, commit),
        store.commit(ledger, commit),
      ]);
      expect(first.committed).toBe(true);
      expect(second).toEqual({ committed: false, actual: await store.head(ledger) });
    }
  });
};

const race = <Outcome>(
  expected: string,
  commit: (writer: {
    expect: string;
    writes: Writes<'flagSet'>;
    audit: ReturnType<typeof entry>[];
  }) => Promise<Outcome>,
): Promise<Outcome[]> =>
  Promise.all(
    ['Ada', 'Bo', 'Cy', 'Di'].map(name =>
      commit({
        expect: expected,
        writes: flags(flag('contested', { seed: name })),
        audit: [entry('contested', { actor: { kind: 'key', id: name.toLowerCase(), name } })],
      }),
    ),
  );

const describeIds = (opened: () => OpenedStore): void => {
  test('has an id of epoch, revision and nonce, and the previous id', async () => {
    const { store } = opened();
    const ledger = newLedger();
    const first = await write(store, ledger, {});
    const second = await write(store, ledger, {});
    const third = await write(store, ledger, {});
    expect([first, second, third].map(({ id }) => revisionOf(id))).toEqual([1, 2, 3]);
    expect(new Set([first, second, third].map(({ id }) => epochOf(id))).size).toBe(1);
    expect([first, second, third].map(({ previous }) => previous)).toEqual([
      'none',
      first.id,
      second.id,
    ]);
    expect(await store.head(ledger)).toBe(third.id);
  });

  test('has a unique nonce', async () => {
    const { store } = opened();
    const ledger = newLedger();
    const nonces = new Set<string | undefined>();
    for (let i = 0; i < 50; i += 1) nonces.add(nonceOf((await write(store, ledger, {})).id));
    expect(nonces.size).toBe(50);
  });

  test('starts a new epoch for each ledger', async () => {
    const { store } = opened();
    const one = await write(store, newLedger(), {});
    const two = await write(store, newLedger(), {});
    expect(epochOf(one.id)).not.toBe(epochOf(two.id));
  });

  test('sets the change id of the documents it writes and of no others', async () => {
    const { store } = opened();
    const ledger = newLedger();
    const one = await write(store, ledger, flags(flag('a'), flag('b')));
    const two = await write(store, ledger, flags(flag('b')));
    expect((await store.get(ledger, 'flags', 'a'))?.changeId).toBe(one.id);
    expect((await store.get(ledger, 'flags', 'b'))?.changeId).toBe(two.id);
  });

  test('never reuses an id when a document is removed and created again', async () => {
    const { store } = opened();
    const ledger = newLedger();
    const ids = new Set<string | undefined>();
    for (let i = 0; i < 10; i += 1) {
      await write(store, ledger, flags(flag('a')));
      ids.add((await store.get(ledger, 'flags', 'a'))?.changeId);
      ids.add((await write(store, ledger, removal('a'))).id);
    }
    expect(ids.size).toBe(20);
  });

  test('never reuses an id when a ledger is dropped and created again', async () => {
    const { store } = opened();
    const ledger = newLedger();
    const first = await write(store, ledger, flags(flag('a')));
    await store.drop(ledger);
    const second = await write(store, ledger, flags(flag('a')));
    expect(second.previous).toBe('none');
    expect(revisionOf(second.id)).toBe(1);
    expect(epochOf(second.id)).not.toBe(epochOf(first.id));
    expect(await rejected(store, ledger, { expect: first.id, writes: {}, audit: [] })).toBe(
      second.id,
    );
  });
};

const describeReplaceAll = (opened: () => OpenedStore): void => {
  test('that replaces all leaves only the documents it writes', async () => {
    const { store } = opened();
    const ledger = newLedger();
    await write(store, ledger, {
      flags: new Map([
        ['a', flag('a')],
        ['b', flag('b')],
      ]),
      segments: new Map([['s', segment('s')]]),
    });
    const { id } = await write(store, ledger, flags(flag('b'), flag('c')), { replaceAll: true });
    expect(await contents(store, ledger)).toMatchObject({
      id,
      records: [
        ['flags/b', { document: flag('b'), changeId: id }],
        ['flags/c', { document: flag('c'), changeId: id }],
      ],
    });
  });

  test('that replaces all starts a new epoch and continues the revision', async () => {
    const { store } = opened();
    const ledger = newLedger();
    const first = await write(store, ledger, flags(flag('a')));
    const second = await write(store, ledger, flags(flag('a')), { replaceAll: true });
    const third = await write(store, ledger, {});
    expect(second).toMatchObject({ previous: first.id, replaceAll: true });
    expect(epochOf(second.id)).not.toBe(epochOf(first.id));
    expect(epochOf(third.id)).toBe(epochOf(second.id));
    expect([second, third].map(({ id }) => revisionOf(id))).toEqual([2, 3]);
  });

  test('that replaces all keeps the audit log', async () => {
    const { store } = opened();
    const ledger = newLedger();
    await write(store, ledger, {}, { audit: [entry('old')] });
    await write(store, ledger, {}, { audit: [entry('new')], replaceAll: true });
    const keys = (await auditOf(store, ledger, { limit: 10 })).map(({ key }) => key);
    expect(keys).toEqual(['new', 'old']);
  });

  test('that replaces all may also create the ledger', async () => {
    const { store } = opened();
    const ledger = newLedger();
    const { id } = await write(store, ledger, flags(flag('a')), { replaceAll: true });
    expect(await contents(store, ledger)).toMatchObject({ id, records: [['flags/a', {}]] });
  });
};

/** Stores send a commit of several megabytes in parts. */
const describeLarge = (opened: () => OpenedStore): void => {
  const large = (enabled: boolean) =>
    Array.from({ length: 60 }, (_, i) =>
      flag(`f${i}`, { enabled, version: enabled ? 2 : 1, metadata: { text: 'x'.repeat(50_000) } }),
    );
  const versionsOf = (documents: readonly Flag[]) => ({
    flags: documents.map(document => ({ ...VERSION, document })),
  });
  const VERSION = {
    at: at(0),
    actor: { kind: 'key', id: 'key-1', name: 'Ada' },
    action: 'flag.create',
  } as const;

  test('of several megabytes is written, with its versions', async () => {
    const { store } = opened();
    const ledger = newLedger();
    const documents = large(true);
    const versions = versionsOf(documents);
    const change = await write(store, ledger, flags(...documents), { versions });
    expect([...(change.writes.flags?.values() ?? [])]).toEqual(documents);
    const stored = await store.read(ledger);
    expect(stored?.id).toBe(change.id);
    expect(new Map(stored?.records.flags)).toEqual(
      new Map(documents.map(document => [document.key, { document, changeId: change.id }])),
    );
    const [last] = await store.versions(ledger, 'flags', { key: 'f59', limit: 1 });
    expect(last).toEqual(versions.flags[59]);
  });

  test('of several megabytes is rejected as a whole', async () => {
    const { store } = opened();
    const ledger = newLedger();
    const { id } = await write(store, ledger, flags(...large(false)));
    const before = await contents(store, ledger);
    const late = {
      expect: 'none',
      writes: flags(...large(true)),
      versions: versionsOf(large(true)),
    };
    expect(await rejected(store, ledger, { ...late, audit: [entry('late')] })).toBe(id);
    expect(await contents(store, ledger)).toEqual(before);
    expect(await store.versions(ledger, 'flags', { key: 'f0', limit: 1 })).toEqual([]);
  });
};
