import { hasLength } from './json.ts';

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

/** How often the last item of a group is repeated, and the highest count in the group. */
type Repeats = { readonly last: number; readonly most: number };

const ONCE: Repeats = { last: 1, most: 1 };

/** `{0}` counts as one, because its contents are still parsed and built. */
const countOf = ({ least, most }: Token): number => Math.max(1, Number(most ?? least));

/** These match no character themselves, so a count after them applies to the item before them. */
const isTransparent = ({ flags, quoted, quantifier }: Token): boolean =>
  flags !== undefined || quoted === '' || quantifier !== undefined;

/** Returns the highest product of nested counts `{n}`, `{n,}` and `{n,m}` in a pattern. */
const highestRepeat = (tokens: readonly Token[]): number => {
  const outer: Repeats[] = [];
  let current = ONCE;
  for (const token of tokens) {
    if (token['open'] !== undefined) {
      outer.push(current);
      current = ONCE;
    } else if (token['close'] !== undefined) {
      current = { last: current.most, most: Math.max(current.most, outer.pop()?.most ?? 1) };
    } else if (token['least'] !== undefined) {
      const last = current.last * countOf(token);
      current = { last, most: Math.max(last, current.most) };
    } else if (!isTransparent(token)) {
      current = { last: 1, most: current.most };
    }
  }
  return current.most;
};

/** A library for RE2. It is as large as the rest of the engine, so it is loaded only if a flag needs it. */
export type RegexEngine = { compile(pattern: string): CompiledPattern };
type CompiledPattern = { test(text: string): boolean };

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
  const compiled = compileRe2(wellFormed, regexEngine);
  if (typeof compiled === 'string') return { problem: `must be an RE2 pattern: ${compiled}` };
  const tokens = tokensOf(wellFormed);
  if (tokens.some(isOutsideSubset)) {
    return { problem: 'must not use \\C, \\p, \\P or a named group: engines differ in these' };
  }
  if (highestRepeat(tokens) > MAX_REPEATS) {
    return {
      problem: `must not repeat more than ${MAX_REPEATS} times, multiplied through nesting`,
    };
  }
  return text => compiled.test(text.toWellFormed());
};
