import { isList, isObject, ownValue } from './fields.ts';

/** Groups nest at most five deep in a flag that is well-formed; what is deeper decides nothing. */
const MAX_DEPTH = 5;

/** The flags and segments that a flag names, each once and in the order of their names. */
export type References = { readonly flags: string[]; readonly segments: string[] };

type Found = { readonly flags: Set<string>; readonly segments: Set<string> };

const add = (names: Set<string>, name: unknown): void => {
  if (typeof name === 'string') names.add(name);
};

const collect = (conditions: unknown, depth: number, found: Found): void => {
  if (!isList(conditions) || depth > MAX_DEPTH) return;
  for (const condition of conditions) {
    if (!isObject(condition)) continue;
    add(found.flags, ownValue(condition, 'flag'));
    add(found.segments, ownValue(condition, 'segment'));
    collect(ownValue(condition, 'any'), depth + 1, found);
    collect(ownValue(condition, 'all'), depth + 1, found);
  }
};

/** Whom a flag depends on. Never throws, whatever it is given. */
export const references = (flag: unknown): References => {
  const found: Found = { flags: new Set(), segments: new Set() };
  const rules = isObject(flag) ? ownValue(flag, 'rules') : undefined;
  for (const rule of isList(rules) ? rules : []) {
    if (isObject(rule)) collect(ownValue(rule, 'conditions'), 0, found);
  }
  return { flags: [...found.flags].toSorted(), segments: [...found.segments].toSorted() };
};
