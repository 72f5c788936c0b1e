import murmurhash from 'murmurhash';

/** Part of every browser and every Node, but not of the language's own library. */
declare const TextEncoder: new () => { encode(text: string): Uint8Array };

const encoder = new TextEncoder();

/** Flips the sign bit, so that signed hashes have the order of unsigned ones. */
const SIGN_BIT = 0x8000_0000;
const RANGE = 0x1_0000_0000;

/** The number of different draws, which is the precision of percentages and splits. */
export const DRAWS = 100_000;

const mixBlock = (block: number): number => {
  const spread = Math.imul(block, 0xcc9e2d51);
  return Math.imul((spread << 15) | (spread >>> 17), 0x1b873593);
};

const finish = (hash: number): number => {
  let mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
};

/** TextEncoder writes an unpaired surrogate as U+FFFD, as the contract requires. */
const hashOfBytes = (text: string, seed: number): number =>
  murmurhash.v3(encoder.encode(text), seed >>> 0) | 0;

/**
 * MurmurHash3 x86-32 of the text's UTF-8 bytes as a signed 32-bit integer, which V8 keeps out of the heap.
 * ASCII text needs no buffer; other text is hashed again by the library.
 */
const murmur3Signed = (text: string, seed: number): number => {
  const length = text.length;
  const blocks = length & ~3;
  let hash = seed;
  let seen = 0;
  let at = 0;
  for (; at < blocks; at += 4) {
    const first = text.charCodeAt(at);
    const second = text.charCodeAt(at + 1);
    const third = text.charCodeAt(at + 2);
    const fourth = text.charCodeAt(at + 3);
    seen |= first | second | third | fourth;
    hash ^= mixBlock(first | (second << 8) | (third << 16) | (fourth << 24));
    hash = (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0;
  }
  let tail = 0;
  for (let shift = 0; at < length; at += 1, shift += 8) {
    const unit = text.charCodeAt(at);
    seen |= unit;
    tail |= unit << shift;
  }
  if (seen > 0x7f) return hashOfBytes(text, seed);
  return finish(hash ^ mixBlock(tail) ^ length);
};

/** MurmurHash3 x86-32 of the text's UTF-8 bytes, unsigned. */
export const murmur3 = (text: string, seed: number): number => murmur3Signed(text, seed) >>> 0;

/** The two independent draws: which variant a subject gets, and whether a rule admits it. */
export const VARIANT_DRAW = 0;
export const ADMISSION_DRAW = 1;

/** The inner hash of a draw, which is computed once, at compile. */
export const drawSeed = (seed: string, which: number): number => murmur3Signed(seed, which);

/** The draw of a bucketing value, 0 to 99,999, as the contract defines it. */
export const draw = (bucketingValue: string, hashSeed: number): number =>
  Math.floor((murmur3(bucketingValue, hashSeed) * DRAWS) / RANGE);

/** A hash in the same order as the draws, without the arithmetic that a draw needs. */
export const signedHash = (bucketingValue: string, hashSeed: number): number =>
  murmur3Signed(bucketingValue, hashSeed) ^ SIGN_BIT;

/**
 * Returns the signed hash at which the draws of `from` and more begin, so that `draw(value, seed) < from`
 * exactly if `signedHash(value, seed) < upperBound(from)`. The quotient is either whole or at least 1/3125
 * away from a whole number, so a rounding error cannot change the result of `ceil`.
 */
export const upperBound = (from: number): number => Math.ceil((from * RANGE) / DRAWS) - SIGN_BIT;
