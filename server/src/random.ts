import { randomInt } from 'node:crypto';

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz0123456789';

/** Returns random letters and digits, with about 5.2 bits each. */
export type Random = (length: number) => string;

/** Uses the random generator of the operating system. */
export const secureRandom: Random = length => {
  let text = '';
  for (let i = 0; i < length; i += 1) text += ALPHABET[randomInt(ALPHABET.length)];
  return text;
};
