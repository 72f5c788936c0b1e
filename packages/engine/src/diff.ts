import { readEnvelope, type Contents } from './envelope.ts';
import { isList, isObject, type RawObject } from './json.ts';
import { NO_REFERENCES, references } from './references.ts';

/** Flags and segments that were added, removed or replaced, by key. */
export type ChangedKeys = {
  readonly flags: ReadonlySet<string>;
  readonly segments: ReadonlySet<string>;
};

/** A flag, and what its conditions refer to. */
export type Dependent = {
  readonly key: string;
  readonly flags: Iterable<string>;
  readonly segments: Iterable<string>;
};

export type FlagSetDiff = {
  /** Keys that were added, removed or replaced, sorted. */
  readonly changed: { readonly flags: string[]; readonly segments: string[] };
  /** Keys of all flags that may have another result: changed and removed flags, and all that depend on a change. */
  readonly affected: string[];
};

/** Deeper values are never equal, so that no input overflows the stack. Well-formed flags are far below. */
const MAX_DEPTH = 64;

const isSameList = (a: readonly unknown[], b: readonly unknown[], depth: number): boolean =>
  a.length === b.length && a.every((item, at) => isSameJson(item, b[at], depth));

const isSameObject = (a: RawObject, b: RawObject, depth: number): boolean => {
  const names = Object.keys(a);
  if (names.length !== Object.keys(b).length) return false;
  for (const name of names)
    if (!Object.hasOwn(b, name) || !isSameJson(a[name], b[name], depth)) return false;
  return true;
};

/** Whether two values are the same JSON. The order of an object's names does not matter. */
const isSameJson = (a: unknown, b: unknown, depth = 0): boolean => {
  if (Object.is(a, b)) return true;
  if (depth === MAX_DEPTH) return false;
  if (isList(a)) return isList(b) && isSameList(a, b, depth + 1);
  return isObject(a) && isObject(b) && isSameObject(a, b, depth + 1);
};

/** Whether both have the same value under the name. The first comparison settles most flags of a large set. */
const isUnchanged = (previous: RawObject, next: RawObject, name: string): boolean => {
  const value = next[name];
  if (value !== undefined && previous[name] === value) return true;
  return Object.hasOwn(previous, name) && isSameJson(previous[name], value);
};

const changedNames = (previous: RawObject, next: RawObject): Set<string> => {
  const changed = new Set<string>();
  const names = Object.keys(next);
  let common = names.length;
  for (const name of names) {
    if (isUnchanged(previous, next, name)) continue;
    changed.add(name);
    if (!Object.hasOwn(previous, name)) common -= 1;
  }
  const before = Object.keys(previous);
  if (common === before.length) return changed;
  for (const name of before) if (!Object.hasOwn(next, name)) changed.add(name);
  return changed;
};

/** Finds the keys that were added, removed or replaced. Objects that both share are not compared further. */
export const changedKeys = (previous: Contents, next: Contents): ChangedKeys => ({
  flags: changedNames(previous.flags, next.flags),
  segments: changedNames(previous.segments, next.segments),
});

const hasAny = (keys: Iterable<string>, changed: ReadonlySet<string>): boolean => {
  for (const key of keys) if (changed.has(key)) return true;
  return false;
};

/** The flags that refer to each flag directly. */
const dependentsByFlag = (dependents: Iterable<Dependent>): ReadonlyMap<string, string[]> => {
  const byFlag = new Map<string, string[]>();
  for (const { key, flags } of dependents) {
    for (const flag of flags) {
      const known = byFlag.get(flag);
      if (known === undefined) byFlag.set(flag, [key]);
      else known.push(key);
    }
  }
  return byFlag;
};

/** Returns the changed flags and all that depend on them or on a changed segment, however far. */
export const closureOf = (
  dependents: readonly Dependent[],
  changed: ChangedKeys,
): ReadonlySet<string> => {
  const byFlag = dependentsByFlag(dependents);
  const reached = new Set(changed.flags);
  for (const { key, segments } of dependents)
    if (hasAny(segments, changed.segments)) reached.add(key);
  // The loop also visits keys that it adds to the set.
  for (const key of reached) for (const dependent of byFlag.get(key) ?? []) reached.add(dependent);
  return reached;
};

/** The flags that refer to others. Most refer to none, and are left out at once. */
const dependentsIn = ({ flags }: Contents): Dependent[] => {
  const dependents: Dependent[] = [];
  for (const key of Object.keys(flags)) {
    const referred = references(flags[key]);
    if (referred !== NO_REFERENCES) dependents.push({ key, ...referred });
  }
  return dependents;
};

/**
 * Returns the keys of the changed flags and of every flag that depends on a changed flag or segment,
 * through other flags too. The flags of a flag set must not be changed in place.
 */
export const dependentsOf = (
  flagSet: unknown,
  changed: { readonly flags: Iterable<string>; readonly segments: Iterable<string> },
): ReadonlySet<string> => {
  const keys = { flags: new Set(changed.flags), segments: new Set(changed.segments) };
  return closureOf(dependentsIn(readEnvelope(flagSet)), keys);
};

/**
 * Compares two flag sets, given as JSON. Objects that both share cost nothing, so a flag set that was
 * updated without copying its flags is compared in microseconds.
 *
 * @example
 * diffFlagSets(previous, next); // { changed: { flags: ['new-checkout'], segments: [] }, affected: [… ] }
 */
export const diffFlagSets = (previous: unknown, next: unknown): FlagSetDiff => {
  const contents = readEnvelope(next);
  const changed = changedKeys(readEnvelope(previous), contents);
  const hasChanged = changed.flags.size > 0 || changed.segments.size > 0;
  const affected = hasChanged ? closureOf(dependentsIn(contents), changed) : changed.flags;
  return {
    changed: { flags: [...changed.flags].toSorted(), segments: [...changed.segments].toSorted() },
    affected: [...affected].toSorted(),
  };
};
