import type { Messages } from '@lingui/core';

const ACCENTED: Readonly<Record<string, string>> = {
  a: 'å',
  e: 'é',
  i: 'ï',
  o: 'ö',
  u: 'ü',
  A: 'Å',
  E: 'É',
  I: 'Ï',
  O: 'Ö',
  U: 'Ü',
};

/** Returns messages that are readable and a third longer, so that text that is not translated, or has no room, is visible. */
export const pseudoMessages = (messages: Messages): Messages =>
  Object.fromEntries(Object.entries(messages).map(([id, text]) => [id, [...accent(text), ' ···']]));

/** A compiled message is a list of texts and of placeholders, which are lists. */
const accent = (message: Messages[string]): Exclude<Messages[string], string> =>
  (typeof message === 'string' ? [message] : message).map(part =>
    typeof part === 'string'
      ? part.replaceAll(/[aeiou]/gi, letter => ACCENTED[letter] ?? letter)
      : part,
  );
