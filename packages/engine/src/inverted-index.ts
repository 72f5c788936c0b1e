import { indexOfKey, PersistentMap } from './persistent-map.ts';
import { runAtOnce, type Steps } from './steps.ts';

/** Definitions by key, which are never modified. */
type Indexed<Definition> = {
  readonly get: (key: string) => Definition | undefined;
  readonly keyList: () => readonly string[];
};

/** The keys of the definitions that have each term, sorted. */
type KeysByTerm = PersistentMap<readonly string[]>;

type Terms<Definition> = (definition: Definition | undefined) => readonly string[];

/** Finds definitions by a term that they have, such as the key of a flag that they refer to. */
export type InvertedIndex<Definition> = {
  /** Returns the keys of the definitions with the term, sorted. Indexes all definitions on the first call. */
  readonly keysWith: (definitions: Indexed<Definition>, term: string) => readonly string[];
  /** Indexes all definitions, unless they are indexed, in steps of one definition each. */
  readonly index: (definitions: Indexed<Definition>) => Steps<void>;
  /**
   * Indexes `next` by what differs from `previous`, if that is indexed, in steps of one definition each. `changed`
   * has the keys of all definitions that differ.
   */
  readonly carry: (
    previous: Indexed<Definition>,
    next: Indexed<Definition>,
    changed: ReadonlySet<string>,
  ) => Steps<void>;
};

function* indexAll<Definition>(
  definitions: Indexed<Definition>,
  termsOf: Terms<Definition>,
): Steps<KeysByTerm> {
  const byTerm = new Map<string, string[]>();
  for (const key of definitions.keyList().toSorted()) {
    for (const term of termsOf(definitions.get(key))) {
      const keys = byTerm.get(term);
      if (keys === undefined) byTerm.set(term, [key]);
      else keys.push(key);
    }
    yield;
  }
  return PersistentMap.from(byTerm);
}

const withKey = (keys: readonly string[], key: string): readonly string[] =>
  keys.toSpliced(indexOfKey(keys, key), 0, key);

const withoutKey = (keys: readonly string[], key: string): readonly string[] | null =>
  keys.length === 1 ? null : keys.toSpliced(indexOfKey(keys, key), 1);

/** Returns an index of terms, of which a definition has each at most once. */
export const createInvertedIndex = <Definition>(
  termsOf: Terms<Definition>,
): InvertedIndex<Definition> => {
  const known = new WeakMap<object, KeysByTerm>();

  function* index(definitions: Indexed<Definition>): Steps<void> {
    if (!known.has(definitions)) known.set(definitions, yield* indexAll(definitions, termsOf));
  }

  const indexOf = (definitions: Indexed<Definition>): KeysByTerm | undefined => {
    if (!known.has(definitions)) runAtOnce(index(definitions));
    return known.get(definitions);
  };

  function* carry(
    previous: Indexed<Definition>,
    next: Indexed<Definition>,
    changed: ReadonlySet<string>,
  ): Steps<void> {
    let byTerm = known.get(previous);
    if (byTerm === undefined || known.has(next)) return;
    for (const key of changed) {
      const [before, after] = [termsOf(previous.get(key)), termsOf(next.get(key))];
      const entries = new Map<string, readonly string[] | null>();
      for (const term of before)
        if (!after.includes(term)) entries.set(term, withoutKey(byTerm.get(term) ?? [key], key));
      for (const term of after)
        if (!before.includes(term)) entries.set(term, withKey(byTerm.get(term) ?? [], key));
      byTerm = byTerm.with(entries);
      yield;
    }
    known.set(next, byTerm);
  }

  return {
    keysWith: (definitions, term) => indexOf(definitions)?.get(term) ?? [],
    index,
    carry,
  };
};
