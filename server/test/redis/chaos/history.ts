import { expect } from 'vitest';

import { revisionOf } from '../../../src/store/change-id.ts';
import { CONTROL_LEDGER, type Ledger, type Store } from '../../../src/store/store.ts';
import { openStore } from '../store.ts';
import type { Follower } from './followers.ts';

export type History = {
  /** Whoever went back so far to older data did so because Redis had lost what they had. */
  expectNoWayBack(): Promise<void>;
  /** The longest unbroken history that was looked at. */
  longest(): number;
};

/**
 * What Redis holds of the past of each environment: changes that its feed has, had before, or that any
 * follower was told. A follower that has left one of these for an older one was sent back in time.
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

  const look = async (store: Store, environment: string) => {
    const ledger = await ledgerOf(store, environment);
    const last = (await store.head(ledger)) ?? '';
    const mine = followers.filter(follower => follower.environment === environment);
    const so = mine.map(({ ids }) => [...ids]);
    for (const [id, previous] of await fedLinks(store, ledger, last)) links.set(id, previous);
    for (const { links: told } of mine) for (const [id, previous] of told) links.set(id, previous);
    const past = pastOf(last);
    longest = Math.max(longest, past.size);
    expect(
      so.flatMap(ids => waysBack(ids, past)),
      `ways back in ${environment}`,
    ).toEqual([]);
  };

  return {
    longest: () => longest,
    async expectNoWayBack() {
      const store = await openStore(url);
      try {
        for (const environment of environments) await look(store, environment);
      } finally {
        await store.close();
      }
    },
  };
};

/** Where an environment's flags are; the name of the ledger changes when all data is lost. */
export const ledgerOf = async (store: Store, environment: string): Promise<Ledger<'flagSet'>> => {
  const control = await store.read(CONTROL_LEDGER);
  const record = control?.records.environments.get(environment)?.document;
  if (record === undefined) throw new Error(`Redis does not have ${environment}`);
  return { kind: 'flagSet', id: record.ledger };
};

/** Changes that the feed still has up to this one: id → the id before. */
const fedLinks = async (
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

const waysBack = (ids: readonly string[], past: ReadonlySet<string>): string[] =>
  ids.flatMap((id, i) => {
    const before = ids[i - 1];
    if (before === undefined || revisionOf(id) >= revisionOf(before)) return [];
    return past.has(before) ? [`${before} → ${id}`] : [];
  });
