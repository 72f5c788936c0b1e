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
 * How often the last item of a group is repeated, the highest count in the group, and the sizes of the last
 * item and of the group.
 */
type Repeats = {
  readonly last: number;
  readonly most: number;
  readonly lastSize: number;
  readonly size: number;
};

const EMPTY: Repeats = { last: 1, most: 1, lastSize: 0, size: 0 };

/** `{0}` counts as one, because its contents are still parsed and built. */
const countOf = ({ least, most }: Token): number => Math.max(1, Number(most ?? least));

/** These match no character themselves, so a count after them applies to the item before them. */
const isTransparent = ({ flags, quoted, quantifier }: Token): boolean =>
  flags !== undefined || quoted === '' || quantifier !== undefined;

const closeGroup = (group: Repeats, outer: Repeats): Repeats => ({
  last: group.most,
  most: Math.max(group.most, outer.most),
  lastSize: group.size,
  size: outer.size + group.size,
});

const repeatLast = (current: Repeats, count: number): Repeats => {
  const last = current.last * count;
  const lastSize = current.lastSize * count;
  const size = current.size + lastSize - current.lastSize;
  return { last, most: Math.max(last, current.most), lastSize, size };
};

const addItem = ({ most, size }: Repeats, itemSize: number): Repeats => ({
  last: 1,
  most,
  lastSize: itemSize,
  size: size + itemSize,
});

/**
 * Returns the highest product of nested counts `{n}`, `{n,}` and `{n,m}` in a pattern, and its size: the number
 * of characters and classes after all counts are expanded, which memory and time of a search grow with.
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
      current = repeatLast(current, countOf(token));
    } else if (!isTransparent(token)) {
      current = addItem(current, token['quoted']?.length ?? 1);
    }
  }
  return outer.reduceRight((group, around) => closeGroup(group, around), current);
};

/** The size of a pattern, at least 1. A pattern that is not compiled, because it exceeds another limit, has 1. */
export const patternSize = (pattern: string): number => {
  if (!hasLength(pattern, 0, MAX_PATTERN_LENGTH)) return 1;
  const { most, size } = measure(tokensOf(pattern.toWellFormed()));
  return most > MAX_REPEATS ? 1 : Math.max(1, size);
};

/** The size that the patterns of one flag, or of one segment, may have together. A single pattern is smaller. */
const MAX_SIZE = 26_000;
/** The size that the patterns of a flag set may have together: about 35 MB. */
const MAX_SET_SIZE = 500_000;

/** Returns what is wrong with the patterns of a flag set if they are too large together. */
export const tooLarge = (size: number): string | undefined =>
  size > MAX_SET_SIZE
    ? `the patterns of the flag set have ${size} characters with all repetitions, but at most ${MAX_SET_SIZE} are possible`
    : undefined;

/** A library for RE2. It is as large as the rest of the engine, so it is loaded only if a flag needs it. */
export type RegexEngine = {
  compile(pattern: string): CompiledPattern;
  /** Reserves the size of one more pattern. Returns the size of all of them if it is too large. */
  reserve?(size: number): number | undefined;
};
type CompiledPattern = { test(text: string): boolean };

/** Returns an engine for the patterns of one flag or segment. */
export const withSizeLimit = (engine: RegexEngine | undefined): RegexEngine | undefined => {
  if (engine === undefined) return undefined;
  let reserved = 0;
  return {
    compile: pattern => engine.compile(pattern),
    reserve: size => {
      reserved += size;
      return reserved > MAX_SIZE ? reserved : undefined;
    },
  };
};

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
  const wellFormed = pattern.toWellFormed();
  const tokens = tokensOf(wellFormed);
  const { most, size } = measure(tokens);
  if (most > MAX_REPEATS) {
    return {
      problem: `must not repeat more than ${MAX_REPEATS} times, multiplied through nesting`,
    };
  }
  const total = regexEngine.reserve?.(Math.max(1, size));
  if (total !== undefined) return { problem: describeTotal(total) };
  const compiled = compileRe2(wellFormed, regexEngine);
  if (typeof compiled === 'string') return { problem: `must be an RE2 pattern: ${compiled}` };
  if (tokens.some(isOutsideSubset)) {
    return { problem: 'must not use \\C, \\p, \\P or a named group: engines differ in these' };
  }
  return text => {
    const searched = cutText(text);
    addWork(searched.length * size);
    return compiled.test(searched.toWellFormed());
  };
};

const describeTotal = (total: number): string =>
  `makes the patterns too large: with all repetitions they have ${total} characters together, but at most ${MAX_SIZE} are possible`;

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
