import { expect } from 'vitest';

import { revisionOf } from '../../../src/store/change-id.ts';
import { CONTROL_LEDGER, type Ledger, type Store } from '../../../src/store/store.ts';
import { openStore } from '../store.ts';
import type { Follower } from './followers.ts';

export type History = {
  /** Expects that followers went back to older data only if Redis had lost the newer data. */
  expectNoRollback(): Promise<void>;
  /** The length of the longest history without a gap. */
  longest(): number;
};

/**
 * The history of each environment in Redis: changes that its feed has or had, or that a follower has
 * received. A follower that went from one of these to an older one received old data.
 */
export const openHistory = (
  url: string,
  environments: readonly string[],
  followers: readonly Follower[],
): History => {
  const links = new Map<string, string>();
  let longest = 0;

  const pastOf = (last: string): ReadonlySet<string> => {
    const past = new Set<string>();
    for (let id: string | undefined = last; id !== undefined; id = links.get(id)) past.add(id);
    return past;
  };

  const check = async (store: Store, environment: string) => {
    const ledger = await ledgerOf(store, environment);
    const last = (await store.head(ledger)) ?? '';
    const mine = followers.filter(follower => follower.environment === environment);
    const idsByFollower = mine.map(({ ids }) => [...ids]);
    for (const [id, previous] of await linksInFeed(store, ledger, last)) links.set(id, previous);
    for (const { links: received } of mine)
      for (const [id, previous] of received) links.set(id, previous);
    const past = pastOf(last);
    longest = Math.max(longest, past.size);
    expect(
      idsByFollower.flatMap(ids => rollbacks(ids, past)),
      `rollbacks in ${environment}`,
    ).toEqual([]);
  };

  return {
    longest: () => longest,
    async expectNoRollback() {
      const store = await openStore(url);
      try {
        for (const environment of environments) await check(store, environment);
      } finally {
        await store.close();
      }
    },
  };
};

/** Returns the ledger of an environment. It changes when all data is lost and restored. */
export const ledgerOf = async (store: Store, environment: string): Promise<Ledger<'flagSet'>> => {
  const control = await store.read(CONTROL_LEDGER);
  const record = control?.records.environments.get(environment)?.document;
  if (record === undefined) throw new Error(`Redis does not have ${environment}`);
  return { kind: 'flagSet', id: record.ledger };
};

/** Returns the changes in the feed up to this one: id → previous id. */
const linksInFeed = async (
  store: Store,
  ledger: Ledger<'flagSet'>,
  last: string,
): Promise<ReadonlyMap<string, string>> => {
  const links = new Map<string, string>();
  const enough = new AbortController();
  for await (const { id, previous } of store.follow(ledger, 'none', enough.signal)) {
    links.set(id, previous);
    if (revisionOf(id) >= revisionOf(last)) break;
  }
  return links;
};

const rollbacks = (ids: readonly string[], past: ReadonlySet<string>): string[] =>
  ids.flatMap((id, i) => {
    const before = ids[i - 1];
    if (before === undefined || revisionOf(id) >= revisionOf(before)) return [];
    return past.has(before) ? [`${before} → ${id}`] : [];
  });
