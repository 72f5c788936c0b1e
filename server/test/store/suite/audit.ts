import type { AuditAction, AuditEntry } from '@pennon/schema';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import type { AuditDraft, AuditQuery, Ledger, Store } from '../../../src/store/store.ts';
import { AUDIT_BYTES, CONTROL_LEDGER } from '../../../src/store/store.ts';
import { auditOf, entry, EPOCH_START, flag, flags, newLedger, write } from '../fixtures.ts';
import type { OpenedStore } from '../suite.ts';

export const describeAudit = (opened: () => OpenedStore): void => {
  describe('the audit log', () => {
    describeEntries(opened);
    describeFilters(opened);
    describePaging(opened);
    describeReading(opened);
  });
};

const at = (second: number) => new Date(EPOCH_START + second * 1_000).toISOString();

const keysOf = async (store: Store, ledger: Ledger, query: Partial<AuditQuery>) =>
  (await auditOf(store, ledger, { limit: 100, ...query })).map(({ key }) => key);

const describeEntries = (opened: () => OpenedStore): void => {
  test('stores each entry with an id and the revision', async () => {
    const { store } = opened();
    const ledger = newLedger();
    await write(store, ledger, {});
    const draft = entry('a', {
      actor: { kind: 'key', id: 'k1', name: 'Zoë', onBehalfOf: 'bo@example.com' },
      action: 'flag.update',
      before: { nested: [1, null, { deep: 'Größe' }] },
      after: { nested: [] },
    });
    await write(store, ledger, flags(flag('a')), { audit: [draft] });
    const [found] = await auditOf(store, ledger, { limit: 1 });
    expect(found).toEqual({ ...draft, id: expect.any(String), revision: 2 });
  });

  test('is empty for an unknown ledger and for a ledger without entries', async () => {
    const { store } = opened();
    const ledger = newLedger();
    expect(await auditOf(store, ledger, { limit: 10 })).toEqual([]);
    await write(store, ledger, flags(flag('a')));
    expect(await auditOf(store, ledger, { limit: 10 })).toEqual([]);
  });

  test('returns the newest commit first, and the entries of a commit in reverse order', async () => {
    const { store } = opened();
    const ledger = newLedger();
    await write(store, ledger, {}, { audit: [entry('a'), entry('b')] });
    await write(store, ledger, {}, { audit: [entry('c')] });
    expect(await keysOf(store, ledger, {})).toEqual(['c', 'b', 'a']);
    expect(await keysOf(store, ledger, { limit: 2 })).toEqual(['c', 'b']);
  });

  test('is ordered by commit, even if the timestamps are not', async () => {
    const { store } = opened();
    const ledger = newLedger();
    for (const second of [5, 3, 9, 1])
      await write(store, ledger, {}, { audit: [entry(`at${second}`, { at: at(second) })] });
    expect(await keysOf(store, ledger, {})).toEqual(['at1', 'at9', 'at3', 'at5']);
  });

  test('is separate for each ledger', async () => {
    const { store } = opened();
    const [one, two] = [newLedger(), newLedger()];
    await write(store, one, {}, { audit: [entry('one')] });
    await write(store, two, {}, { audit: [entry('two')] });
    await write(
      store,
      CONTROL_LEDGER,
      {},
      { audit: [entry('k', { kind: 'key', action: 'key.create' })] },
    );
    expect(await keysOf(store, one, {})).toEqual(['one']);
    expect(await keysOf(store, two, {})).toEqual(['two']);
    expect(await keysOf(store, CONTROL_LEDGER, {})).toEqual(['k']);
  });

  test('gives every entry a unique id', async () => {
    const { store } = opened();
    const ledger = newLedger();
    for (let i = 0; i < 20; i += 1)
      await write(store, ledger, {}, { audit: [entry('a'), entry('a')] });
    const ids = (await auditOf(store, ledger, { limit: 100 })).map(({ id }) => id);
    expect(new Set(ids).size).toBe(40);
  });
};

const by = (id: string, name: string): Partial<AuditDraft> => ({
  actor: { kind: 'key', id, name },
});

const describeFilters = (opened: () => OpenedStore): void => {
  test('can be filtered by the id or the name of the acting key', async () => {
    const { store } = opened();
    const ledger = newLedger();
    const audit = [
      entry('a', by('k1', 'Ada')),
      entry('b', by('k2', 'Bo')),
      entry('c', by('Ada', 'k1')),
      entry('d', by('Ada', 'Ada')),
      entry('e', { actor: { kind: 'key', id: 'k3', name: 'Cy', onBehalfOf: 'Ada' } }),
    ];
    await write(store, ledger, {}, { audit });
    expect(await keysOf(store, ledger, { actor: 'Ada' })).toEqual(['d', 'c', 'a']);
    expect(await keysOf(store, ledger, { actor: 'Ada', limit: 2 })).toEqual(['d', 'c']);
    expect(await keysOf(store, ledger, { actor: 'k2' })).toEqual(['b']);
    expect(await keysOf(store, ledger, { actor: 'ada' })).toEqual([]);
  });

  test('can be filtered by the user that the key acted for', async () => {
    const { store } = opened();
    const ledger = newLedger();
    const actingFor = (onBehalfOf: string): Partial<AuditDraft> => ({
      actor: { kind: 'key', id: 'k1', name: 'bot', onBehalfOf },
    });
    const audit = [
      entry('a', actingFor('Zoë')),
      entry('b', actingFor('Bo')),
      entry('c', by('k1', 'Zoë')),
      entry('d', actingFor('Zoë')),
    ];
    await write(store, ledger, {}, { audit });
    expect(await keysOf(store, ledger, { onBehalfOf: 'Zoë' })).toEqual(['d', 'a']);
    expect(await keysOf(store, ledger, { onBehalfOf: 'Zoë', limit: 1 })).toEqual(['d']);
    expect(await keysOf(store, ledger, { onBehalfOf: 'zoë' })).toEqual([]);
  });

  test('can be filtered by time, from inclusive and until exclusive', async () => {
    const { store } = opened();
    const ledger = newLedger();
    const audit = [1, 2, 3].map(second => entry(`at${second}`, { at: at(second) }));
    await write(store, ledger, {}, { audit });
    const from = EPOCH_START + 2_000;
    expect(await keysOf(store, ledger, { from })).toEqual(['at3', 'at2']);
    expect(await keysOf(store, ledger, { from: from + 1 })).toEqual(['at3']);
    expect(await keysOf(store, ledger, { until: from })).toEqual(['at1']);
    expect(await keysOf(store, ledger, { from, until: from + 1 })).toEqual(['at2']);
    expect(await keysOf(store, ledger, { from, until: from })).toEqual([]);
  });

  test('filters by the instant, not by the text of the timestamp', async () => {
    const { store } = opened();
    const ledger = newLedger();
    await write(store, ledger, {}, { audit: [entry('a', { at: '2026-01-01T02:00:00+02:00' })] });
    expect(await keysOf(store, ledger, { from: EPOCH_START, until: EPOCH_START + 1 })).toEqual([
      'a',
    ]);
  });

  test('can be filtered by any combination, newest first, page by page', async () => {
    const { store } = opened();
    await fc.assert(
      fc.asyncProperty(fc.array(drafts, { maxLength: 25 }), queries, async (log, query) => {
        const ledger = newLedger();
        for (const draft of log) await write(store, ledger, {}, { audit: [draft] });
        const all = await auditOf(store, ledger, { limit: 100 });
        expect(await pagesOf(store, ledger, query)).toEqual(all.filter(matches(query)));
      }),
      { numRuns: 60 },
    );
  });
};

const ACTIONS: readonly AuditAction[] = ['flag.create', 'flag.update', 'segment.delete'];

const drafts: fc.Arbitrary<AuditDraft> = fc
  .record({
    second: fc.integer({ min: 0, max: 5 }),
    actor: fc.record({
      kind: fc.constantFrom('key', 'person'),
      id: fc.constantFrom('k1', 'k2', 'Ada'),
      name: fc.constantFrom('Ada', 'Bo'),
      onBehalfOf: fc.constantFrom('Ada', 'Cy'),
    }),
    action: fc.constantFrom(...ACTIONS),
    kind: fc.constantFrom('flag' as const, 'segment' as const),
    key: fc.constantFrom('a', 'b', 'a.b'),
  })
  .map(({ second, key, ...rest }) => entry(key, { ...rest, at: at(second) }));

const optional = <Value>(arbitrary: fc.Arbitrary<Value>) =>
  fc.option(arbitrary, { nil: undefined });
const instants = fc.integer({ min: -1, max: 6 }).map(second => EPOCH_START + second * 1_000);

const queries: fc.Arbitrary<AuditQuery> = fc.record({
  limit: fc.integer({ min: 1, max: 7 }),
  kind: optional(fc.constantFrom('flag' as const, 'segment' as const)),
  key: optional(fc.constantFrom('a', 'b', 'a.b', 'unknown')),
  actor: optional(fc.constantFrom('k1', 'Ada', 'Bo')),
  onBehalfOf: optional(fc.constantFrom('Ada', 'Cy', 'k1')),
  action: optional(fc.constantFrom(...ACTIONS)),
  from: optional(instants),
  until: optional(instants),
});

const matches =
  ({ kind, key, actor, onBehalfOf, action, from, until }: AuditQuery) =>
  (each: AuditEntry): boolean =>
    (kind === undefined || each.kind === kind) &&
    (key === undefined || each.key === key) &&
    (actor === undefined || each.actor.id === actor || each.actor.name === actor) &&
    (onBehalfOf === undefined || each.actor.onBehalfOf === onBehalfOf) &&
    (action === undefined || each.action === action) &&
    (from === undefined || Date.parse(each.at) >= from) &&
    (until === undefined || Date.parse(each.at) < until);

const pagesOf = async (store: Store, ledger: Ledger, query: AuditQuery) => {
  const all: AuditEntry[] = [];
  for (;;) {
    const page = await auditOf(store, ledger, { ...query, before: all.at(-1)?.id });
    expect(page.length).toBeLessThanOrEqual(query.limit);
    if (page.length === 0) return all;
    all.push(...page);
  }
};

const describeReading = (opened: () => OpenedStore): void => {
  test('is searched for the positions of entries, which are read by their ids in any order', async () => {
    const { store } = opened();
    const ledger = newLedger();
    const audit = [1, 2, 3].map(second => entry(`at${second}`, { at: at(second) }));
    await write(store, ledger, {}, { audit });
    const positions = await store.findAudit(ledger, { limit: 2 });
    expect(positions.map(position => position.at)).toEqual([at(3), at(2)]);
    const ids = positions.map(({ id }) => id).toReversed();
    expect((await store.auditEntries(ledger, ids)).map(({ key }) => key)).toEqual(['at2', 'at3']);
  });

  test('leaves out ids that do not exist, and those of other ledgers', async () => {
    const { store } = opened();
    const [ledger, other] = [newLedger(), newLedger()];
    await write(store, ledger, {}, { audit: [entry('a')] });
    const [position] = await store.findAudit(ledger, { limit: 1 });
    const id = position?.id ?? '';
    const ids = ['', 'nonsense', '999', '999-0', id];
    expect((await store.auditEntries(ledger, ids)).map(({ key }) => key)).toEqual(['a']);
    expect(await store.auditEntries(ledger, [])).toEqual([]);
    expect(await store.auditEntries(other, ids)).toEqual([]);
  });

  test('reads large entries a few at a time, at least one', async () => {
    const { store } = opened();
    const ledger = newLedger();
    const text = 'x'.repeat(AUDIT_BYTES / 2 - 1_000);
    const large = ['a', 'b', 'c', 'd'].map(key => entry(key, { after: { text } }));
    const huge = entry('huge', { after: { text: text.repeat(3) } });
    await write(store, ledger, {}, { audit: [...large, huge] });
    const ids = (await store.findAudit(ledger, { limit: 9 })).map(({ id }) => id);
    const read = async (some: readonly string[]) =>
      (await store.auditEntries(ledger, some)).map(({ key }) => key);
    expect(await read(ids)).toEqual(['huge']);
    expect(await read(ids.slice(1))).toEqual(['d', 'c']);
  });

  test('of the control ledger can be filtered by environment', async () => {
    const { store } = opened();
    const audit = ['one', 'two', 'one'].map((environment, index) =>
      entry(`${environment}${index}`, { kind: 'key', action: 'key.create', environment }),
    );
    await write(store, CONTROL_LEDGER, {}, { audit });
    const query = { kind: 'key', environment: 'one', limit: 9 } as const;
    const found = await auditOf(store, CONTROL_LEDGER, query);
    expect(found.map(({ key }) => key)).toEqual(['one2', 'one0']);
  });
};

const describePaging = (opened: () => OpenedStore): void => {
  test('can be paged without loss or repetition while entries are added', async () => {
    const { store } = opened();
    const ledger = newLedger();
    const append = (key: string) => write(store, ledger, {}, { audit: [entry(key)] });
    for (let i = 0; i < 30; i += 1) await append(`old${i}`);
    const adding = (async () => {
      for (let i = 0; i < 60; i += 1) await append(`new${i}`);
    })();
    const [all] = await Promise.all([pagesOf(store, ledger, { limit: 4 }), adding]);
    const keys = all.map(({ key }) => key);
    expect(keys.filter(key => key.startsWith('old'))).toEqual(
      Array.from({ length: 30 }, (_, i) => `old${29 - i}`),
    );
    expect(new Set(keys).size).toBe(keys.length);
  });

  test('returns nothing before its oldest entry or before an unknown id', async () => {
    const { store } = opened();
    const ledger = newLedger();
    await write(store, ledger, {}, { audit: [entry('a'), entry('b')] });
    const oldest = (await auditOf(store, ledger, { limit: 10 })).at(-1)?.id;
    expect(await auditOf(store, ledger, { limit: 10, before: oldest })).toEqual([]);
    for (const before of ['', 'nonsense', '-1', '1e9', '0x10', '1; --'])
      expect(await auditOf(store, ledger, { limit: 10, before })).toEqual([]);
  });
};
