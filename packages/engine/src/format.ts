import { isList } from './fields.ts';

const SHOWN_CHARACTERS = 100;
const SHOWN_NAMES = 8;

/** At most 100 characters of a text; what is cut is marked. */
export const truncate = (text: string): string => {
  if (text.length <= SHOWN_CHARACTERS) return text;
  const shown = Array.from(text.slice(0, 2 * SHOWN_CHARACTERS)).slice(0, SHOWN_CHARACTERS - 1);
  return `${shown.join('')}…`;
};

export const quote = (text: string): string => JSON.stringify(truncate(text));

/** A name of an attribute, an operator, a flag or a segment within a sentence. */
export const codeSpan = (text: string): string => `\`${truncate(text)}\``;

/** `"on", "off"`: names as people read them, cut where there are many. */
export const joinQuoted = (names: readonly string[]): string => {
  const shown = names.slice(0, SHOWN_NAMES).map(quote).join(', ');
  return names.length > SHOWN_NAMES ? `${shown} and ${names.length - SHOWN_NAMES} more` : shown;
};

/** A value with its type: `the text "10"`, `the number 10`, `a list of 3`. */
export const describe = (value: unknown): string => {
  if (value === undefined) return 'missing';
  if (typeof value === 'string') return `the text ${quote(value)}`;
  if (typeof value === 'number') return `the number ${value}`;
  if (typeof value === 'boolean') return String(value);
  if (value === null) return 'null';
  return isList(value) ? `a list of ${value.length}` : 'an object';
};

const literal = (value: unknown): string =>
  typeof value === 'string' ? quote(value) : truncate(String(value));

/** An operand with its type; a list with its first values. */
export const describeOperand = (operand: unknown): string => {
  if (!isList(operand)) return describe(operand);
  const shown = operand.slice(0, SHOWN_NAMES).map(literal).join(', ');
  const more = operand.length - SHOWN_NAMES;
  return more > 0 ? `[${shown} and ${more} more]` : `[${shown}]`;
};
