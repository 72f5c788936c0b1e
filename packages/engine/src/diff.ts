import { carryDependents, withDependents, type Keys } from './dependents.ts';
import { readEnvelope, type Contents, type Definitions } from './envelope.ts';
import { FLAG_FIELDS } from './flags.ts';
import { isList, isObject, ownValue, type RawObject } from './json.ts';
import { carryPatternSizes } from './references.ts';
import { SEGMENT_FIELDS } from './segments.ts';
import { runAtOnce, type Steps } from './steps.ts';

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
/** Remembers the last comparison of each definition: a change of a large one is compared for several purposes. */
function comparedOnce(isSame: Comparison['isSameFlag']): Comparison['isSameFlag'] {
  // A strong reference would keep all earlier definitions.
  const last = new WeakMap<
    object,
    { readonly before: WeakRef<object>; readonly result: boolean }
  >();
  return (before, after) => {
    if (!isObject(before) || !isObject(after)) return isSame(before, after);
    const known = last.get(after);
    if (known?.before.deref() === before) return known.result;
    const result = isSame(before, after);
    last.set(after, { before: new WeakRef(before), result });
    return result;
  };
}

const BY_EFFECT: Comparison = {
  isSameFlag: comparedOnce((a, b) => haveSameFields(FLAG_FIELDS, a, b)),
  isSameSegment: comparedOnce((a, b) => haveSameFields(SEGMENT_FIELDS, a, b)),
};

const keysOfBoth = (previous: Definitions, next: Definitions): string[] => [
  ...next.keyList(),
  ...previous.keyList().filter(key => !next.has(key)),
];

/** Returns the keys with different values, among `candidates` if they are given. */
function* differingKeys(
  previous: Definitions,
  next: Definitions,
  isSame: (a: unknown, b: unknown) => boolean,
  candidates: Iterable<string> = keysOfBoth(previous, next),
): Steps<Set<string>> {
  const differing = new Set<string>();
  for (const key of candidates) {
    const [before, after] = [previous.get(key), next.get(key)];
    // Settles most keys of a large set.
    if (after !== undefined && before === after) continue;
    const isAddedOrRemoved = previous.has(key) !== next.has(key);
    if (isAddedOrRemoved || !isSame(before, after)) differing.add(key);
    yield;
  }
  return differing;
}

function* compareContents(
  previous: Contents,
  next: Contents,
  { isSameFlag, isSameSegment }: Comparison,
  candidates?: ChangeHint,
): Steps<Keys> {
  const { flags, segments } = candidates ?? {};
  return {
    flags: yield* differingKeys(previous.flags, next.flags, isSameFlag, flags),
    segments: yield* differingKeys(previous.segments, next.segments, isSameSegment, segments),
  };
}

/** Returns the flags and segments that must be compiled again: the changed ones, and the flags that depend on them. */
export const staleKeys = (previous: Contents, next: Contents, hint?: ChangeHint): Keys => {
  const changed = runAtOnce(compareContents(previous, next, BY_EFFECT, hint));
  runAtOnce(carryDependents(previous, next, changed.flags));
  carryPatternSizes(previous, next, changed);
  const hasChanged = changed.flags.size > 0 || changed.segments.size > 0;
  return hasChanged ? { ...changed, flags: runAtOnce(withDependents(next, changed)) } : changed;
};

/** Compares two flag sets as `diffFlagSets` does, in steps of one flag or segment each. */
export function* diffSteps(
  previous: unknown,
  next: unknown,
  hint?: ChangeHint,
): Steps<FlagSetDiff> {
  const [before, after] = [readEnvelope(previous), readEnvelope(next)];
  const changed = yield* compareContents(before, after, BY_JSON, hint);
  const effective = yield* compareContents(before, after, BY_EFFECT, changed);
  yield* carryDependents(before, after, changed.flags);
  const hasEffect = effective.flags.size > 0 || effective.segments.size > 0;
  const affected = hasEffect ? yield* withDependents(after, effective) : effective.flags;
  return {
    changed: { flags: [...changed.flags].toSorted(), segments: [...changed.segments].toSorted() },
    affected: [...affected].toSorted(),
  };
}

/**
 * Compares two flag sets, given as JSON. With `hint`, compares only the flags and segments that it names.
 * Objects that both share cost nothing, so a flag set that was updated without copying its flags is compared
 * in microseconds.
 *
 * @example
 * diffFlagSets(previous, next); // { changed: { flags: ['new-checkout'], segments: [] }, affected: [… ] }
 */
export const diffFlagSets = (previous: unknown, next: unknown, hint?: ChangeHint): FlagSetDiff =>
  runAtOnce(diffSteps(previous, next, hint));
