import { describe, expect, test } from 'vitest';

import { parseChangeId, revisionOf } from '../../src/store/change-id.ts';
import { CONTROL_LEDGER, type Writes } from '../../src/store/store.ts';
import {
  apiKey,
  contents,
  entry,
  environment,
  flag,
  flags,
  neverAborted,
  newLedger,
  refused,
  removal,
  segment,
  take,
  write,
} from './fixtures.ts';
import type { Given } from './suite.ts';

const epochOf = (id: string) => parseChangeId(id)?.epoch;
const nonceOf = (id: string) => parseChangeId(id)?.nonce;

export const describeCommits = (given: () => Given): void => {
  describe('a commit', () => {
    describeOutcome(given);
    describeExpectation(given);
    describeIds(given);
    describeReplaceAll(given);
  });
};

const describeOutcome = (given: () => Given): void => {
  test('creates a ledger with what it writes', async () => {
    const { store } = given();
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

  test('of nothing creates an empty ledger', async () => {
    const { store } = given();
    const ledger = newLedger();
    const { id } = await write(store, ledger, {});
    expect(await contents(store, ledger)).toEqual({ id, records: [], audit: [] });
  });

  test('answers the change that it made', async () => {
    const { store } = given();
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

  test('replaces, removes and leaves alone, each document on its own', async () => {
    const { store } = given();
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

  test('may remove what is not there', async () => {
    const { store } = given();
    const ledger = newLedger();
    await write(store, ledger, flags(flag('a')));
    const { id } = await write(store, ledger, removal('never-there'));
    expect(await contents(store, ledger)).toMatchObject({ id, records: [['flags/a', {}]] });
  });

  test('to the control ledger holds environments and keys', async () => {
    const { store } = given();
    const { id } = await write(store, CONTROL_LEDGER, {
      environments: new Map([['production', environment('production')]]),
      keys: new Map([['k1', apiKey('k1')]]),
    });
    expect((await contents(store, CONTROL_LEDGER))?.records).toEqual([
      ['environments/production', { document: environment('production'), changeId: id }],
      ['keys/k1', { document: apiKey('k1'), changeId: id }],
    ]);
  });

  test('to one ledger leaves every other as it was', async () => {
    const { store } = given();
    const [here, there] = [newLedger(), newLedger()];
    await write(store, there, flags(flag('a')), { audit: [entry('a')] });
    const before = await contents(store, there);
    await write(store, here, flags(flag('a', { enabled: false })), { audit: [entry('a')] });
    await write(store, here, removal('a'), { replaceAll: true });
    expect(await contents(store, there)).toEqual(before);
  });
};

const describeExpectation = (given: () => Given): void => {
  test('is refused where the ledger has moved on, and says where it is', async () => {
    const { store } = given();
    const ledger = newLedger();
    const first = await write(store, ledger, {});
    const second = await write(store, ledger, {});
    const commit = { expect: first.id, writes: flags(flag('late')), audit: [entry('late')] };
    expect(await refused(store, ledger, commit)).toBe(second.id);
  });

  test('is refused where the ledger was to be new, and is not', async () => {
    const { store } = given();
    const ledger = newLedger();
    const { id } = await write(store, ledger, {});
    expect(await refused(store, ledger, { expect: 'none', writes: {}, audit: [] })).toBe(id);
  });

  test('is refused where there is no ledger to move on, and makes none', async () => {
    const { store } = given();
    const { id } = await write(store, newLedger(), {});
    const ledger = newLedger();
    const commit = { expect: id, writes: flags(flag('a')), audit: [entry('a')] };
    expect(await refused(store, ledger, commit)).toBe('none');
    expect(await store.head(ledger)).toBeUndefined();
    expect(await contents(store, ledger)).toBeUndefined();
    expect(await store.audit(ledger, { limit: 10 })).toEqual([]);
  });

  test.each([
    ['another epoch', (id: string) => id.replace(/^[^.]+/, 'otherepoch00')],
    ['another revision', (id: string) => id.replace(/\.[0-9]+\./, '.7.')],
    ['another nonce', (id: string) => id.replace(/[^.]+$/, 'othernonce')],
    ['no id at all', () => 'nonsense'],
  ])('that expects %s is refused', async (_, other) => {
    const { store } = given();
    const ledger = newLedger();
    const { id } = await write(store, ledger, {});
    const commit = { expect: other(id), writes: flags(flag('a')), audit: [] };
    expect(await refused(store, ledger, commit)).toBe(id);
  });

  test('that is refused changes no document, no id, no audit log and no feed', async () => {
    const { store } = given();
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
    await refused(store, ledger, { expect: 'none', writes, audit });
    await refused(store, ledger, { expect: 'none', writes, audit, replaceAll: true });
    expect(await contents(store, ledger)).toEqual(before);
    const next = await write(store, ledger, {});
    expect(await take(changes, 1)).toEqual([next]);
  });

  test('of several at once on the same id succeeds exactly once, round after round', async () => {
    const { store } = given();
    const ledger = newLedger();
    let { id } = await write(store, ledger, {});
    for (let round = 0; round < 100; round += 1) {
      const outcomes = await race(id, writer => store.commit(ledger, writer));
      const winners = outcomes.flatMap(each => (each.committed ? [each.change] : []));
      const seen = outcomes.flatMap(each => (each.committed ? [] : [each.actual]));
      expect(winners).toHaveLength(1);
      id = winners[0]?.id ?? 'nobody won';
      expect(seen).toEqual([id, id, id]);
    }
    const { records, audit } = (await contents(store, ledger)) ?? {};
    expect(audit).toHaveLength(100);
    expect(records?.map(([, stored]) => stored)).toEqual([
      { document: flag('contested', { seed: audit?.[0]?.actor.name ?? '' }), changeId: id },
    ]);
  });

  test('called first is applied first', async () => {
    const { store } = given();
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
        audit: [entry('contested', { actor: { id: name.toLowerCase(), name } })],
      }),
    ),
  );

const describeIds = (given: () => Given): void => {
  test('has an id of epoch, revision and nonce, and the id of the change before', async () => {
    const { store } = given();
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

  test('has a nonce of its own', async () => {
    const { store } = given();
    const ledger = newLedger();
    const nonces = new Set<string | undefined>();
    for (let i = 0; i < 50; i += 1) nonces.add(nonceOf((await write(store, ledger, {})).id));
    expect(nonces.size).toBe(50);
  });

  test('begins an epoch of its own for each ledger', async () => {
    const { store } = given();
    const one = await write(store, newLedger(), {});
    const two = await write(store, newLedger(), {});
    expect(epochOf(one.id)).not.toBe(epochOf(two.id));
  });

  test('marks only the documents that it wrote', async () => {
    const { store } = given();
    const ledger = newLedger();
    const one = await write(store, ledger, flags(flag('a'), flag('b')));
    const two = await write(store, ledger, flags(flag('b')));
    expect((await store.get(ledger, 'flags', 'a'))?.changeId).toBe(one.id);
    expect((await store.get(ledger, 'flags', 'b'))?.changeId).toBe(two.id);
  });

  test('never brings an id back when a document is removed and made again alike', async () => {
    const { store } = given();
    const ledger = newLedger();
    const ids = new Set<string | undefined>();
    for (let i = 0; i < 10; i += 1) {
      await write(store, ledger, flags(flag('a')));
      ids.add((await store.get(ledger, 'flags', 'a'))?.changeId);
      ids.add((await write(store, ledger, removal('a'))).id);
    }
    expect(ids.size).toBe(20);
  });

  test('never brings an id back when a ledger is dropped and made again alike', async () => {
    const { store } = given();
    const ledger = newLedger();
    const first = await write(store, ledger, flags(flag('a')));
    await store.drop(ledger);
    const second = await write(store, ledger, flags(flag('a')));
    expect(second.previous).toBe('none');
    expect(revisionOf(second.id)).toBe(1);
    expect(epochOf(second.id)).not.toBe(epochOf(first.id));
    expect(await refused(store, ledger, { expect: first.id, writes: {}, audit: [] })).toBe(
      second.id,
    );
  });
};

const describeReplaceAll = (given: () => Given): void => {
  test('that replaces all leaves only what it writes', async () => {
    const { store } = given();
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

  test('that replaces all begins a new epoch, and the revision goes on', async () => {
    const { store } = given();
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
    const { store } = given();
    const ledger = newLedger();
    await write(store, ledger, {}, { audit: [entry('old')] });
    await write(store, ledger, {}, { audit: [entry('new')], replaceAll: true });
    const keys = (await store.audit(ledger, { limit: 10 })).map(({ key }) => key);
    expect(keys).toEqual(['new', 'old']);
  });

  test('that replaces all may also create', async () => {
    const { store } = given();
    const ledger = newLedger();
    const { id } = await write(store, ledger, flags(flag('a')), { replaceAll: true });
    expect(await contents(store, ledger)).toMatchObject({ id, records: [['flags/a', {}]] });
  });
};
