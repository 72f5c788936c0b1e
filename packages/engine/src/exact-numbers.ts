/** A number in JSON text that a double cannot represent, with the names and indexes that lead to it. */
export type InexactNumber = { readonly path: readonly (string | number)[]; readonly text: string };

/** What an inexact number has: 16 digits, or an exponent. Most texts have neither, which is quick to find out. */
const MAY_BE_INEXACT = /\d{16}|\d[eE]/;

/** Enough for an error message. */
const MAX_FOUND = 20;
const MAX_PATH = 40;

/** A string that does not end goes to the end of the text, so that no part of it is searched again. */
const STRING = /"[^"\\]*(?:\\.[^"\\]*)*"?/gs;

/** The parts of JSON text that matter here. A string before a colon is a name. */
const TOKEN = /("[^"\\]*(?:\\.[^"\\]*)*"?)(\s*:)?|[{}[\],]|-?\d[\d.eE+-]*/gs;

/** Returns the first numbers in valid JSON text that a parser of doubles would change without notice. */
export const findInexactNumbers = (json: string): readonly InexactNumber[] => {
  if (!MAY_BE_INEXACT.test(json) || !MAY_BE_INEXACT.test(json.replaceAll(STRING, ''))) return [];
  const found: InexactNumber[] = [];
  /** One entry for each object and list around the current token: a name as JSON text, or an index. */
  const path: (string | number)[] = [];
  for (const [token, text, colon] of json.matchAll(TOKEN)) {
    if (text !== undefined) enterMember(path, text, colon);
    else if (isPunctuation(token)) movePath(path, token);
    else if (isInexact(token)) found.push({ path: parsePath(path), text: token });
    if (found.length === MAX_FOUND) break;
  }
  return found;
};

const enterMember = (path: (string | number)[], text: string, colon: string | undefined): void => {
  if (colon !== undefined) path[path.length - 1] = text;
};

/** Names are parsed only here, because most lead to no such number. */
const parsePath = (path: readonly (string | number)[]): (string | number)[] =>
  path.slice(0, MAX_PATH).map(each => (typeof each === 'number' ? each : String(JSON.parse(each))));

const isPunctuation = (token: string): boolean => '{}[],'.includes(token);

const movePath = (path: (string | number)[], token: string): void => {
  const last = path.at(-1);
  if (token === '{') path.push('""');
  else if (token === '[') path.push(0);
  else if (token !== ',') path.pop();
  else if (typeof last === 'number') path[path.length - 1] = last + 1;
};

const isInteger = (text: string): boolean => /^-?\d+$/.test(text);

/** Smaller doubles have fewer digits, and the smallest are 0. */
const SMALLEST_WITH_ALL_DIGITS = 2 ** -1_022;

/**
 * Whether the text of a number is not the exact text of a double, and either beyond the integers that all differ
 * as doubles, or closer to 0 than the doubles with all digits. A fraction in between is rounded as in every
 * language. A large integer is always refused, because the next one is the same double; also 1e20, which JSON
 * writes as an integer when it is read again.
 */
export const isInexact = (text: string): boolean => {
  const value = Number(text);
  const magnitude = Math.abs(value);
  const written = String(value);
  const isChanged = significantDigits(text) !== significantDigits(written);
  if (magnitude < SMALLEST_WITH_ALL_DIGITS) return isChanged;
  return (
    magnitude > Number.MAX_SAFE_INTEGER && (isInteger(text) || isInteger(written) || isChanged)
  );
};

const significantDigits = (text: string): string =>
  text
    .replace(/e.*/i, '')
    .replaceAll(/\D/g, '')
    .replaceAll(/^0+|0+$/g, '');

/**
 * Returns the first number of a value that JSON text would not keep. Other than text, a value may contain a
 * bigint, which JSON does not have.
 */
export const findInexactValue = (
  value: unknown,
  path: InexactNumber['path'] = [],
): InexactNumber | undefined => {
  if (typeof value === 'bigint') return { path, text: String(value) };
  if (typeof value === 'number')
    return Number.isFinite(value) && isInexact(String(value))
      ? { path, text: String(value) }
      : undefined;
  // A value that contains itself ends here, and is reported as nested too deeply.
  if (typeof value !== 'object' || value === null || path.length >= MAX_PATH) return undefined;
  for (const [name, each] of Object.entries(value)) {
    const found = findInexactValue(each, [...path, name]);
    if (found !== undefined) return found;
  }
  return undefined;
};

/** The reason and the remedy. */
export const inexactNumberMessage = (text: string): string =>
  `is ${text.length > 40 ? `${text.slice(0, 40)}…` : text}, which a number cannot represent exactly: write it as text, "…"`;
