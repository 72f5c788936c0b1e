import fc from 'fast-check';
import { expect, test } from 'vitest';

import { parseChangeId, type ChangeId } from '../../../src/store/change-id.ts';
import type {
  AuditDraft,
  Commit,
  Ledger,
  Store,
  Version,
  Writes,
} from '../../../src/store/store.ts';
import { contents, entry, flag, neverAborted, newLedger, segment, take } from '../fixtures.ts';
import type { OpenedStore } from '../suite.ts';

/** The simplest possible ledger. The store must agree with it after every step. */
type Model = {
  readonly ledger: Ledger<'flagSet'>;
  id: ChangeId | 'none';
  records: Map<string, { document: unknown; changeId: ChangeId }>;
  /** By collection, key and number. */
  versions: Map<string, Version<{ key: string; version: number }>>;
  audit: (AuditDraft & { revision: number })[];
  /** All ids that the ledger has had. */
  readonly past: ChangeId[];
};

type CommitStep = {
  readonly type: 'commit';
  /** Which id the writer expects: the last one, an older one, or none. */
  readonly knows: 'last' | 'older' | 'none';
  readonly commit: Omit<Commit<'flagSet'>, 'expect'>;
};
type Step = CommitStep | { readonly type: 'drop' } | { readonly type: 'reopen' };

export const describeModel = (opened: () => OpenedStore): void => {
  test('a store agrees with a simple model after every step of any sequence', async () => {
    let { store } = opened();
    const perform = async (model: Model, step: Step) => {
      if (step.type === 'commit') await commit(store, model, step);
      else if (step.type === 'drop') await drop(store, model);
      else store = await opened().reopen();
      await expectAgreement(store, model);
    };
    await fc.assert(
      fc.asyncProperty(fc.array(steps, { minLength: 1, maxLength: 20 }), async sequence => {
        const model = newModel();
        for (const step of sequence) await perform(model, step);
      }),
      { numRuns: 60 },
    );
  });
};

const newModel = (): Model => ({
  ledger: newLedger(),
  id: 'none',
  records: new Map(),
  versions: new Map(),
  audit: [],
  past: [],
});

const commit = async (store: Store, model: Model, { knows, commit: attempted }: CommitStep) => {
  const older = model.past.at(-2) ?? 'none';
  const expected = { last: model.id, older, none: 'none' }[knows];
  const changes = store.follow(model.ledger, model.id, neverAborted());
  const outcome = await store.commit(model.ledger, {
    ...attempted,
    versions: versionsIn(attempted.writes),
    expect: expected,
  });
  expect(outcome.committed).toBe(expected === model.id);
  if (!outcome.committed) return expect(outcome.actual).toBe(model.id);
  expect(outcome.change.previous).toBe(model.id);
  expect(await take(changes, 1)).toEqual([outcome.change]);
  apply(model, outcome.change.id, attempted);
};

const apply = (model: Model, id: ChangeId, attempted: CommitStep['commit']): void => {
  const [was, is] = [parseChangeId(model.id), parseChangeId(id)];
  const revision = (was?.revision ?? 0) + 1;
  expect(is?.revision).toBe(revision);
  expect(is?.epoch === was?.epoch).toBe(was !== undefined && attempted.replaceAll !== true);
  expect(model.past).not.toContain(id);
  model.past.push(id);
  model.id = id;
  if (attempted.replaceAll === true) model.records.clear();
  for (const [name, documents] of Object.entries(attempted.writes))
    for (const [key, document] of documents)
      if (document === null) model.records.delete(`${name}/${key}`);
      else model.records.set(`${name}/${key}`, { document, changeId: id });
  for (const [collection, versions] of Object.entries(versionsIn(attempted.writes)))
    for (const version of versions) {
      const { key, version: number } = version.document;
      model.versions.set(`${collection}/${key}/${number}`, version);
    }
  model.audit.unshift(...attempted.audit.map(draft => ({ ...draft, revision })).toReversed());
};

const drop = async (store: Store, model: Model): Promise<void> => {
  await store.drop(model.ledger);
  model.id = 'none';
  model.records.clear();
  model.versions.clear();
  model.audit = [];
};

/** A version of each document that is written. */
const versionsIn = ({ flags = new Map(), segments = new Map() }: Writes<'flagSet'>) => ({
  flags: [...flags.values()].flatMap(document => document ?? []).map(versionOf),
  segments: [...segments.values()].flatMap(document => document ?? []).map(versionOf),
});

const versionOf = <Document>(document: Document): Version<Document> => {
  const { at, actor, action } = entry('any');
  return { at, actor, action, document };
};

const expectAgreement = async (store: Store, { ledger, id, records, versions, audit }: Model) => {
  const found = await contents(store, ledger);
  const sorted = [...records].toSorted(([a], [b]) => (a < b ? -1 : 1));
  const entries = audit.map(each => ({ ...each, id: expect.any(String) }));
  expect(found).toEqual(id === 'none' ? undefined : { id, records: sorted, audit: entries });
  expect(await store.head(ledger)).toBe(id === 'none' ? undefined : id);
  for (const key of KEYS) {
    expect(await store.get(ledger, 'segments', key)).toEqual(records.get(`segments/${key}`));
    const newestFirst = [9, 8, 7, 6, 5, 4, 3, 2, 1].flatMap(
      number => versions.get(`flags/${key}/${number}`) ?? [],
    );
    expect(await store.versions(ledger, 'flags', { key, limit: 10 })).toEqual(newestFirst);
  }
};

const KEYS = ['a', 'b', 'a.b', 'constructor', '__proto__'];

const mapOf = <Document>(make: (key: string, version: number) => Document) =>
  fc
    .uniqueArray(fc.tuple(fc.constantFrom(...KEYS), fc.option(fc.integer({ min: 1, max: 9 }))), {
      selector: ([key]) => key,
    })
    .map(
      all =>
        new Map(
          all.map(([key, version]) => [key, version === null ? null : make(key, version)] as const),
        ),
    );

const commits: fc.Arbitrary<CommitStep> = fc.record({
  type: fc.constant('commit'),
  knows: fc.constantFrom('last', 'last', 'last', 'last', 'older', 'none'),
  commit: fc.record({
    writes: fc.record(
      {
        flags: mapOf((key, version) => flag(key, { version })),
        segments: mapOf((key, version) => ({ ...segment(key), version })),
      },
      { requiredKeys: [] },
    ),
    audit: fc.array(
      fc.constantFrom(...KEYS).map(key => entry(key)),
      { maxLength: 3 },
    ),
    replaceAll: fc.boolean(),
  }),
});

const steps: fc.Arbitrary<Step> = fc.oneof(
  { weight: 20, arbitrary: commits },
  { weight: 2, arbitrary: fc.constant({ type: 'drop' }) },
  { weight: 1, arbitrary: fc.constant({ type: 'reopen' }) },
);
