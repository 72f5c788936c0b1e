import { MAX_GROUP_DEPTH } from './conditions.ts';
import type { Keys } from './dependents.ts';
import type { ChangeHint } from './diff.ts';
import { readEnvelope, type Contents, type Definitions } from './envelope.ts';
import { isList, isObject, ownValue, type RawObject } from './json.ts';
import { operatorOf } from './operators.ts';
import { MAX_SIZE, patternSize, tooLarge } from './re2-subset.ts';

/** The keys of the flags and segments that a flag refers to, each once and sorted. */
export type References = {
  readonly flags: readonly string[];
  readonly segments: readonly string[];
};

/** The shared result of all flags that refer to no flag or segment. */
export const NO_REFERENCES: References = Object.freeze({ flags: [], segments: [] });

type VisitCondition = (condition: RawObject) => void;

/** Visits conditions in groups too, up to the depth that a well-formed flag can have. */
const visitConditions = (conditions: unknown, depth: number, visit: VisitCondition): void => {
  if (!isList(conditions) || depth > MAX_GROUP_DEPTH) return;
  for (const condition of conditions) {
    if (!isObject(condition)) continue;
    visit(condition);
    visitConditions(ownValue(condition, 'any'), depth + 1, visit);
    visitConditions(ownValue(condition, 'all'), depth + 1, visit);
  }
};

const visitRules = (flag: RawObject, visit: VisitCondition): void => {
  const rules = ownValue(flag, 'rules');
  for (const rule of isList(rules) ? rules : []) {
    if (isObject(rule)) visitConditions(ownValue(rule, 'conditions'), 0, visit);
  }
};

const addKey = (keys: string[], key: unknown): void => {
  if (typeof key === 'string' && !keys.includes(key)) keys.push(key);
};

const findReferences = (flag: RawObject): References => {
  const flags: string[] = [];
  const segments: string[] = [];
  visitRules(flag, condition => {
    addKey(flags, ownValue(condition, 'flag'));
    addKey(segments, ownValue(condition, 'segment'));
  });
  if (flags.length === 0 && segments.length === 0) return NO_REFERENCES;
  return Object.freeze({
    flags: Object.freeze(flags.toSorted()),
    segments: Object.freeze(segments.toSorted()),
  });
};

const cache = new WeakMap<object, References>();

/**
 * Returns the flags and segments that a flag's conditions refer to. Never throws, even for malformed
 * flags. The result is cached for the object, so a flag must not be changed in place.
 */
export const references = (flag: unknown): References => {
  if (!isObject(flag)) return NO_REFERENCES;
  const cached = cache.get(flag);
  if (cached !== undefined) return cached;
  const found = findReferences(flag);
  cache.set(flag, found);
  return found;
};

/** Ends if the size is too large for a definition, so that the work is limited too. */
const findPatternSize = (definition: RawObject): number => {
  let size = 0;
  const visit: VisitCondition = condition => {
    if (size > MAX_SIZE) return;
    const isPattern = operatorOf(ownValue(condition, 'operator'))?.needsPatterns ?? false;
    const operand = ownValue(condition, 'value');
    if (isPattern) size += typeof operand === 'string' ? patternSize(operand) : 1;
  };
  visitRules(definition, visit);
  visitConditions(ownValue(definition, 'conditions'), 0, visit);
  return size;
};

const sizes = new WeakMap<object, number>();

/** Returns the size of all regular expressions of a flag or a segment. Cached for the object. */
export const patternSizeOf = (definition: unknown): number => {
  if (!isObject(definition)) return 0;
  const cached = sizes.get(definition);
  if (cached !== undefined) return cached;
  const found = findPatternSize(definition);
  sizes.set(definition, found);
  return found;
};

/** Whether a flag or a segment has a condition that needs regular expressions. */
export const needsPatterns = (definition: unknown): boolean => patternSizeOf(definition) > 0;

const totals = new WeakMap<Definitions, number>();

const sizeOfAll = (definitions: Definitions, keys: Iterable<string>): number => {
  let size = 0;
  for (const key of keys) size += patternSizeOf(definitions.get(key));
  return size;
};

const totalSize = (definitions: Definitions): number => {
  const known = totals.get(definitions);
  if (known !== undefined) return known;
  const size = sizeOfAll(definitions, definitions.keyList());
  totals.set(definitions, size);
  return size;
};

/** Computes the size of `next` from that of `previous`, from which only the given keys differ. */
const carrySize = (
  previous: Definitions,
  next: Definitions,
  changed: ReadonlySet<string>,
): void => {
  const before = totals.get(previous);
  if (before === undefined || totals.has(next)) return;
  totals.set(next, before - sizeOfAll(previous, changed) + sizeOfAll(next, changed));
};

/** Keeps the size of all regular expressions known after a change of these flags and segments. */
export const carryPatternSizes = (previous: Contents, next: Contents, changed: Keys): void => {
  carrySize(previous.flags, next.flags, changed.flags);
  carrySize(previous.segments, next.segments, changed.segments);
};

/**
 * Returns what is wrong with a flag set if its regular expressions are too large together; otherwise undefined.
 * Compiling them could use up the memory of the process. With `previous` and `hint`, reads only the flags and
 * segments that the hint names: all others must be the same in both.
 */
export const patternProblem = (
  flagSet: unknown,
  previous?: unknown,
  hint?: ChangeHint,
): string | undefined => {
  const next = readEnvelope(flagSet);
  if (hint !== undefined) {
    const before = readEnvelope(previous);
    const changed = { flags: new Set(hint.flags), segments: new Set(hint.segments) };
    totalSize(before.flags);
    totalSize(before.segments);
    carryPatternSizes(before, next, changed);
  }
  return tooLarge(totalSize(next.flags) + totalSize(next.segments));
};
