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
export const compareVersions = (left: SemanticVersion, right: SemanticVersion): number =>
  compareNumbers(left.numbers[0], right.numbers[0]) ||
  compareNumbers(left.numbers[1], right.numbers[1]) ||
  compareNumbers(left.numbers[2], right.numbers[2]) ||
  comparePreReleases(left.preRelease, right.preRelease);
