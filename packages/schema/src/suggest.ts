import { distance } from 'fastest-levenshtein';
import { z } from 'zod';

const LONGEST = 100;
const MOST_NAMES = 5_000;
/** Shorter names are similar to nothing. The beginning of a name is similar: `env` and `environment`. */
const SHORTEST = 3;

const normalize = (name: string): string => name.toLowerCase().replaceAll(/[\s._-]/g, '');

const sortedLetters = (name: string): string => Array.from(name).toSorted().join('');

/** How different two normalized names are: 0 if they are equal, Infinity if they are not similar. */
const difference = (a: string, b: string): number => {
  if (a === b) return 0;
  const [short, long] = a.length < b.length ? [a, b] : [b, a];
  if (short.length >= SHORTEST && long.startsWith(short)) return 1;
  const allowed = a.length < SHORTEST ? 0 : Math.max(1, Math.floor(a.length / 3));
  if (long.length - short.length > allowed) return Infinity;
  if (allowed > 0 && a.length === b.length && sortedLetters(a) === sortedLetters(b)) return 1;
  const edits = distance(a, b);
  return edits > allowed ? Infinity : edits;
};

/**
 * Returns the most similar of some names, or undefined if none is similar. Case and separators are
 * ignored, so `not_in` is similar to `notIn`.
 */
export const similarName = (name: string, names: readonly string[]): string | undefined => {
  if (name === '' || name.length > LONGEST) return undefined;
  const normalized = normalize(name);
  let found: string | undefined;
  let least = Infinity;
  for (const candidate of names.slice(0, MOST_NAMES)) {
    const current = difference(normalized, normalize(candidate));
    if (current >= least) continue;
    least = current;
    found = candidate;
  }
  return found;
};

/** What a name probably means, by its normalized form, if it is not similar to the right name. */
export type Synonyms = Readonly<Record<string, string>>;

const quoted = (hint: string): string => (hint.includes('"') ? hint : `"${hint}"`);

/** Returns `; did you mean "x"?` for a name that is similar to a known one, otherwise an empty text. */
export const didYouMean = (
  name: unknown,
  names: readonly string[],
  synonyms: Synonyms = {},
): string => {
  if (typeof name !== 'string') return '';
  const key = normalize(name);
  const hint = Object.hasOwn(synonyms, key) ? synonyms[key] : similarName(name, names);
  return hint === undefined || hint === name ? '' : `; did you mean ${quoted(hint)}?`;
};

/** Returns the message for a value that must be one of some names. */
export const oneOfMessage = (
  names: readonly string[],
  value: unknown,
  synonyms?: Synonyms,
): string => {
  const expectation = `must be one of ${names.map(name => `"${name}"`).join(', ')}`;
  if (value === undefined) return `is missing: it ${expectation}`;
  return expectation + didYouMean(value, names, synonyms);
};

/** Returns a schema for one of some names. Its message suggests the one that was probably meant. */
export const oneOf = <const Names extends readonly [string, ...string[]]>(
  names: Names,
  synonyms?: Synonyms,
) => z.enum(names, { error: ({ input }) => oneOfMessage(names, input, synonyms) });
