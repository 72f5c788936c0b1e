import { charCodeAt } from './char-code.ts';

const MAX_VERSION_LENGTH = 256;

const NUMBER = '(?:0|[1-9][0-9]*)';
const IDENTIFIER = '(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)';
const VERSION = new RegExp(
  `^(${NUMBER})\\.(${NUMBER})\\.(${NUMBER})` +
    `(?:-(${IDENTIFIER}(?:\\.${IDENTIFIER})*))?` +
    '(?:\\+[0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*)?$',
);

/** A version, ordered as in SemVer 2. Numbers stay text, because they can have any size. */
export type SemanticVersion = {
  readonly numbers: readonly [string, string, string];
  readonly preRelease: readonly string[];
};

export const parseVersion = (text: string): SemanticVersion | undefined => {
  if (text.length > MAX_VERSION_LENGTH) return undefined;
  const found = VERSION.exec(text);
  if (found === null) return undefined;
  const [, major = '', minor = '', patch = '', preRelease] = found;
  return { numbers: [major, minor, patch], preRelease: preRelease?.split('.') ?? [] };
};

const compareText = (left: string, right: string): number =>
  left === right ? 0 : left < right ? -1 : 1;

/** Compares decimal numbers without leading zeros: the longer one is greater. */
const compareNumbers = (left: string, right: string): number =>
  left.length === right.length ? compareText(left, right) : left.length - right.length;

const isNumeric = (identifier: string): boolean => /^[0-9]+$/.test(identifier);

/** Numeric identifiers are lower than all others. */
const compareIdentifiers = (left: string, right: string): number => {
  const numeric = isNumeric(left);
  if (numeric !== isNumeric(right)) return numeric ? -1 : 1;
  return numeric ? compareNumbers(left, right) : compareText(left, right);
};

/** A version is higher than its pre-releases. If one list starts with the other, the longer one is higher. */
const comparePreReleases = (left: readonly string[], right: readonly string[]): number => {
  if (left.length === 0 || right.length === 0) return right.length - left.length;
  for (let index = 0; index < Math.min(left.length, right.length); index += 1) {
    const order = compareIdentifiers(left[index] ?? '', right[index] ?? '');
    if (order !== 0) return order;
  }
  return left.length - right.length;
};

/** Returns a negative number, zero or a positive number if `left` is lower, equal or higher. */
const compareVersions = (left: SemanticVersion, right: SemanticVersion): number =>
  compareNumbers(left.numbers[0], right.numbers[0]) ||
  compareNumbers(left.numbers[1], right.numbers[1]) ||
  compareNumbers(left.numbers[2], right.numbers[2]) ||
  comparePreReleases(left.preRelease, right.preRelease);

const DOT = 46;
const ZERO = 48;
/** Numbers of at most nine digits are exact, and V8 keeps them out of the heap. */
const MAX_PLAIN_DIGITS = 9;

/**
 * Compares a version of three short numbers, such as 12.0.4, without making any object, because most versions
 * are of that form. Returns undefined for all others, also if they are invalid.
 */
const comparePlain = (text: string, required: PlainNumbers): number | undefined => {
  let order = 0;
  let index = 0;
  for (let part = 0; part < 3; part += 1) {
    const start = index;
    let number = 0;
    for (; index < text.length; index += 1) {
      const digit = charCodeAt(text, index) - ZERO;
      if (digit < 0 || digit > 9) break;
      number = (Math.imul(number, 10) + digit) | 0;
    }
    const digits = index - start;
    const hasLeadingZero = digits > 1 && charCodeAt(text, start) === ZERO;
    if (digits === 0 || digits > MAX_PLAIN_DIGITS || hasLeadingZero) return undefined;
    if (part < 2 ? charCodeAt(text, index) !== DOT : index < text.length) return undefined;
    index += 1;
    if (order === 0) order = number - (required[part] ?? 0);
  }
  return order;
};

type PlainNumbers = readonly [major: number, minor: number, patch: number];

const toPlainNumbers = ({
  numbers: [major, minor, patch],
}: SemanticVersion): PlainNumbers | undefined =>
  Math.max(major.length, minor.length, patch.length) > MAX_PLAIN_DIGITS
    ? undefined
    : [Number(major), Number(minor), Number(patch)];

/**
 * Returns a function that compares a version with `required`: negative, zero or positive if the version is
 * lower, equal or higher, and NaN if it is not a version.
 */
export const compareTo = (required: SemanticVersion): ((text: string) => number) => {
  const plain = toPlainNumbers(required);
  const isPreRelease = required.preRelease.length > 0;
  return text => {
    const order = plain && comparePlain(text, plain);
    if (order !== undefined) return order === 0 && isPreRelease ? 1 : order;
    const version = parseVersion(text);
    return version === undefined ? Number.NaN : compareVersions(version, required);
  };
};
