import murmurhash from 'murmurhash';

import { charCodeAt } from './char-code.ts';

/** A global of browsers and Node that the ECMAScript types, which the engine is limited to, do not include. */
declare const TextEncoder: new () => { encode(text: string): Uint8Array };

const encoder = new TextEncoder();

const SIGN_BIT = 0x8000_0000;
/** The number of different 32-bit hashes. */
const HASHES = 0x1_0000_0000;

/** The number of different draws, which is the precision of percentages and splits. */
export const DRAWS = 100_000;

const mixBlock = (block: number): number => {
  const product = Math.imul(block, 0xcc9e2d51);
  return Math.imul((product << 15) | (product >>> 17), 0x1b873593);
};

const finish = (hash: number): number => {
  let mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
};

/** TextEncoder writes an unpaired surrogate as U+FFFD, as the contract requires. */
const hashOfBytes = (text: string, initialHash: number): number =>
  murmurhash.v3(encoder.encode(text), initialHash >>> 0) | 0;

/**
 * MurmurHash3 x86-32 of the text's UTF-8 bytes as a signed 32-bit integer, which V8 keeps out of the heap.
 * ASCII text needs no buffer; other text is hashed again by the library.
 */
const murmur3Signed = (text: string, initialHash: number): number => {
  const length = text.length;
  const endOfBlocks = length & ~3;
  let hash = initialHash;
  let combinedCodes = 0;
  let index = 0;
  for (; index < endOfBlocks; index += 4) {
    const first = charCodeAt(text, index);
    const second = charCodeAt(text, index + 1);
    const third = charCodeAt(text, index + 2);
    const fourth = charCodeAt(text, index + 3);
    combinedCodes |= first | second | third | fourth;
    hash ^= mixBlock(first | (second << 8) | (third << 16) | (fourth << 24));
    hash = (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0;
  }
  let lastBlock = 0;
  for (let shift = 0; index < length; index += 1, shift += 8) {
    const code = charCodeAt(text, index);
    combinedCodes |= code;
    lastBlock |= code << shift;
  }
  const isAscii = combinedCodes <= 0x7f;
  return isAscii ? finish(hash ^ mixBlock(lastBlock) ^ length) : hashOfBytes(text, initialHash);
};

/** MurmurHash3 x86-32 of the text's UTF-8 bytes, unsigned. */
export const murmur3 = (text: string, initialHash: number): number =>
  murmur3Signed(text, initialHash) >>> 0;

/** The two independent draws: which variant a subject gets, and whether a rule admits it. */
export const VARIANT_DRAW = 0;
export const ADMISSION_DRAW = 1;

/** Hashes a seed for one of its two draws. Computed once, when a rule is compiled. */
export const drawSeed = (seed: string, which: number): number => murmur3Signed(seed, which);

/** Returns the draw of a bucketing value, 0 to 99,999. */
export const draw = (bucketingValue: string, seedOfDraw: number): number =>
  Math.floor((murmur3(bucketingValue, seedOfDraw) * DRAWS) / HASHES);

/**
 * Returns the hash of a bucketing value as a signed integer that increases with the draw. Flipping the sign
 * bit gives signed integers the order of unsigned ones. Evaluations compare these hashes, which is faster
 * than computing the draw.
 */
export const orderedHash = (bucketingValue: string, seedOfDraw: number): number =>
  murmur3Signed(bucketingValue, seedOfDraw) ^ SIGN_BIT;

/**
 * Returns the highest ordered hash with a draw below `limit`, which is at least 1: `draw(value, seed) < limit`
 * exactly if `orderedHash(value, seed) <= highestHash(limit)`. The quotient is either whole or at least 1/3125
 * away from a whole number, so a rounding error cannot change the result of `ceil`.
 */
export const highestHash = (limit: number): number =>
  Math.ceil((limit * HASHES) / DRAWS) - 1 - SIGN_BIT;
