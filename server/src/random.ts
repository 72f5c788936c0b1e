import { randomInt } from 'node:crypto';

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz0123456789';

/** Random letters and digits from the system's generator: about 5.2 bits each. */
export type Random = (length: number) => string;

export const secureRandom: Random = length => {
  let text = '';
  for (let i = 0; i < length; i += 1) text += ALPHABET[randomInt(ALPHABET.length)];
  return text;
};
