import { hasLength } from './fields.ts';

const MAX_CHARACTERS = 256;
const MAX_REPEATS = 100;

const NAMED_CLASS = '\\[:\\^?[a-z]+:\\]';

/** The parts of a pattern that RE2 has accepted, as far as the subset must tell them apart. */
const PART = new RegExp(
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

type Parts = { readonly [name: string]: string | undefined };

const partsOf = (pattern: string): Parts[] =>
  Array.from(pattern.matchAll(PART), ({ groups }) => groups ?? {});

const outsideSubset = ({ escape, set, named }: Parts): boolean =>
  named !== undefined || /^[CpP]$/.test(escape ?? '') || /\\[CpP]/.test(withoutPairs(set ?? ''));

/** In a class `\\p` is a backslash and a letter. */
const withoutPairs = (set: string): string => set.replaceAll('\\\\', '');

/** How often the part before a count is repeated already, and the most of all parts of its group. */
type Repeats = { readonly last: number; readonly most: number };

const ONCE: Repeats = { last: 1, most: 1 };

/** A count of nothing counts as one: what is repeated within it still has to be parsed and built. */
const countOf = ({ least, most }: Parts): number => Math.max(1, Number(most ?? least));

/** These stand for no character, so that a count after them belongs to what is before them. */
const isTransparent = ({ flags, quoted, quantifier }: Parts): boolean =>
  flags !== undefined || quoted === '' || quantifier !== undefined;

/** The counts `{n}`, `{n,}` and `{n,m}` of a pattern multiplied through its nesting. */
const mostRepeats = (parts: readonly Parts[]): number => {
  const outer: Repeats[] = [];
  let here = ONCE;
  for (const part of parts) {
    if (part['open'] !== undefined) {
      outer.push(here);
      here = ONCE;
    } else if (part['close'] !== undefined) {
      here = { last: here.most, most: Math.max(here.most, outer.pop()?.most ?? 1) };
    } else if (part['least'] !== undefined) {
      const last = here.last * countOf(part);
      here = { last, most: Math.max(last, here.most) };
    } else if (!isTransparent(part)) {
      here = { last: 1, most: here.most };
    }
  }
  return here.most;
};

/** A library that reads RE2's language. It is as heavy as all of the engine, so that not everybody loads it. */
export type Patterns = { compile(pattern: string): Machine };
type Machine = { test(text: string): boolean };

const compiled = (pattern: string, patterns: Patterns): Machine | string => {
  try {
    return patterns.compile(pattern);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
};

/**
 * A search for an RE2 pattern, in linear time, or what is wrong with the pattern.
 * Only what every engine's RE2 reads alike is accepted.
 */
export const compilePattern = (
  pattern: string,
  patterns: Patterns | undefined,
): ((text: string) => boolean) | { problem: string } => {
  if (patterns === undefined) return { problem: 'needs regular expressions, which are not loaded' };
  if (!hasLength(pattern, 0, MAX_CHARACTERS)) {
    return { problem: `must be a pattern of at most ${MAX_CHARACTERS} characters` };
  }
  const wellFormed = pattern.toWellFormed();
  const machine = compiled(wellFormed, patterns);
  if (typeof machine === 'string') return { problem: `must be an RE2 pattern: ${machine}` };
  const parts = partsOf(wellFormed);
  if (parts.some(outsideSubset)) {
    return { problem: 'must not use \\C, \\p, \\P or a named group: engines differ in them' };
  }
  if (mostRepeats(parts) > MAX_REPEATS) {
    return {
      problem: `must not repeat more than ${MAX_REPEATS} times, multiplied through nesting`,
    };
  }
  return text => machine.test(text.toWellFormed());
};
