import { isList, isObject, ownValue } from './fields.ts';

/** Groups nest at most five deep in a flag that is well-formed; what is deeper decides nothing. */
const MAX_DEPTH = 5;

/** The flags and segments that a flag names, each once and in the order of their names. */
export type References = { readonly flags: string[]; readonly segments: string[] };

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

/** Whom a flag depends on. Never throws, whatever it is given. */
export const references = (flag: unknown): References => {
  const found: References = { flags: [], segments: [] };
  visitRules(flag, condition => {
    add(found.flags, ownValue(condition, 'flag'));
    add(found.segments, ownValue(condition, 'segment'));
  });
  found.flags.sort();
  found.segments.sort();
  return found;
};

/** Whether a flag or a segment has a condition that only regular expressions can decide. */
export const needsPatterns = (definition: unknown): boolean => {
  let found = false;
  const see: See = condition => {
    found ||= ownValue(condition, 'operator') === 'matches';
  };
  visitRules(definition, see);
  if (isObject(definition)) visit(ownValue(definition, 'conditions'), 0, see);
  return found;
};
