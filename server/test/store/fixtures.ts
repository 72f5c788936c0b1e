import type { AuditEntry, Flag, Segment } from '@pennon/schema';

import type { ChangeId } from '../../src/store/change-id.ts';
import type {
  AuditDraft,
  AuditQuery,
  Change,
  Commit,
  EnvironmentDocument,
  KeyDocument,
  Ledger,
  LedgerKind,
  Store,
  Writes,
} from '../../src/store/store.ts';

export const EPOCH_START = Date.parse('2026-01-01T00:00:00.000Z');
export const at = (second: number): string => new Date(EPOCH_START + second * 1_000).toISOString();

/** A ledger that no other test uses. */
let ledgers = 0;
export const newLedger = (): Ledger<'flagSet'> => {
  ledgers += 1;
  return { kind: 'flagSet', id: `ledger${ledgers}` };
};

export const flag = (key: string, change: Partial<Flag> = {}): Flag => ({
  key,
  type: 'boolean',
  enabled: true,
  variants: { on: true, off: false },
  defaultVariant: 'off',
  rules: [],
  seed: key,
  clientVisible: false,
  metadata: {},
  version: 1,
  createdAt: at(0),
  updatedAt: at(0),
  ...change,
});

export const segment = (key: string): Segment => ({
  key,
  conditions: [{ attribute: 'plan', operator: 'equals', value: 'pro' }],
  version: 1,
  createdAt: at(0),
  updatedAt: at(0),
});

export const environment = (key: string): EnvironmentDocument => ({
  key,
  createdAt: at(0),
  ledger: `ledger-of-${key}`,
});

export const apiKey = (id: string): KeyDocument => ({
  id,
  name: `key ${id}`,
  role: 'editor',
  environment: '*',
  createdAt: at(0),
  hash: 'f00d'.repeat(16),
});

export const entry = (key: string, change: Partial<AuditDraft> = {}): AuditDraft => ({
  at: at(0),
  actor: { kind: 'key', id: 'key-1', name: 'Ada' },
  action: 'flag.create',
  environment: 'production',
  kind: 'flag',
  key,
  before: null,
  after: { key },
  ...change,
});

/** Writes these flags. */
export const flags = (...all: Flag[]): Writes<'flagSet'> => ({
  flags: new Map(all.map(each => [each.key, each])),
});

export const removal = (...keys: string[]): Writes<'flagSet'> => ({
  flags: new Map(keys.map(key => [key, null])),
});

/** Commits to the current state of the ledger; must succeed. */
export const write = async <Kind extends LedgerKind>(
  store: Store,
  ledger: Ledger<Kind>,
  writes: Writes<Kind>,
  more: Partial<Commit<Kind>> = {},
): Promise<Change<Kind>> => {
  const expect = more.expect ?? (await store.head(ledger)) ?? 'none';
  const outcome = await store.commit(ledger, { expect, writes, audit: [], ...more });
  if (outcome.committed) return outcome.change;
  throw new Error(`rejected: the ledger is at ${outcome.actual}, not at ${expect}`);
};

/** Commits, which must be rejected. Returns the id that the ledger has. */
export const rejected = async <Kind extends LedgerKind>(
  store: Store,
  ledger: Ledger<Kind>,
  commit: Commit<Kind>,
): Promise<ChangeId | 'none'> => {
  const outcome = await store.commit(ledger, commit);
  if (!outcome.committed) return outcome.actual;
  throw new Error(`committed as ${outcome.change.id}, though ${commit.expect} was expected`);
};

export const neverAborted = (): AbortSignal => new AbortController().signal;

/** Reads `count` items of a feed and stops. */
export const take = async <Item>(items: AsyncIterable<Item>, count: number): Promise<Item[]> => {
  const taken: Item[] = [];
  for await (const item of items) if (taken.push(item) === count) break;
  return taken;
};

const ENTRIES_PER_CALL = 200;

/** Returns whole entries of the audit log, newest first. */
export const auditOf = async (
  store: Store,
  ledger: Ledger,
  query: AuditQuery,
): Promise<AuditEntry[]> => {
  const ids = (await store.findAudit(ledger, query)).map(({ id }) => id);
  const entries: AuditEntry[] = [];
  while (entries.length < ids.length) {
    const next = ids.slice(entries.length, entries.length + ENTRIES_PER_CALL);
    const part = await store.auditEntries(ledger, next);
    if (part.length === 0) throw new Error('an entry that was found does not exist');
    entries.push(...part);
  }
  return entries;
};

/** Everything in a ledger, as nested lists that are easy to compare and to read in a failure. */
export const contents = async <Kind extends LedgerKind>(store: Store, ledger: Ledger<Kind>) => {
  const snapshot = await store.read(ledger);
  if (snapshot === undefined) return undefined;
  const collections: [string, ReadonlyMap<string, unknown>][] = Object.entries(snapshot.records);
  return {
    id: snapshot.id,
    records: collections
      .flatMap(([collection, records]) =>
        [...records].map(([key, stored]) => [`${collection}/${key}`, stored] as const),
      )
      .toSorted(([a], [b]) => (a < b ? -1 : 1)),
    audit: await auditOf(store, ledger, { limit: 1_000 }),
  };
};
