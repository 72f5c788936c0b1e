import { isList, isObject, ownValue } from './fields.ts';
import { operatorOf } from './operators.ts';

/** Groups nest at most five deep in a flag that is well-formed; what is deeper decides nothing. */
const MAX_DEPTH = 5;

/** The keys of the flags and segments that a flag refers to, each once and sorted. */
export type References = {
  readonly flags: readonly string[];
  readonly segments: readonly string[];
};

/** The one result for all flags that refer to nothing. */
export const NO_REFERENCES: References = Object.freeze({ flags: [], segments: [] });

const add = (names: string[], name: unknown): void => {
  if (typeof name === 'string' && !names.includes(name)) names.push(name);
};

type See = (condition: { readonly [name: string]: unknown }) => void;

const visit = (conditions: unknown, depth: number, see: See): void => {
  if (!isList(conditions) || depth > MAX_DEPTH) return;
  for (const condition of conditions) {
    if (!isObject(condition)) continue;
    see(condition);
    visit(ownValue(condition, 'any'), depth + 1, see);
    visit(ownValue(condition, 'all'), depth + 1, see);
  }
};

/** Every condition of a flag's rules. */
const visitRules = (flag: unknown, see: See): void => {
  const rules = isObject(flag) ? ownValue(flag, 'rules') : undefined;
  for (const rule of isList(rules) ? rules : []) {
    if (isObject(rule)) visit(ownValue(rule, 'conditions'), 0, see);
  }
};

const findReferences = (flag: unknown): References => {
  const flags: string[] = [];
  const segments: string[] = [];
  visitRules(flag, condition => {
    add(flags, ownValue(condition, 'flag'));
    add(segments, ownValue(condition, 'segment'));
  });
  if (flags.length === 0 && segments.length === 0) return NO_REFERENCES;
  return Object.freeze({
    flags: Object.freeze(flags.toSorted()),
    segments: Object.freeze(segments.toSorted()),
  });
};

const known = new WeakMap<object, References>();

/**
 * Returns the flags and segments that a flag's conditions refer to. Never throws, whatever the flag is.
 * The result is kept for the object, so a flag must not be changed in place.
 */
export const references = (flag: unknown): References => {
  if (!isObject(flag)) return NO_REFERENCES;
  const cached = known.get(flag);
  if (cached !== undefined) return cached;
  const found = findReferences(flag);
  known.set(flag, found);
  return found;
};

/** Whether a flag or a segment has a condition that only regular expressions can decide. */
export const needsPatterns = (definition: unknown): boolean => {
  let found = false;
  const see: See = condition => {
    found ||= operatorOf(ownValue(condition, 'operator'))?.needsPatterns ?? false;
  };
  visitRules(definition, see);
  if (isObject(definition)) visit(ownValue(definition, 'conditions'), 0, see);
  return found;
};
