import { isList } from './json.ts';

const MAX_SHOWN_CHARACTERS = 100;
const MAX_SHOWN_NAMES = 8;

/** Returns at most 100 characters of a text, with a mark if some are left out. */
export const truncate = (text: string): string => {
  if (text.length <= MAX_SHOWN_CHARACTERS) return text;
  const characters = Array.from(text.slice(0, 2 * MAX_SHOWN_CHARACTERS)).slice(
    0,
    MAX_SHOWN_CHARACTERS - 1,
  );
  return `${characters.join('')}…`;
};

export const quote = (text: string): string => JSON.stringify(truncate(text));

/** Formats the name of an attribute, an operator, a flag or a segment within a sentence. */
export const codeSpan = (text: string): string => `\`${truncate(text)}\``;

/** `"on", "off"`, or `"a", "b" and 12 more` if there are many names. */
export const joinQuoted = (names: readonly string[]): string => {
  const shown = names.slice(0, MAX_SHOWN_NAMES).map(quote).join(', ');
  return names.length > MAX_SHOWN_NAMES
    ? `${shown} and ${names.length - MAX_SHOWN_NAMES} more`
    : shown;
};

/** Describes a value with its type: `the string "10"`, `the number 10`, `a list of 3`. */
export const describe = (value: unknown): string => {
  if (value === undefined) return 'missing';
  if (typeof value === 'string') return `the string ${quote(value)}`;
  if (typeof value === 'number') return `the number ${value}`;
  if (typeof value === 'boolean') return String(value);
  if (value === null) return 'null';
  return isList(value) ? `a list of ${value.length}` : 'an object';
};

const literal = (value: unknown): string =>
  typeof value === 'string' ? quote(value) : truncate(String(value));

/** Describes an operand with its type; a list with its first values. */
export const describeOperand = (operand: unknown): string => {
  if (!isList(operand)) return describe(operand);
  const shown = operand.slice(0, MAX_SHOWN_NAMES).map(literal).join(', ');
  const more = operand.length - MAX_SHOWN_NAMES;
  return more > 0 ? `[${shown} and ${more} more]` : `[${shown}]`;
};
