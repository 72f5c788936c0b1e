import { readEnvelope, type Contents } from './envelope.ts';
import { FLAG_FIELDS } from './flags.ts';
import { isList, isObject, ownValue, type RawObject } from './json.ts';
import { NO_REFERENCES, references } from './references.ts';
import { SEGMENT_FIELDS } from './segments.ts';

/** Keys of flags and segments. */
type Keys = {
  readonly flags: ReadonlySet<string>;
  readonly segments: ReadonlySet<string>;
};

/** A flag, and what its conditions refer to. */
export type Dependent = {
  readonly key: string;
  readonly referencedFlags: Iterable<string>;
  readonly referencedSegments: Iterable<string>;
};

/** The keys that may have changed, such as those in a change event. All others are unchanged. */
export type ChangeHint = {
  readonly flags: Iterable<string>;
  readonly segments: Iterable<string>;
};

export type FlagSetDiff = {
  /** Keys that were added, removed or replaced, sorted. */
  readonly changed: { readonly flags: string[]; readonly segments: string[] };
  /**
   * Keys of all flags that may have another result, sorted: those that differ in more than their version,
   * removed flags, and all flags that depend on such a flag or segment.
   */
  readonly affected: string[];
};

/** Deeper values are never equal, so that no input overflows the stack. Well-formed flags are far below. */
const MAX_COMPARED_DEPTH = 64;

const isSameList = (a: readonly unknown[], b: readonly unknown[], depth: number): boolean =>
  a.length === b.length && a.every((item, index) => isSameJson(item, b[index], depth));

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
  if (depth === MAX_COMPARED_DEPTH) return false;
  if (isList(a)) return isList(b) && isSameList(a, b, depth + 1);
  return isObject(a) && isObject(b) && isSameObject(a, b, depth + 1);
};

/** Compares the fields of two definitions that results depend on. */
const haveSameFields = (fields: ReadonlySet<string>, a: unknown, b: unknown): boolean => {
  if (!isObject(a) || !isObject(b)) return isSameJson(a, b);
  for (const field of fields) if (!isSameJson(ownValue(a, field), ownValue(b, field))) return false;
  return true;
};

/** How two definitions of the same flag or segment are compared: as JSON, or by their effect on results. */
type Comparison = {
  readonly isSameFlag: (a: unknown, b: unknown) => boolean;
  readonly isSameSegment: (a: unknown, b: unknown) => boolean;
};

const BY_JSON: Comparison = { isSameFlag: isSameJson, isSameSegment: isSameJson };
const BY_EFFECT: Comparison = {
  isSameFlag: (a, b) => haveSameFields(FLAG_FIELDS, a, b),
  isSameSegment: (a, b) => haveSameFields(SEGMENT_FIELDS, a, b),
};

const keysOfBoth = (previous: RawObject, next: RawObject): string[] => {
  const keys = Object.keys(next);
  for (const key of Object.keys(previous)) if (!Object.hasOwn(next, key)) keys.push(key);
  return keys;
};

/** Returns the keys with different values, among `candidates` if they are given. */
const differingKeys = (
  previous: RawObject,
  next: RawObject,
  isSame: (a: unknown, b: unknown) => boolean,
  candidates: Iterable<string> = keysOfBoth(previous, next),
): Set<string> => {
  const differing = new Set<string>();
  for (const key of candidates) {
    const [before, after] = [ownValue(previous, key), ownValue(next, key)];
    // Settles most keys of a large set.
    if (after !== undefined && before === after) continue;
    const isAddedOrRemoved = Object.hasOwn(previous, key) !== Object.hasOwn(next, key);
    if (isAddedOrRemoved || !isSame(before, after)) differing.add(key);
  }
  return differing;
};

const compareContents = (
  previous: Contents,
  next: Contents,
  { isSameFlag, isSameSegment }: Comparison,
  candidates?: ChangeHint,
): Keys => ({
  flags: differingKeys(previous.flags, next.flags, isSameFlag, candidates?.flags),
  segments: differingKeys(previous.segments, next.segments, isSameSegment, candidates?.segments),
});

const hasAny = (keys: Iterable<string>, changed: ReadonlySet<string>): boolean => {
  for (const key of keys) if (changed.has(key)) return true;
  return false;
};

/** The flags that refer to each flag directly. */
const dependentsByFlag = (dependents: Iterable<Dependent>): ReadonlyMap<string, string[]> => {
  const byFlag = new Map<string, string[]>();
  for (const { key, referencedFlags } of dependents) {
    for (const flag of referencedFlags) {
      const known = byFlag.get(flag);
      if (known === undefined) byFlag.set(flag, [key]);
      else known.push(key);
    }
  }
  return byFlag;
};

/** Returns the given flags and all that depend on them or on one of the segments, however far. */
const closureOf = (dependents: readonly Dependent[], changed: Keys): ReadonlySet<string> => {
  const byFlag = dependentsByFlag(dependents);
  const reached = new Set(changed.flags);
  for (const { key, referencedSegments } of dependents)
    if (hasAny(referencedSegments, changed.segments)) reached.add(key);
  // The loop also visits keys that it adds to the set.
  for (const key of reached) for (const dependent of byFlag.get(key) ?? []) reached.add(dependent);
  return reached;
};

/** Returns the flags and segments that must be compiled again. `dependents` are the flags that refer to others. */
export const staleKeys = (
  previous: Contents,
  next: Contents,
  dependents: readonly Dependent[],
  hint?: ChangeHint,
): Keys => {
  const changed = compareContents(previous, next, BY_EFFECT, hint);
  return { flags: closureOf(dependents, changed), segments: changed.segments };
};

/** The flags that refer to others. Most refer to none, and are left out at once. */
const dependentsIn = ({ flags }: Contents): Dependent[] => {
  const dependents: Dependent[] = [];
  for (const key of Object.keys(flags)) {
    const found = references(flags[key]);
    if (found !== NO_REFERENCES)
      dependents.push({ key, referencedFlags: found.flags, referencedSegments: found.segments });
  }
  return dependents;
};

/**
 * Compares two flag sets, given as JSON. With `hint`, compares only the flags and segments that it names.
 * Objects that both share cost nothing, so a flag set that was updated without copying its flags is compared
 * in microseconds.
 *
 * @example
 * diffFlagSets(previous, next); // { changed: { flags: ['new-checkout'], segments: [] }, affected: [… ] }
 */
export const diffFlagSets = (previous: unknown, next: unknown, hint?: ChangeHint): FlagSetDiff => {
  const [before, after] = [readEnvelope(previous), readEnvelope(next)];
  const changed = compareContents(before, after, BY_JSON, hint);
  const effective = compareContents(before, after, BY_EFFECT, changed);
  const hasEffect = effective.flags.size > 0 || effective.segments.size > 0;
  const affected = hasEffect ? closureOf(dependentsIn(after), effective) : effective.flags;
  return {
    changed: { flags: [...changed.flags].toSorted(), segments: [...changed.segments].toSorted() },
    affected: [...affected].toSorted(),
  };
};
