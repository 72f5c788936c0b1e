import { hasLength } from './json.ts';
import { addWork } from './work.ts';

const MAX_PATTERN_LENGTH = 256;
const MAX_REPEATS = 100;

const NAMED_CLASS = '\\[:\\^?[a-z]+:\\]';

/** Splits a valid RE2 pattern into tokens, as finely as the subset needs. */
const TOKEN = new RegExp(
  [
    '\\\\Q(?<quoted>[^]*?)(?:\\\\E|$)',
    '\\\\x\\{[^}]*\\}',
    '\\\\(?<escape>[^])',
    `(?<set>\\[\\^?\\]?(?:${NAMED_CLASS}|\\\\[^]|(?!${NAMED_CLASS})[^\\]\\\\])*\\])`,
    '(?<flags>\\(\\?[imsU-]*\\))',
    '(?<named>\\(\\?P?<)',
    '(?<open>\\()',
    '(?<close>\\))',
    '(?<quantifier>[*+?])',
    '\\{(?<least>0|[1-9][0-9]*)(?<range>,(?<most>0|[1-9][0-9]*)?)?\\}',
    '[^]',
  ].join('|'),
  'g',
);

/** The named groups of `TOKEN`; at most one of the kinds is set. */
type Token = { readonly [name: string]: string | undefined };

const tokensOf = (pattern: string): Token[] =>
  Array.from(pattern.matchAll(TOKEN), ({ groups }) => groups ?? {});

const isOutsideSubset = ({ escape, set, named }: Token): boolean =>
  named !== undefined || /^[CpP]$/.test(escape ?? '') || /\\[CpP]/.test(withoutPairs(set ?? ''));

/** Removes escaped backslashes: in a class, `\\p` is a backslash and a letter. */
const withoutPairs = (set: string): string => set.replaceAll('\\\\', '');

/**
 * How often the last item of a group is repeated, the highest count in the group, and the lengths and numbers of
 * parts of the last item and of the group.
 */
type Repeats = {
  readonly last: number;
  readonly most: number;
  readonly lastLength: number;
  readonly length: number;
  readonly lastParts: number;
  readonly parts: number;
};

const EMPTY: Repeats = { last: 1, most: 1, lastLength: 0, length: 0, lastParts: 0, parts: 0 };

/** `{0}` counts as one, because its contents are still parsed and built. */
const countOf = ({ least, most }: Token): number => Math.max(1, Number(most ?? least));

/** These match no character themselves, so a count after them applies to the item before them. */
const isTransparent = ({ flags, quoted }: Token): boolean => flags !== undefined || quoted === '';

const closeGroup = (group: Repeats, outer: Repeats): Repeats => ({
  last: group.most,
  most: Math.max(group.most, outer.most),
  lastLength: group.length,
  length: outer.length + group.length,
  lastParts: group.parts + 1,
  parts: outer.parts + group.parts + 1,
});

/** Each repetition of `{n,m}` counts as a quantifier too, because it may be missing. */
const repeatLast = (current: Repeats, count: number, isRange: boolean): Repeats => {
  const last = current.last * count;
  const lastLength = current.lastLength * count;
  const lastParts = (current.lastParts + (isRange ? 1 : 0)) * count;
  return {
    last,
    most: Math.max(last, current.most),
    lastLength,
    length: current.length + lastLength - current.lastLength,
    lastParts,
    parts: current.parts + lastParts - current.lastParts,
  };
};

const addItem = ({ most, length, parts }: Repeats, added: number): Repeats => ({
  last: 1,
  most,
  lastLength: added,
  length: length + added,
  lastParts: added,
  parts: parts + added,
});

/** `*`, `+` and `?` are a part of the item before them. */
const addQuantifier = (current: Repeats): Repeats => ({
  ...current,
  lastParts: current.lastParts + 1,
  parts: current.parts + 1,
});

/**
 * Returns the highest product of nested counts `{n}`, `{n,}` and `{n,m}` in a pattern, and what it has after all
 * counts are expanded: its length in characters and classes, which the time of a search grows with, and the number
 * of its parts, which are these and all groups and quantifiers.
 */
const measure = (tokens: readonly Token[]): Repeats => {
  const outer: Repeats[] = [];
  let current = EMPTY;
  for (const token of tokens) {
    if (token['open'] !== undefined) {
      outer.push(current);
      current = EMPTY;
    } else if (token['close'] !== undefined) {
      current = closeGroup(current, outer.pop() ?? EMPTY);
    } else if (token['least'] !== undefined) {
      current = repeatLast(current, countOf(token), token['range'] !== undefined);
    } else if (token['quantifier'] !== undefined) {
      current = addQuantifier(current);
    } else if (!isTransparent(token)) {
      current = addItem(current, token['quoted']?.length ?? 1);
    }
  }
  return outer.reduceRight((group, around) => closeGroup(group, around), current);
};

/** The end of a range in a class, after its hyphen. */
const RANGE_END =
  /-(?=\\x\{(?<braced>[0-9A-Fa-f]+)\}|\\x(?<hex>[0-9A-Fa-f]{2})|\\(?<octal>[0-7]{1,3})|\\?(?<character>[^]))/gu;

/** The first and the last character that have another case. */
const [MIN_FOLD, MAX_FOLD] = [0x41, 0x1e943];
/** A library adds the other cases of a range character by character, so many characters take one unit. */
const FOLDED_PER_UNIT = 24;

const lastOfRange = ({ braced, hex, octal, character }: Token): number => {
  if (octal !== undefined) return Number.parseInt(octal, 8);
  return character?.codePointAt(0) ?? Number.parseInt(braced ?? hex ?? '0', 16);
};

/** The size of what a pattern with `(?i)` adds. Every hyphen counts as a range that begins at `A`. */
const sizeOfFolding = (pattern: string): number => {
  let size = pattern.length;
  for (const { groups } of pattern.matchAll(RANGE_END)) {
    const folded = Math.min(lastOfRange(groups ?? {}), MAX_FOLD) + 1 - MIN_FOLD;
    size += Math.max(0, Math.floor(folded / FOLDED_PER_UNIT));
  }
  return size;
};

const ignoresCase = (pattern: string): boolean => /\(\?[imsU]*i/.test(pattern);

/** The size of any pattern, and of each of its groups. */
const [PATTERN_SIZE, GROUP_SIZE] = [16, 4];

/** The size of a pattern before its counts are expanded. */
const sizeOfSource = (pattern: string): number =>
  PATTERN_SIZE + pattern.length + (ignoresCase(pattern) ? sizeOfFolding(pattern) : 0);

/**
 * Returns the size of a pattern: memory and time of compiling it grow with it, about 1 µs for one unit. A pattern
 * that is not compiled, because it exceeds another limit, is not expanded.
 */
export const patternSize = (pattern: string): number => {
  if (!hasLength(pattern, 0, MAX_PATTERN_LENGTH)) return 1;
  const wellFormed = pattern.toWellFormed();
  const tokens = tokensOf(wellFormed);
  const { most, parts } = measure(tokens);
  const groups = tokens.filter(token => token['open'] !== undefined).length;
  const expanded = most > MAX_REPEATS ? 0 : parts + groups * GROUP_SIZE;
  return sizeOfSource(wellFormed) + expanded;
};

/** The size that the patterns of one flag, or of one segment, may have together. */
export const MAX_SIZE = 26_000;
/** The size that the patterns of a flag set may have together: at most about 100 MB. */
const MAX_SET_SIZE = 1_000_000;

/** Returns what is wrong with the patterns of a flag set if they are too large together. */
export const tooLarge = (size: number): string | undefined =>
  size > MAX_SET_SIZE
    ? `the patterns of the flag set have the size ${size} with all repetitions, but at most ${MAX_SET_SIZE} is possible`
    : undefined;

/** A library for RE2. It is as large as the rest of the engine, so it is loaded only if a flag needs it. */
export type RegexEngine = {
  compile(pattern: string): CompiledPattern;
  /** What is wrong with all patterns, so that none is compiled. */
  readonly problem?: string;
};
type CompiledPattern = { test(text: string): boolean };

const TOO_LARGE = `makes the patterns too large: with all repetitions, groups and ranges that ignore case, the size of all together is more than ${MAX_SIZE}`;

/** Returns an engine for the patterns of one flag or segment, which have this size together. */
export const withSizeLimit = (
  engine: RegexEngine | undefined,
  size: number,
): RegexEngine | undefined =>
  engine === undefined || size <= MAX_SIZE
    ? engine
    : { compile: pattern => engine.compile(pattern), problem: TOO_LARGE };

/** Returns the error message of the library if the pattern is invalid. */
const compileRe2 = (pattern: string, regexEngine: RegexEngine): CompiledPattern | string => {
  try {
    return regexEngine.compile(pattern);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
};

/**
 * Returns a linear-time search for an RE2 pattern, or what is wrong with the pattern. Accepts only the
 * syntax that the RE2 libraries of all engines interpret in the same way.
 */
export const compilePattern = (
  pattern: string,
  regexEngine: RegexEngine | undefined,
): ((text: string) => boolean) | { problem: string } => {
  if (regexEngine === undefined)
    return { problem: 'needs regular expressions, which are not loaded' };
  if (!hasLength(pattern, 0, MAX_PATTERN_LENGTH)) {
    return { problem: `must be a pattern of at most ${MAX_PATTERN_LENGTH} characters` };
  }
  if (regexEngine.problem !== undefined) return { problem: regexEngine.problem };
  const wellFormed = pattern.toWellFormed();
  const tokens = tokensOf(wellFormed);
  const { most, length } = measure(tokens);
  if (most > MAX_REPEATS) {
    return {
      problem: `must not repeat more than ${MAX_REPEATS} times, multiplied through nesting`,
    };
  }
  const compiled = compileRe2(wellFormed, regexEngine);
  if (typeof compiled === 'string') return { problem: `must be an RE2 pattern: ${compiled}` };
  if (tokens.some(isOutsideSubset)) {
    return { problem: 'must not use \\C, \\p, \\P or a named group: engines differ in these' };
  }
  return text => {
    const searched = cutText(text);
    addWork(searched.length * length);
    return compiled.test(searched.toWellFormed());
  };
};

/** Only the beginning of a longer text is searched, in characters. */
const MAX_SEARCHED = 10_000;

const isHighSurrogate = (code: number): boolean => code >= 0xd800 && code <= 0xdbff;
const isLowSurrogate = (code: number): boolean => code >= 0xdc00 && code <= 0xdfff;

/** Returns the characters of a text that are searched. An unpaired surrogate counts as one character. */
const cutText = (text: string): string => {
  if (text.length <= MAX_SEARCHED) return text;
  let end = 0;
  for (let count = 0; count < MAX_SEARCHED && end < text.length; count += 1) {
    const isPair =
      isHighSurrogate(text.charCodeAt(end)) && isLowSurrogate(text.charCodeAt(end + 1));
    end += isPair ? 2 : 1;
  }
  return text.slice(0, end);
};
