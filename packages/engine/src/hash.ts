import murmurhash from 'murmurhash';

/** In every browser and every Node, but not in the language's own library. */
declare const TextEncoder: new () => { encode(text: string): Uint8Array };

const encoder = new TextEncoder();

/** Hashes are compared as signed numbers, which V8 keeps out of the heap; this shifts them in order. */
const BIAS = 0x8000_0000;
const RANGE = 0x1_0000_0000;

/** All of a scale of draws, and the fineness of both percentages and splits. */
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

/** TextEncoder writes an unpaired surrogate as U+FFFD, which is what the contract asks. */
const hashOfBytes = (text: string, seed: number): number =>
  murmurhash.v3(encoder.encode(text), seed >>> 0) | 0;

/** MurmurHash3 x86-32 of the text's UTF-8 bytes, as a signed number. ASCII needs no buffer. */
const signedHash = (text: string, seed: number): number => {
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
export const murmur3 = (text: string, seed: number): number => signedHash(text, seed) >>> 0;

/** Which of the two independent draws: who is admitted, or which variant they get. */
export const VARIANT_DRAW = 0;
export const ADMISSION_DRAW = 1;

/** The inner hash of a draw, made once at compile. */
export const drawSeed = (seed: string, which: number): number => signedHash(seed, which);

/** The draw of a unit, 0 to 99,999, as the contract writes it. */
export const draw = (unit: string, inner: number): number =>
  Math.floor((murmur3(unit, inner) * DRAWS) / RANGE);

/** Where a unit stands on the whole range of hashes; order is that of the draws, in finer steps. */
export const position = (unit: string, inner: number): number => signedHash(unit, inner) ^ BIAS;

/**
 * The position at which draws of `from` and more begin, so that
 * `draw(unit, inner) < from` exactly where `position(unit, inner) < bound(from)`.
 * The quotient is either exact or at least 1/3125 away from a whole number, so `ceil` cannot err.
 */
export const bound = (from: number): number => Math.ceil((from * RANGE) / DRAWS) - BIAS;
