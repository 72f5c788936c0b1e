/** Leads from an earlier or other map to a newer one: what differs there; null if there is no entry. */
type Link<Value> = {
  readonly map: PersistentMap<Value>;
  readonly changes: ReadonlyMap<string, Value | null>;
};

/** More new and removed keys than this are sorted again together with all others. */
const MAX_SPLICED_KEYS = 32;

/** A native map is copied after as many changes as it has entries, but not before this number. */
const MIN_CHANGES_PER_COPY = 64;

/** Returns the index of the first of these sorted keys that is not less than `key`. */
export const indexOfKey = (keys: readonly string[], key: string): number => {
  let [low, high] = [0, keys.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((keys[middle] ?? '') < key) low = middle + 1;
    else high = middle;
  }
  return low;
};

/** Sets the entries, or removes those that are null. Returns what they were before. */
const exchange = <Value>(
  entries: Map<string, Value>,
  changes: Iterable<readonly [string, Value | null]>,
): ReadonlyMap<string, Value | null> => {
  const before = new Map<string, Value | null>();
  for (const [key, value] of changes) {
    if (!before.has(key)) before.set(key, entries.get(key) ?? null);
    if (value === null) entries.delete(key);
    else entries.set(key, value);
  }
  return before;
};

/** Returns the sorted keys after a change, which `entries` already have, or undefined if that is not cheap. */
const keysAfter = <Value>(
  keys: readonly string[] | undefined,
  entries: ReadonlyMap<string, Value>,
  before: ReadonlyMap<string, Value | null>,
): readonly string[] | undefined => {
  let sorted = keys;
  let spliced = 0;
  for (const [key, value] of before) {
    const exists = entries.has(key);
    if (sorted === undefined || exists === (value !== null)) continue;
    spliced += 1;
    if (spliced > MAX_SPLICED_KEYS) return undefined;
    const index = indexOfKey(sorted, key);
    sorted = exists ? sorted.toSpliced(index, 0, key) : sorted.toSpliced(index, 1);
  }
  return sorted && Object.freeze(sorted);
};

/**
 * An immutable map in the order of its keys. A map that is made from another one by a few changes costs only
 * these: both share one native map, which has the entries of the newest. Each other map has a link that leads
 * there, by Baker's method, so reading it takes one look-up more for each change since. After as many changes as
 * there are entries, the next map starts with a copy: a map that is kept for long then refers to no later ones.
 */
export class PersistentMap<Value> implements ReadonlyMap<string, Value> {
  readonly #entries: Map<string, Value>;
  /** Undefined for the map with exactly the entries of the native map. */
  #link: Link<Value> | undefined;
  #keys: readonly string[] | undefined;
  /** How many entries have changed since the native map was created. */
  readonly #age: number;
  readonly size: number;

  private constructor(entries: Map<string, Value>, keys?: readonly string[], age = 0) {
    this.#entries = entries;
    this.#keys = keys;
    this.#age = age;
    this.size = entries.size;
  }

  /** Returns a map with a copy of these entries. */
  static from<Value>(entries: Iterable<readonly [string, Value]>): PersistentMap<Value> {
    return new PersistentMap(new Map(entries));
  }

  get(key: string): Value | undefined {
    return this.#link === undefined ? this.#entries.get(key) : this.#linkedValue(key);
  }

  has(key: string): boolean {
    return this.get(key) !== undefined;
  }

  /** Returns a map with these entries in place of the current ones; null removes an entry. */
  with(changes: Iterable<readonly [string, Value | null]>): PersistentMap<Value> {
    this.#makeNewest();
    const isCopied = this.#age >= Math.max(MIN_CHANGES_PER_COPY, this.size);
    const entries = isCopied ? new Map(this.#entries) : this.#entries;
    const before = exchange(entries, changes);
    if (before.size === 0) return this;
    const age = isCopied ? 0 : this.#age + before.size;
    const next = new PersistentMap(entries, keysAfter(this.#keys, entries, before), age);
    if (!isCopied) this.#link = { map: next, changes: before };
    return next;
  }

  /** Returns all keys, sorted. */
  keyList(): readonly string[] {
    if (this.#keys === undefined) {
      this.#makeNewest();
      this.#keys = Object.freeze([...this.#entries.keys()].toSorted());
    }
    return this.#keys;
  }

  /** Returns the keys greater than `after`, sorted. */
  keysAfter(after: string): readonly string[] {
    const keys = this.keyList();
    const index = indexOfKey(keys, after);
    return keys.slice(keys[index] === after ? index + 1 : index);
  }

  keys(): MapIterator<string> {
    return this.keyList()[Symbol.iterator]();
  }

  *entries(): MapIterator<[string, Value]> {
    for (const key of this.keyList()) {
      const value = this.get(key);
      if (value !== undefined) yield [key, value];
    }
  }

  *values(): MapIterator<Value> {
    for (const [, value] of this.entries()) yield value;
  }

  [Symbol.iterator](): MapIterator<[string, Value]> {
    return this.entries();
  }

  forEach(visit: (value: Value, key: string, map: ReadonlyMap<string, Value>) => void): void {
    for (const [key, value] of this.entries()) visit(value, key, this);
  }

  /** Returns an object without a prototype, so that `__proto__` is an ordinary name. */
  toJSON(): Readonly<Record<string, Value>> {
    const object: Record<string, Value> = {};
    Object.setPrototypeOf(object, null);
    for (const [key, value] of this.entries()) object[key] = value;
    return object;
  }

  #linkedValue(key: string): Value | undefined {
    let link = this.#link;
    while (link !== undefined) {
      const value = link.changes.get(key);
      if (value !== undefined) return value ?? undefined;
      link = link.map.#link;
    }
    return this.#entries.get(key);
  }

  /** Makes the native map have the entries of this map, by reversing the links that lead from it to the newest. */
  #makeNewest(): void {
    const later: PersistentMap<Value>[] = [];
    for (let link = this.#link; link !== undefined; link = link.map.#link) later.push(link.map);
    for (const map of later.toReversed()) map.#reverseLink();
    this.#reverseLink();
  }

  #reverseLink(): void {
    if (this.#link === undefined) return;
    const { map, changes } = this.#link;
    map.#link = { map: this, changes: exchange(this.#entries, changes) };
    this.#link = undefined;
  }
}
