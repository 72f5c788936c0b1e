import type { References } from '@pennon/engine';
import { references } from '@pennon/engine';
import type { EvaluationFlag, FlagSet } from '@pennon/schema';

/** A stored flag never changes, so what it names is looked up once. */
const known = new WeakMap<EvaluationFlag, References>();

/** The flags and segments that a flag names in its conditions. */
export const referencesOf = (flag: EvaluationFlag): References => {
  const found = known.get(flag);
  if (found !== undefined) return found;
  const named = references(flag);
  known.set(flag, named);
  return named;
};

/** These flags, and every flag whose answer can depend on one of these flags or segments. */
export const dependents = (
  flagSet: Pick<FlagSet, 'flags'>,
  flags: ReadonlySet<string>,
  segments: ReadonlySet<string>,
): ReadonlySet<string> => {
  const dependent = Object.values(flagSet.flags)
    .map(flag => ({ key: flag.key, names: referencesOf(flag) }))
    .filter(({ names }) => names.flags.length > 0 || names.segments.length > 0);
  const reached = new Set(flags);
  for (const { key, names } of dependent) {
    if (names.segments.some(segment => segments.has(segment))) reached.add(key);
  }
  for (let before = -1; before !== reached.size;) {
    before = reached.size;
    for (const { key, names } of dependent) {
      if (names.flags.some(flag => reached.has(flag))) reached.add(key);
    }
  }
  return reached;
};
