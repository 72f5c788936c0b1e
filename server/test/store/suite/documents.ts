import type { Flag, JsonValue } from '@pennon/schema';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import type { Store } from '../../../src/store/store.ts';
import {
  auditOf,
  contents,
  entry,
  flag,
  flags,
  newLedger,
  removal,
  segment,
  write,
} from '../fixtures.ts';
import type { OpenedStore } from '../suite.ts';

export const describeDocuments = (opened: () => OpenedStore): void => {
  describe('a document', () => {
    describeReading(opened);
    describeTexts(opened);
  });
  describe('dropping a ledger', () => {
    describeDrop(opened);
  });
};

const describeReading = (opened: () => OpenedStore): void => {
  test('that does not exist, or whose ledger does not exist, is undefined', async () => {
    const { store } = opened();
    const ledger = newLedger();
    expect(await store.get(ledger, 'flags', 'a')).toBeUndefined();
    expect(await store.head(ledger)).toBeUndefined();
    expect(await store.read(ledger)).toBeUndefined();
    await write(store, ledger, flags(flag('b')));
    expect(await store.get(ledger, 'flags', 'a')).toBeUndefined();
    expect(await store.get(ledger, 'flags', 'B')).toBeUndefined();
  });

  test('is found in its own collection only', async () => {
    const { store } = opened();
    const ledger = newLedger();
    await write(store, ledger, { segments: new Map([['same', segment('same')]]) });
    expect(await store.get(ledger, 'flags', 'same')).toBeUndefined();
    await write(store, ledger, flags(flag('same')));
    await write(store, ledger, removal('same'));
    expect((await store.get(ledger, 'segments', 'same'))?.document).toEqual(segment('same'));
  });

  test('is not affected by modifications of the object that was written or read', async () => {
    const { store } = opened();
    const ledger = newLedger();
    const mine = flag('a');
    await write(store, ledger, flags(mine));
    mine.enabled = false;
    const read = await store.get(ledger, 'flags', 'a');
    if (read !== undefined) read.document.enabled = false;
    expect((await store.get(ledger, 'flags', 'a'))?.document.enabled).toBe(true);
  });
};

const KEYS = [
  'constructor',
  '__proto__',
  'toString',
  'hasOwnProperty',
  'a.b',
  'a',
  'A',
  'a-b',
  'a_b',
  '0',
  '00',
  '10',
  '9',
  'none',
  'null',
  'é',
  '한국',
  '😀',
  '\uFFFD',
  '%',
  '*',
  '[a]',
  'a:b',
  'x'.repeat(100),
];

/** Any JSON value. */
const json: fc.Arbitrary<JsonValue> = fc
  .json({ maxDepth: 6, stringUnit: 'binary' })
  .map(text => JSON.parse(text));

const describeTexts = (opened: () => OpenedStore): void => {
  test('may have any key', async () => {
    const { store } = opened();
    const ledger = newLedger();
    const { id } = await write(store, ledger, flags(...KEYS.map(key => flag(key))));
    for (const key of KEYS)
      expect(await store.get(ledger, 'flags', key)).toEqual({ document: flag(key), changeId: id });
    expect(new Set((await store.read(ledger))?.records.flags.keys())).toEqual(new Set(KEYS));
    await write(store, ledger, removal(...KEYS));
    expect((await contents(store, ledger))?.records).toEqual([]);
  });

  test('is returned as it was written, for any JSON', async () => {
    const { store } = opened();
    const ledger = newLedger();
    await fc.assert(
      fc.asyncProperty(json, async value => {
        const document = flag('a', { type: 'object', variants: { on: { value } } });
        await write(store, ledger, flags(document));
        await expectStored(store, ledger, document);
      }),
      { numRuns: 100 },
    );
  });

  test.each([
    ['emoji and other scripts', 'Größe 尺寸 📏👩‍🚀'],
    ['a lone surrogate', 'half \ud83d a pair'],
    ['control characters', 'a\u0000b\u0001c\u2028\u2029'],
    ['quotes and backslashes', `'"\\ -- ; DROP TABLE`],
    ['composed and decomposed letters', 'é e\u0301'],
  ])('preserves %s', async (_, text) => {
    const { store } = opened();
    const ledger = newLedger();
    const document = flag('a', { description: text, metadata: { [text]: text } });
    await write(store, ledger, flags(document), { audit: [entry('a', { after: { text } })] });
    await expectStored(store, ledger, document);
    expect((await auditOf(store, ledger, { limit: 1 }))[0]?.after).toEqual({ text });
  });

  test('preserves an own property called __proto__', async () => {
    const { store } = opened();
    const ledger = newLedger();
    const value: Flag['variants'] = JSON.parse('{"on": {"__proto__": {"a": 1}, "constructor": 2}}');
    const document = flag('a', { type: 'object', variants: value });
    const change = await write(store, ledger, flags(document));
    await expectStored(store, ledger, document);
    expect(JSON.stringify(change.writes.flags?.get('a'))).toBe(JSON.stringify(document));
  });

  test('may be 512 KiB large, and a commit may contain many of them', async () => {
    const { store } = opened();
    const ledger = newLedger();
    const documents = Array.from({ length: 8 }, (_, i) => large(`large${i}`));
    expect(Buffer.byteLength(JSON.stringify(documents[0]))).toBeGreaterThan(512 * 1024);
    await write(store, ledger, flags(...documents), {
      audit: documents.map(each => entry(each.key, { after: JSON.parse(JSON.stringify(each)) })),
    });
    const records = (await store.read(ledger))?.records.flags;
    for (const each of documents) expect(records?.get(each.key)?.document).toEqual(each);
    expect((await auditOf(store, ledger, { limit: 8 })).map(({ after }) => after)).toEqual(
      documents.toReversed(),
    );
  });
};

const large = (key: string): Flag =>
  flag(key, {
    type: 'string',
    variants: Object.fromEntries(
      Array.from({ length: 8 }, (_, i) => [`v${i}`, `${i}😀`.repeat(13_200)]),
    ),
  });

const expectStored = async (store: Store, ledger: ReturnType<typeof newLedger>, document: Flag) => {
  const text = JSON.stringify(document);
  const read = (await store.read(ledger))?.records.flags.get(document.key);
  expect(JSON.stringify(read?.document)).toBe(text);
  const got = await store.get(ledger, 'flags', document.key);
  expect(JSON.stringify(got?.document)).toBe(text);
};

const describeDrop = (opened: () => OpenedStore): void => {
  test('removes its documents, id and audit log, and nothing else', async () => {
    const { store } = opened();
    const [ledger, other] = [newLedger(), newLedger()];
    for (const each of [ledger, other])
      await write(store, each, flags(flag('a')), { audit: [entry('a')] });
    const before = await contents(store, other);
    await store.drop(ledger);
    expect(await store.read(ledger)).toBeUndefined();
    expect(await store.head(ledger)).toBeUndefined();
    expect(await store.get(ledger, 'flags', 'a')).toBeUndefined();
    expect(await auditOf(store, ledger, { limit: 9 })).toEqual([]);
    expect(await contents(store, other)).toEqual(before);
  });

  test('that does not exist does nothing', async () => {
    const { store } = opened();
    const ledger = newLedger();
    await store.drop(ledger);
    await write(store, ledger, {});
    await store.drop(ledger);
    await store.drop(ledger);
    expect(await store.head(ledger)).toBeUndefined();
  });

  test('leaves nothing behind for a new ledger with the same id', async () => {
    const { store } = opened();
    const ledger = newLedger();
    await write(store, ledger, flags(flag('old')), { audit: [entry('old')] });
    await store.drop(ledger);
    const { id } = await write(store, ledger, flags(flag('new')));
    expect(await contents(store, ledger)).toMatchObject({
      id,
      records: [['flags/new', {}]],
      audit: [],
    });
  });
};
