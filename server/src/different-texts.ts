import { randomInt } from 'node:crypto';

/** Counts different texts within JSON text. */
export type DifferentTexts = {
  /** Counts the text from `start` to `end`, and returns how many there are so far. */
  readonly add: (text: Uint8Array, start: number, end: number) => number;
};

/** With so many bits for each text, some 2 % of different texts share a bit with another one and are not counted. */
const BITS_PER_TEXT = 16;

/** Random, so that texts which share a bit cannot be prepared. */
const SEED = randomInt(2 ** 32);

const NONE: DifferentTexts = { add: () => 0 };

/**
 * Returns a counter for up to `limit` texts, which counts nothing if that is 0. It keeps a bit of each, because the
 * texts themselves take much memory.
 */
export const createDifferentTexts = (limit: number): DifferentTexts => {
  if (limit === 0) return NONE;
  const indexBits = 32 - Math.clz32(limit * BITS_PER_TEXT);
  const seen = new Uint8Array(2 ** indexBits / 8);
  let count = 0;
  return {
    add(text, start, end) {
      const index = hashBytes(text, start, end) >>> (32 - indexBits);
      const byte = seen[index >>> 3] ?? 0;
      const bit = 1 << (index & 7);
      if ((byte & bit) === 0) count += 1;
      seen[index >>> 3] = byte | bit;
      return count;
    },
  };
};

/** FNV-1a with a seed, and the end of MurmurHash3, which spreads it over all bits. */
const hashBytes = (text: Uint8Array, start: number, end: number): number => {
  let hash = SEED;
  for (let at = start; at < end; at += 1) hash = Math.imul(hash ^ (text[at] ?? 0), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
};
